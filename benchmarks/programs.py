"""The programs that are compared, each in processes of its own, and the CPU seconds that they take."""

import os
import resource
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from fip.local.forks import MEMORY_IS_KEPT

FIP = str(Path(sysconfig.get_path("scripts")) / "fip")
REPOSITORY = Path(__file__).resolve().parents[1]

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "DUCC0_NUM_THREADS"), "1")
ANTENNAS, ARCSEC, EPSILON = 64, 1.5, 1e-5
UNFLAGGED = ("--flag-fraction", "0")  # all programs use the same samples of an observation then


@dataclass(frozen=True, slots=True)
class Work:
    """What each image is made of: channels of each of 2016 baselines, and pixels a side."""

    channels: int = 64
    size: int = 1024

    def __str__(self) -> str:
        return f"{self.channels} channels, {self.size}^2"


USUAL = Work()


@dataclass(frozen=True, slots=True)
class Observation:
    """A simulated MeasurementSet, and what is to be made of it."""

    path: Path
    integrations: int
    work: Work


@dataclass(frozen=True, slots=True)
class Cost:
    """What a program took from its start to its end."""

    cpu: float  # s, user and system, of the process and of all that it started and waited for
    wall: float  # s
    output: str


def simulated(scratch: Path, integrations: int, work: Work = USUAL, *options: str) -> Observation:
    """Return an observation of so many integrations; simulate it if it is not there yet."""
    path = scratch / f"sim{work.channels}x{integrations}{''.join(options)}.ms"
    if not path.exists():
        size = ("--antennas", str(ANTENNAS), "--channels", str(work.channels), "--integrations", str(integrations))
        run([FIP, "simulate", str(path), *size, *options])
    return Observation(path, integrations, work)


def fip_command(observed: Observation, directory: Path, workers: int = 1, kernel: str = "slant") -> list[str]:
    """`fip run` into a directory without images."""
    size, scale = str(observed.work.size), f"{ARCSEC}arcsec"
    grid = ("--size", size, "--scale", scale, "--epsilon", str(EPSILON), "--stokes", "I", "--kernel", kernel)
    return [FIP, "run", str(observed.path), "--output", str(directory), *grid, "--workers", str(workers)]


def plain_command(observed: Observation, directory: Path) -> list[str]:
    """The plain loop doing the same into a directory that is there."""
    settings = (str(observed.work.size), str(ARCSEC), str(EPSILON))
    return [sys.executable, "-m", "benchmarks.plain", str(observed.path), str(directory), *settings]


def wsclean_command(observed: Observation, directory: Path, exact: bool = False) -> list[str]:
    """WSClean with the same gridder doing the same, one thread, no second image.

    Not `exact`, its default: an image at the resolution of the longest baseline, interpolated to the size asked.
    """
    size = str(observed.work.size)
    grid = ("-size", size, size, "-scale", f"{ARCSEC}asec", "-weight", "natural", "-pol", "I", "-niter", "0")
    gridder = ("-use-wgridder", "-wgridder-accuracy", str(EPSILON), *(("-no-small-inversion",) if exact else ()))
    cut = ("-intervals-out", str(observed.integrations), "-no-reorder", "-data-column", "DATA")
    rest = ("-j", "1", "-no-dirty", "-no-update-model-required", "-quiet", "-name", str(directory / "w"))
    return ["wsclean", *grid, *gridder, *cut, *rest, str(observed.path)]


def emptied(directory: Path) -> Path:
    """Make this directory anew, empty."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory


def environment() -> dict[str, str]:
    """One thread of arithmetic for each process and its memory kept, as FIP's daemons have it: all at their best."""
    return dict(os.environ) | ONE_THREAD | MEMORY_IS_KEPT


def run(command: list[str]) -> Cost:
    """Run a program to its end. Raises CalledProcessError if it fails."""
    before, begun = children_cpu(), perf_counter()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return Cost(children_cpu() - before, perf_counter() - begun, done.stdout)


def children_cpu() -> float:
    """CPU seconds of all children that have ended, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
