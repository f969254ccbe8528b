"""The programs that are compared, each in processes of its own, and the CPU seconds that they take."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from fip.launch import ONE_THREAD

FIP = str(Path(sysconfig.get_path("scripts")) / "fip")
REPOSITORY = Path(__file__).resolve().parents[1]

ANTENNAS, CHANNELS = 64, 64
SIZE, ARCSEC, EPSILON = 1024, 1.5, 1e-5


@dataclass(frozen=True, slots=True)
class Cost:
    """What a program took from its start to its end."""

    cpu: float  # s, user and system, of the process and of all that it started and waited for
    wall: float  # s
    output: str


def simulated(scratch: Path, integrations: int) -> Path:
    """A MeasurementSet of so many integrations, simulated where it is not there yet."""
    path = scratch / f"sim{integrations}.ms"
    if not path.exists():
        size = ("--antennas", str(ANTENNAS), "--channels", str(CHANNELS), "--integrations", str(integrations))
        run([FIP, "simulate", str(path), *size])
    return path


def fip_command(path: Path, directory: Path, workers: int, kernel: str = "auto") -> list[str]:
    """`fip run` of a MeasurementSet into a directory without images."""
    grid = ("--size", str(SIZE), "--scale", f"{ARCSEC}arcsec", "--epsilon", str(EPSILON), "--stokes", "I")
    return [FIP, "run", str(path), "--output", str(directory), *grid, "--workers", str(workers), "--kernel", kernel]


def plain_command(path: Path, directory: Path) -> list[str]:
    """The plain loop doing the same into a directory that is there."""
    return [sys.executable, "-m", "benchmarks.plain", str(path), str(directory), str(SIZE), str(ARCSEC), str(EPSILON)]


def emptied(directory: Path) -> Path:
    """This directory, made anew."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory


def environment() -> dict[str, str]:
    """One thread for each process, as `fip run` has it for its daemons."""
    return dict(os.environ) | dict.fromkeys(ONE_THREAD, "1")


def run(command: list[str]) -> Cost:
    """Run a program to its end. Raises CalledProcessError where it fails."""
    before, begun = children_cpu(), perf_counter()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return Cost(children_cpu() - before, perf_counter() - begun, done.stdout)


def children_cpu() -> float:
    """CPU seconds of all children that have ended, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
