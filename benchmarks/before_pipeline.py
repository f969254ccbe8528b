"""Rows of `benchmarks.before` that are about more than a kernel: all processes of `fip run`, and the imaging thread.

The set is simulated by the present version: 64 antennas, 64 channels, 1.5 arcsec a pixel.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.programs import ONE_THREAD, Observation, Work, children_cpu, emptied, fip_command, simulated
from benchmarks.turns import Version
from fip.local.forks import MEMORY_IS_KEPT

FEW, MANY = 40, 140  # images: start-up is in both
SLICES = 8

THREAD = """
import sys, time
from pathlib import Path
from fip.imaging.compression import compress
from fip.imaging.kernels import make_kernel
path, size, scale = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
try:
    from fip.data.settings import asked
    from fip.source.open_run import open_run
    from fip.worker.stages import image_file
    run = open_run(path, asked(size=(size, size), scale=scale, kernel="slant"))
except ImportError:
    from fip.data import Selection
    from fip.imaging.image import image_file
    from fip.source.growing import Whole
    run = Whole(path, Selection(size=(size, size), scale=scale, kernel="slant")).up_to(0)
slices = [compress(run.read(index)) for index in range(int(sys.argv[4]))]
kernel = make_kernel(slices[0].settings, slices[0].grid)
image_file(slices[0], kernel, "worker", 0.0)
print("ready", flush=True)
for number, _ in enumerate(sys.stdin.buffer):
    begun = time.process_time()
    made = image_file(slices[number % len(slices)], kernel, "worker", 0.0)
    print(time.process_time() - begun, flush=True)
"""


@dataclass(frozen=True)
class PipelineRow:
    """CPU seconds of an image by the sources in a folder, a figure for each time it is asked; and what is to come."""

    seconds: Callable[[Path, Path], Iterator[float]]  # of the sources, and of a folder for files
    close: float
    aim: float


def all_processes(library: Path, scratch: Path) -> Iterator[float]:
    """Yield the CPU time of an image by `fip run`, one worker, 1024^2: that of 140 less that of 40 images, over 100."""
    sets = [simulated(scratch, count, Work(64, 1024)) for count in (FEW, MANY)]
    while True:
        few, many = (_cpu(library, scratch, each) for each in sets)
        yield (many - few) / (MANY - FEW)


def _cpu(library: Path, scratch: Path, observed: Observation) -> float:
    command, environment = fip_command(observed, emptied(scratch / "images")), _environment(library, scratch)
    before = children_cpu()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return children_cpu() - before


def imaging_thread(library: Path, scratch: Path) -> Iterator[float]:
    """Yield the CPU time of a worker's thread for an image of 4096^2, from the decoded slice to the file's bytes."""
    path = simulated(scratch, SLICES, Work(64, 4096)).path
    version = Version(library, THREAD, path, 4096, repr(1.5 / 206264.806), SLICES)
    try:
        while True:
            yield version.seconds()
    finally:
        version.close()


def _environment(library: Path, scratch: Path) -> dict[str, str]:
    """Return the environment in which the sources of this folder are imported, and the daemons beside it."""
    daemons = scratch / f"daemons-of-{library.parent.name}"
    daemons.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        (daemons / "fip_daemons").symlink_to(library.parent / "daemons")
    return os.environ | ONE_THREAD | MEMORY_IS_KEPT | {"PYTHONPATH": os.pathsep.join(map(str, (library, daemons)))}


PIPELINE_ROWS = {
    "1024^2 all processes": PipelineRow(all_processes, 0.65, 0.5),
    "4096^2 imaging thread": PipelineRow(imaging_thread, 0.75, 0.65),
}


def compared(row: PipelineRow, libraries: tuple[Path, Path], scratch: Path, rounds: int) -> tuple[float, float]:
    """Medians of the rounds, the versions taking turns: s of an image then and now."""
    versions = [row.seconds(library, scratch) for library in libraries]
    times = [[next(each) for each in versions] for _ in range(rounds)]
    for each in versions:
        each.close()  # type: ignore[attr-defined] # a generator's
    then, now = (median(column) for column in zip(*times, strict=True))
    return then, now
