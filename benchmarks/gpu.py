"""Milliseconds of a dirty image on a GPU: the slant kernel stage by stage, ska-sdp-func's w-gridder, ducc0 on a CPU.

    python -m benchmarks.gpu [--quick] [--device cuda:0] [ROW ...]

Rows are those of `benchmarks.kernels`, and one of many channels and many pixels; the samples are compressed as they are
on their way to a worker, unless a row says "plain". Stages are timed one by one, each waited for; "image" is the whole
call as a worker makes it, plan and copies in it, into page-locked memory. Two floors are measured on the same device:
"memory", each array between the stages written once and read once at the speed of a copy within the device; "link",
the image's bytes at the speed of a copy to page-locked memory. Errors are as in `benchmarks.kernels`.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels import EPSILON, ROWS, Contest, Row, median_seconds, prepared
from fip.data.errors import UsageError
from fip.data.values import Block, Grid
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.cuda.sdp_func import SdpFuncKernel
from fip.imaging.cuda.slant import CudaSlantKernel, SlantRendering
from fip.imaging.kernels import Kernel
from fip.imaging.slant.plan import make_plan

MANY = {"1024 channels, 4096^2 x 1.5 arcsec": Row("MeerKAT", 64, 1.3e9, 1.4e9, 1024, 4096, 1.5, 2, -11, "")}
PLAIN = ("64 channels, 1024^2", "1024 channels, 1024^2")  # rows that are imaged without compression, too
PROCESSES = (1, 2, 4)  # that share the device
STAGES = ("plan", "grid", "transforms", "combine", "along eta", "along xi, copy", "the same, measured")
GIGA = 1e9
_shared = SimpleNamespace()  # of a process that images beside others: `begin`, at which they meet


@dataclass(frozen=True)
class Speeds:
    """The speeds in bytes a second."""

    memory: float  # read and written, within the device
    link: float  # to page-locked memory of the host


def no_fall_back(blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
    """What is measured is the GPU."""
    raise LookupError("the slant kernel cannot image this row")


class Measured:
    """One device, in one thread."""

    def __init__(self, name: str, repeats: int) -> None:
        self.device, self._repeats = CupyDevice(name), repeats
        self._xp = self.device.xp

    def milliseconds(self, call: Callable[[], Any], repeats: int = 0) -> float:
        """Median wall time of a call and of what it launched, after two that do not count."""
        taken = []
        for repeat in range((repeats or self._repeats) + 2):
            begun = time.perf_counter()
            call()
            self._xp.cuda.get_current_stream().synchronize()
            if repeat > 1:
                taken.append(time.perf_counter() - begun)
        return 1e3 * float(np.median(taken))

    def speeds(self) -> Speeds:
        """Return the speeds of copies of 1 GB and of 64 MB."""
        one, other = (self._xp.ones(250_000_000, np.float32) for _ in range(2))

        def within() -> None:
            other[...] = one

        memory = 2e3 * one.nbytes / self.milliseconds(within)
        piece, to = one[: 1 << 24], self.device.empty((1 << 24,), np.float32)

        def back() -> None:
            self.device.send_back(piece, to)
            self.device.finish()

        return Speeds(memory, 1e3 * to.nbytes / self.milliseconds(back))

    def stages(self, blocks: Sequence[Block], grid: Grid, kernel: CudaSlantKernel) -> tuple[list[float], float]:
        """Milliseconds of each of STAGES, and the bytes between them, written and read."""
        plan = make_plan(blocks, grid, EPSILON)
        rendering = SlantRendering(kernel.constants, plan, blocks, grid)
        half_plane = rendering.gridded(0)
        terms = rendering.terms(half_plane)
        slanted = rendering.combined(terms)
        lines = rendering.along_eta(slanted)
        plane = self.device.empty((grid.height, grid.width), np.float32)

        def copied(measured: bool) -> None:
            rendering.send_back(lines, plane, measured)
            self.device.finish()

        took = [
            self.milliseconds(each)
            for each in (
                lambda: make_plan(blocks, grid, EPSILON),
                lambda: rendering.gridded(0),
                lambda: rendering.terms(half_plane),
                lambda: rendering.combined(terms),
                lambda: rendering.along_eta(slanted),
                lambda: copied(False),
                lambda: copied(True),
            )
        ]
        spectra = terms.nbytes * (1 + 2 / plan.v_size)
        moved = 4 * half_plane.nbytes + 2 * (spectra + terms.nbytes + slanted.nbytes + lines.nbytes) + plane.nbytes
        return took, moved

    def image(self, kernel: Kernel, blocks: Sequence[Block], grid: Grid, repeats: int = 0) -> tuple[float, Any]:
        """Milliseconds of a call, and the image."""
        out = kernel.empty((1, grid.height, grid.width), np.float32)
        return self.milliseconds(lambda: kernel.image(blocks, out), repeats), out[0].copy()


def images_per_second(device: str, row: Row, processes: int, seconds: float) -> float:
    """Return the images/s of several processes that share the device, as workers do, after each has warmed up."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _remember, (spawn.Barrier(processes),)) as pool:
        return sum(pool.map(_rate, [device] * processes, [row] * processes, [seconds] * processes))


