"""CPU of what a worker does of a slice beside its pixels: plan and beam, of a commit before and now, taking turns.

`python -m benchmarks.before` has its rows; here is how they are measured. Both versions get the same samples, which the
present one has compressed, in a process each. A turn of plans or beams is ten of them, as a process that has waited
finds its caches cold, and a worker's do not wait for pipes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.turns import Version, medians
from fip.data.values import Block, Grid
from fip.imaging.compression import compress_blocks

EPSILON = 1e-5
CHILD = """
import pickle, sys, time
import numpy as np
try:
    from fip.data.settings import Imaging
    from fip.data.values import Block, Grid
    settings = Imaging(stokes=("I",), epsilon=EPSILON, kernel="slant", weight="natural")
except ImportError:
    from fip.data import Block, Grid, ImagingSettings
    settings = ImagingSettings(("I",), EPSILON, "slant", "natural")
from fip.imaging.beam import fit_beam
from fip.imaging.slant.plan import make_plan
try:
    from fip.imaging.slant.psf import COMPILED as ways
except ImportError:
    ways = None
blocks, grid = pickle.load(sys.stdin.buffer)
blocks, grid = [Block(0, *each) for each in blocks], Grid(*grid)
out = np.zeros((1, grid.height, grid.width), np.float32)

def plan():
    make_plan(blocks, grid, EPSILON)

def beam():
    fit_beam(blocks, ways) if ways else fit_beam(blocks)

def image():
    global kernel
    if kernel is None:
        from fip.imaging.kernels import make_kernel
        kernel = make_kernel(settings, grid)
    kernel.image(blocks, out)

kernel, done = None, set()
print("ready", flush=True)
for line in sys.stdin.buffer:
    stage = line.decode().strip()
    if stage not in done:
        globals()[stage]()
        done.add(stage)
    times = 10 if stage in ("plan", "beam") else 1
    begun = time.process_time()
    for _ in range(times):
        globals()[stage]()
    print((time.process_time() - begun) / times, flush=True)
"""


@dataclass(frozen=True)
class StageRow:
    """A stage of a slice, "plan", "beam" or "image" (with its plan), and the ratios that are asked and aimed for."""

    samples: Callable[[], tuple[Block, Grid]]
    stage: str
    close: float
    aim: float


def _meerkat(antennas: int) -> Callable[[], tuple[Block, Grid]]:
    def samples() -> tuple[Block, Grid]:
        from benchmarks.kernels import Row  # late: it has the place of the tests' modules

        return Row("MeerKAT", antennas, 1.3e9, 1.4e9, 64, 1024, 1.5, 2, -11, "").samples()

    return samples


STAGES = {
    "plan, 64 antennas": StageRow(_meerkat(64), "plan", 0.5, 0.25),
    "beam, 64 antennas": StageRow(_meerkat(64), "beam", 0.6, 0.5),
    "plan, 512 stations": StageRow(_meerkat(512), "plan", 0.65, 0.3),
    "beam, 512 stations": StageRow(_meerkat(512), "beam", 0.6, 0.3),
    "image, 512 stations": StageRow(_meerkat(512), "image", 0.9, 0.6),
}


def report(names: Sequence[str], libraries: Sequence[Path], rounds: int) -> int:
    """Print a line for each of these rows of STAGES, then and now; return how many are above what is asked for."""
    missed = 0
    for name in names:
        row = STAGES[name]
        block, grid = row.samples()
        blocks = compress_blocks([block], grid, EPSILON)
        plain = [(each.uvw, each.frequency, each.visibility, each.weight) for each in blocks]
        given = plain, (grid.width, grid.height, grid.scale, 0.0, 0.0, "FK5")
        versions = [Version(each, CHILD.replace("EPSILON", repr(EPSILON)), given=given) for each in libraries]
        then, now = (1e3 * each for each in medians(versions, [row.stage] * rounds))
        missed += now / then > row.close
        print(f"| {name} | {then:.2f} | {now:.2f} | {now / then:.3f} | {row.close}, {row.aim} |", flush=True)
    return missed
