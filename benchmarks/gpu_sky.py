"""Milliseconds of an image of the whole sky on a GPU, term by term, and of the beam that is fitted there.

    python -m benchmarks.gpu_sky [--rounds 20] [--device cuda:0] [ROW ...]

Rows are the drawn skies of `benchmarks.before`, their samples compressed as they are on their way to a worker. "image"
is the whole call, plan, copies and statistics in it, into page-locked memory; the stages are timed one by one, each
waited for. Errors are rms over random pixels and over the outermost ones, relative to the direct sum.
"""

import argparse
from collections.abc import Sequence
from functools import partial

import numpy as np

from benchmarks.before import ROWS
from benchmarks.gpu import Measured, no_fall_back
from benchmarks.kernels import EPSILON, prepared
from fip.data.values import Block, Grid
from fip.imaging.beam import fit_beam
from fip.imaging.compression import compress_blocks
from fip.imaging.cuda.sky import SkyRendering
from fip.imaging.cuda.slant import CudaSlantKernel
from fip.imaging.slant.psf import COMPILED
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.sky_plan import make_sky_plan
from support.drawn_skies import errors

SKIES = [name for name in ROWS if "real" not in name]


def measure(name: str, block: Block, grid: Grid, measured: Measured) -> None:
    """Print what a row takes."""
    blocks = compress_blocks([block], grid, EPSILON)
    kernel = CudaSlantKernel(measured.device, grid, EPSILON, no_fall_back)
    took, image = measured.image(kernel, blocks, grid)
    whole, rim = errors(image, block, grid, EPSILON)
    print(f"{name}: {took:.2f} ms by {kernel.image(blocks, image[None])}, error {whole:.1e}, at the rim {rim:.1e}")
    for level in (False, True):
        print(f"  {'level' if level else 'tilted'}: {', '.join(stages(blocks, grid, kernel, level, measured))}")
    there, here = (measured.milliseconds(partial(fit_beam, blocks, given)) for given in (kernel.beams, COMPILED))
    print(f"  beam {there:.2f} ms, {here:.2f} ms on the processor", flush=True)


def stages(blocks: Sequence[Block], grid: Grid, kernel: CudaSlantKernel, level: bool, measured: Measured) -> list[str]:
    """The name of each stage of one way, and the milliseconds that it took; why it is none, if it is none."""
    try:
        plan = make_sky_plan(blocks, grid, EPSILON, level)
    except UnsuitableError as unsuitable:
        return [str(unsuitable)]
    rendering = SkyRendering(kernel.constants, plan, blocks, grid)
    half_plane = rendering.gridded(0)
    terms = rendering.terms(half_plane)
    lines, plane = rendering.prepared(terms), kernel.empty((grid.height, grid.width), np.float32)

    def copied() -> None:
        rendering.send_back(lines, plane, measured=True)
        rendering.device.finish()

    calls = {
        "plan": lambda: make_sky_plan(blocks, grid, EPSILON, level),
        "grid": lambda: rendering.gridded(0),
        "transforms": lambda: rendering.terms(half_plane),
        "samples": lambda: rendering.prepared(terms),
        "pixels, copy": copied,
    }
    return [f"{plan.shape.terms} terms", *(f"{each} {measured.milliseconds(call):.2f}" for each, call in calls.items())]


def main() -> None:
    """Print a few lines for each row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"those whose names begin so: {'; '.join(SKIES)}")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="cuda:0")
    arguments = parser.parse_args()
    prepared()
    measured = Measured(arguments.device, arguments.rounds)
    for name in SKIES:
        if not arguments.rows or any(name.startswith(each) for each in arguments.rows):
            measure(name, *ROWS[name].samples(), measured)


if __name__ == "__main__":
    main()