def _remember(barrier: Barrier) -> None:
    _shared.begin = barrier


def _rate(device: str, row: Row, seconds: float) -> float:
    """Images a second of this process, which begins when all others do."""
    contest = Contest(*row.samples())
    blocks, grid = contest.nodes(), contest.grid
    kernel = CudaSlantKernel(CupyDevice(device), grid, EPSILON, no_fall_back)
    out = kernel.empty((1, grid.height, grid.width), np.float32)
    for _ in range(3):
        kernel.image(blocks, out)
    _shared.begin.wait()
    begun, done = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        kernel.image(blocks, out)
        done += 1
    return done / took


def measure(name: str, row: Row, measured: Measured, speeds: Speeds, arguments: argparse.Namespace) -> None:
    """Print what an image of this row takes."""
    contest = Contest(*row.samples())
    kinds = [(f"{name}, compressed", contest.nodes())]
    if any(each in name for each in PLAIN):
        kinds.append((f"{name}, plain", [contest.block]))
    for label, blocks in kinds:
        grid = contest.grid
        kernel = CudaSlantKernel(measured.device, grid, EPSILON, no_fall_back)
        took, moved = measured.stages(blocks, grid, kernel)
        whole, image = measured.image(kernel, blocks, grid)
        floors = 1e3 * moved / speeds.memory, 4e3 * grid.width * grid.height / speeds.link
        print(f"{label}: {sum(each.visibility[0].size for each in blocks)} samples", flush=True)
        print("  " + ", ".join(f"{stage} {ms:.2f}" for stage, ms in zip(STAGES, took, strict=True)))
        print(f"  image {whole:.2f} ms, error {contest.error(image):.1e}")
        print(f"  floors: memory {floors[0]:.2f} ms, link {floors[1]:.2f} ms")
    if not arguments.quick:
        others(contest, kinds[0][1], measured)
        rates = [f"{images_per_second(arguments.device, row, n, 1.0):.0f} by {n} processes" for n in PROCESSES]
        print(f"  images/s, compressed: {', '.join(rates)}", flush=True)


def others(contest: Contest, blocks: Sequence[Block], measured: Measured) -> None:
    """Print what others take for the compressed samples, on the GPU, and for the samples as they are, on a CPU."""
    try:
        took, image = measured.image(SdpFuncKernel(measured.device, contest.grid, EPSILON), blocks, contest.grid, 3)
        print(f"  ska-sdp-func {took:.1f} ms, error {contest.error(image):.1e}")
    except UsageError as error:
        print(f"  {error}")
    (theirs,) = median_seconds([contest.ducc], 0)
    print(
        f"  ducc0, one thread of the CPU, {1e3 * theirs:.0f} ms, error {contest.error(contest.ducc_image):.1e}",
        flush=True,
    )


def main() -> None:
    """Print a few lines for each row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="some of the rows, by a part of their names")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing but FIP")
    arguments = parser.parse_args()
    prepared()
    measured = Measured(arguments.device, 3 if arguments.quick else 20)
    speeds = measured.speeds()
    print(f"{measured.device.name}, cupy {measured.device.xp.__version__}, load {os.getloadavg()[0]:.1f}: "
          f"{speeds.memory / GIGA:.0f} GB/s within, {speeds.link / GIGA:.1f} GB/s to the host")  # fmt: skip
    for name, row in (ROWS | MANY).items():
        if not arguments.rows or any(asked in name for asked in arguments.rows):
            measure(name, row, measured, speeds, arguments)


if __name__ == "__main__":
    main()
