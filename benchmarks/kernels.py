"""CPU seconds of a dirty image by the slant kernel and by ducc0's w-gridder, one thread, with the error of each.

    python -m benchmarks.kernels [--quick] [--rounds N] [--epsilon E] [ROW ...]

Both get the same samples, both write into an array that exists, they take turns, and both are asked for the same
epsilon, 1e-5 unless said; below that both are in double precision. What is wanted is of 1e-5. It runs itself again in
an environment in which numpy has one thread, and in which freed memory stays in the process: without that ducc0, which
allocates its grids for each image, is up to twice slower. The slant kernel's time has its plan in it and, in rows
"compressed", the spectral compression; ducc0 gets the samples as they are. "ducc0 on nodes" is its time on the
compressed samples, what FIP falls back on: `auto` chooses between that and the slant kernel. Errors are
L2(image - direct) / L2(direct) over random pixels, the corners and the edges' middles, against the samples as they are.
With NUMBA_CPU_FEATURES set to nothing, NUMBA_CPU_NAME=haswell compiles for AVX2, and NUMBA_CPU_NAME=x86-64 for neither
that nor AVX-512, as on processors that lack them.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ducc0
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fip.data.values import Block, Grid
from fip.imaging.compression import compress_blocks
from fip.imaging.ducc import dirty
from fip.imaging.slant.cost import slant_cost, wgridder_cost
from fip.imaging.slant.kernel import render
from fip.imaging.slant.plan import make_plan
from fip.local.forks import MEMORY_IS_KEPT
from support.direct_sum import direct_sum, pixel_directions
from support.observatories import LATITUDE, antennas, uvw_at

EPSILON = 1e-5
ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1") | MEMORY_IS_KEPT
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """An array, seen at an hour angle, and a field; and the ratios of the times that are wanted of it."""

    array: str
    count: int  # antennas
    first: float  # Hz
    last: float  # Hz
    channels: int
    pixels: int  # a side
    scale: float  # arcsec
    hours: float
    declination: float  # degrees
    wanted: str  # with compression: the least, and what was believed to be there
    wanted_plain: str = ""  # without, if that is apart

    def samples(self) -> tuple[Block, Grid]:
        """Noise on every baseline, and the grid."""
        rng = np.random.default_rng(1)
        angles = np.deg2rad([LATITUDE[self.array], 15 * self.hours, self.declination])
        uvw = uvw_at(antennas(self.array, rng, self.count), *angles.tolist())
        noise = rng.normal(size=(2, 1, len(uvw), self.channels))
        visibility = (noise[0] + 1j * noise[1]).astype(np.complex64)
        frequency = np.linspace(self.first, self.last, self.channels)
        grid = Grid(self.pixels, self.pixels, np.deg2rad(self.scale / 3600), 0.0, 0.0, "FK5")
        return Block(0, uvw, frequency, visibility, np.ones(visibility.shape, np.float32)), grid


ROWS = {
    "64 channels, 1024^2 x 1.5 arcsec": Row("MeerKAT", 64, 1.3e9, 1.4e9, 64, 1024, 1.5, 2, -11, "8 16", "6 13"),
    "64 channels, 4096^2 x 1.5 arcsec": Row("MeerKAT", 64, 1.3e9, 1.4e9, 64, 4096, 1.5, 2, -11, "10 20"),
    "UHF, 4096^2 x 4 arcsec": Row("MeerKAT", 64, 0.6e9, 1.0e9, 64, 4096, 4.0, 4, -21, "10 20"),
    "1024 channels, 1024^2 x 1.5 arcsec": Row("MeerKAT", 64, 1.3e9, 1.4e9, 1024, 1024, 1.5, 2, -11, "15 40", "-"),
    "VLA A, P band, 4096^2 x 1.5 arcsec": Row("VLA A", 27, 3.2e8, 3.8e8, 64, 4096, 1.5, 4, 24, "8 20"),
    "SKA-Low core, 1024^2 x 60 arcsec": Row("SKA-Low", 128, 1.3e8, 1.5e8, 64, 1024, 60.0, 4, -17, "4 10"),
}


class Contest:
    """The calls that are timed for one row, and the images that they leave."""

    def __init__(self, block: Block, grid: Grid, epsilon: float = EPSILON) -> None:
        self._precision = np.complex64 if epsilon >= EPSILON else np.complex128
        self.block = replace(block, visibility=block.visibility.astype(self._precision))
        self.grid, self.epsilon = grid, epsilon
        shape = self.grid.height, self.grid.width
        self.ducc_image = np.zeros(shape, self._precision).real.copy()
        self.slant_image = self.ducc_image[None].copy()
        self._uvw = np.ascontiguousarray(self.block.uvw[:, [1, 0, 2]])

    def nodes(self) -> Sequence[Block]:
        """Return the samples in compressed form."""
        return compress_blocks([self.block], self.grid, self.epsilon)

    def slant(self, blocks: Sequence[Block]) -> None:
        """Make a plan and the image."""
        render(make_plan(blocks, self.grid, self.epsilon), blocks, self.slant_image)

    def slant_compressed(self) -> None:
        """The same of the samples' nodes, which are found first."""
        self.slant(self.nodes())

    def ducc(self) -> None:
        """The w-gridder as it is used elsewhere."""
        ducc0.wgridder.vis2dirty(
            uvw=self._uvw, freq=self.block.frequency, vis=self.block.visibility[0], dirty=self.ducc_image, flip_u=True,
            pixsize_x=self.grid.scale, pixsize_y=self.grid.scale, epsilon=self.epsilon, do_wgridding=True,
            divide_by_n=False, nthreads=1,
        )  # fmt: skip

    def ducc_on(self, blocks: Sequence[Block]) -> None:
        """The w-gridder as FIP uses it."""
        values = [block.visibility[0].ravel() for block in blocks]
        uvw, frequencies = [block.uvw for block in blocks], [block.frequency for block in blocks]
        dirty(uvw, frequencies, values, self._precision, self.ducc_image.shape, self.grid.scale, self.epsilon)

    def error(self, image: NDArray[np.floating]) -> float:
        """L2(image - direct) / L2(direct)."""
        east, north = pixel_directions(self.grid)
        n = self.grid.width
        places = [0, n - 1, n * n - n, n * n - 1, n // 2, n * (n // 2), n * n - n // 2, n * (n // 2) + n - 1]
        pick = np.r_[np.random.default_rng(3).integers(0, n * n, 52), places]
        exact = direct_sum([self.block], east.ravel()[pick], north.ravel()[pick])[0]
        return float(np.linalg.norm(image.ravel()[pick] - exact) / np.linalg.norm(exact))


def prepared() -> None:
    """Run the program again in the environment in which it is to be measured."""
    if not ENVIRONMENT.items() <= os.environ.items():
        os.execve(sys.executable, sys.orig_argv, os.environ | ENVIRONMENT)


def median_seconds(calls: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Return the median CPU time of each, in turns, after one call that does not count; of that one if repeats is 0."""
    taken: list[list[float]] = [[] for _ in calls]
    for repeat in range(repeats + 1):
        for call, times in zip(calls, taken, strict=True):
            begun = time.process_time()
            call()
            if repeat or not repeats:
                times.append(time.process_time() - begun)
    return [float(np.median(times)) for times in taken]


def measure(name: str, row: Row, epsilon: float, repeats: int, quick: bool) -> None:
    """Print the row with compression and without."""
    contest = Contest(*row.samples(), epsilon)
    block, nodes = contest.block, contest.nodes()
    calls = [contest.slant_compressed, lambda: contest.slant([block]), contest.ducc]
    *ours, theirs = median_seconds(calls, repeats)
    their_error = contest.error(contest.ducc_image)
    fall_backs = [float("nan") if quick else median_seconds([lambda: contest.ducc_on(nodes)], 0)[0], theirs]
    kinds = [
        (f"{name}, compressed", nodes, row.wanted),
        (name, [block], row.wanted_plain or row.wanted),
    ]
    for (label, blocks, wanted), took, fall_back in zip(kinds, ours, fall_backs, strict=True):
        contest.slant(blocks)
        samples = sum(each.visibility[0].size for each in blocks)
        plan = make_plan(blocks, contest.grid, epsilon)
        expected = 1e3 * slant_cost(plan, blocks), 1e3 * wgridder_cost(blocks, contest.grid, plan.scheme)
        print(
            f"| {label:46} | {1e-3 * samples:5.0f} | {plan.basis.terms:5} | {1e3 * took:8.1f} "
            f"| {contest.error(contest.slant_image[0]):5.1e} | {1e3 * theirs:8.0f} | {their_error:5.1e} "
            f"| {theirs / took:5.1f} | {wanted:>6} | {1e3 * fall_back:8.0f} | {expected[0]:4.0f}, {expected[1]:4.0f} |",
            flush=True,
        )


HEADINGS = (
    "field",
    "samples/1000",
    "terms",
    "slant ms",
    "error",
    "ducc0 ms",
    "error",
    "times",
    "wanted",
    "ducc0 on nodes",
    "auto expects",
)


def main() -> None:
    """Print a table, two rows for each geometry."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="some of the rows, by a part of their names")
    parser.add_argument("--quick", action="store_true", help="one round: to see that it works")
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are taken  [default: 3]")
    parser.add_argument("--epsilon", type=float, default=EPSILON, help="that is asked for  [default: 1e-5]")
    arguments = parser.parse_args()
    prepared()
    print("| " + " | ".join(HEADINGS) + " |\n" + "|---" * len(HEADINGS) + "|")
    for name, row in ROWS.items():
        if not arguments.rows or any(asked in name for asked in arguments.rows):
            measure(name, row, arguments.epsilon, 1 if arguments.quick else arguments.rounds, arguments.quick)
    processor = os.environ.get("NUMBA_CPU_NAME", "this processor's")
    print(f"ducc0 {ducc0.__version__}, numpy {np.__version__}, code: {processor}, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
