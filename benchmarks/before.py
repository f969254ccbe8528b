"""CPU seconds of an image now, over those at commit 0c91216: the same samples, the two taking turns.

    python -m benchmarks.before [--rounds 5] [--commit 0c91216] [ROW ...]

Each version runs in a process of its own, from its own sources (of the commit out of this repository), with numba's
functions compiled beforehand; both get the samples that are compressed by the present one, and image them as a worker
does, plan included. Medians of the rounds; the ratio is what issues ask for. Rows of real data need ../shared/data.
"""

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks import before_reading, before_stages
from benchmarks.before_pipeline import PIPELINE_ROWS, compared
from benchmarks.turns import Version, medians
from fip.data.settings import asked
from fip.data.values import Block, Grid
from fip.imaging.compression import compress_blocks
from fip.source.open_run import open_run
from support.observatories import uvw_seen

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data"
EPSILON = 1e-5
EARTH = 6.371e6  # m
CHILD = """
import pickle, sys, time
import numpy as np
try:
    from fip.data.settings import Imaging
    from fip.data.values import Block, Grid
    settings = Imaging(stokes=("I",), epsilon=EPSILON, kernel="auto", weight="natural")
except ImportError:
    from fip.data import Block, Grid, ImagingSettings
    settings = ImagingSettings(("I",), EPSILON, "auto", "natural")
from fip.imaging.kernels import make_kernel
blocks, grid = pickle.load(sys.stdin.buffer)
blocks, grid = [Block(0, *each) for each in blocks], Grid(*grid)
kernel = make_kernel(settings, grid)
out = np.zeros((1, grid.height, grid.width), np.float32)
print(kernel.image(blocks, out), flush=True)
for _ in sys.stdin.buffer:
    begun = time.process_time()
    kernel.image(blocks, out)
    print(time.process_time() - begun, flush=True)
"""


@dataclass(frozen=True)
class Row:
    """An image, and the ratio that ends an issue, and what is believed to be there."""

    samples: Callable[[], tuple[Block, Grid]]
    close: float
    aim: float


def disc(rng: np.random.Generator, antennas: int, radius: float, rms: float) -> NDArray[np.float64]:
    """Antennas [antenna, 3] m on the ground, which is curved."""
    far, turn = radius * np.sqrt(rng.random(antennas)), rng.uniform(0, 2 * np.pi, antennas)
    x, y = far * np.cos(turn), far * np.sin(turn)
    return np.stack([x, y, rms * rng.normal(size=antennas) - (x**2 + y**2) / (2 * EARTH)], axis=1)


def aartfaac(rng: np.random.Generator) -> NDArray[np.float64]:
    """Twelve stations of 48 dipoles within a kilometre."""
    return np.concatenate([disc(rng, 48, 40.0, 0.05) + place for place in disc(rng, 12, 500.0, 0.1)])


def ovro(rng: np.random.Generator) -> NDArray[np.float64]:
    """352 dipoles: seven of ten in a core, the others to 1.2 km."""
    core = rng.normal(size=(246, 2)) * 70
    far, turn = np.exp(rng.uniform(np.log(70), np.log(1200), 106)), rng.uniform(0, 2 * np.pi, 106)
    place = np.concatenate([core, np.stack([far * np.cos(turn), far * np.sin(turn)], axis=1)])
    height = rng.normal(size=352) - (place**2).sum(axis=1) / (2 * EARTH)
    return np.column_stack([place, height])


def sky(
    make: Callable[[np.random.Generator], NDArray[np.float64]], first: float, last: float, channels: int,
    from_zenith: float, side: int,
) -> tuple[Block, Grid]:  # fmt: skip
    """Noise on every baseline, and the whole sky."""
    rng = np.random.default_rng(5)
    uvw = uvw_seen(make(rng), np.deg2rad(90 - from_zenith), 0.7, 0.4)
    noise = rng.normal(size=(2, 1, len(uvw), channels))
    visibility = (noise[0] + 1j * noise[1]).astype(np.complex64)
    block = Block(0, uvw, np.linspace(first, last, channels), visibility, np.ones(visibility.shape, np.float32))
    return block, Grid(side, side, 2.0 / side, 0.0, 0.0, "FK5")


def aavs3() -> tuple[Block, Grid]:
    """The real snapshot: the whole sky in 1024 pixels."""
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(REAL / "aavs3_sun.tar.xz") as tar:
            tar.extractall(scratch, filter="data")
        (path,) = {table.parent.parent for table in Path(scratch).rglob("ANTENNA/table.dat")}
        run = open_run(path, asked(size=(1024, 1024), scale=2 / 1024))
        slice_ = run.read(0)
        run.close()
        return slice_.blocks[0], slice_.grid


def station(rng: np.random.Generator) -> NDArray[np.float64]:
    """256 dipoles within 38 m."""
    return disc(rng, 256, 19.0, 0.03)


ROWS = {
    "AAVS3 Sun, 1024^2 (real)": Row(aavs3, 0.20, 0.10),
    "256 dipoles, zenith, 1024^2": Row(lambda: sky(station, 158.9e6, 159.7e6, 32, 0, 1024), 0.20, 0.10),
    "256 dipoles, 25 deg off, 1024^2": Row(lambda: sky(station, 158.9e6, 159.7e6, 32, 25, 1024), 0.10, 0.05),
    "576 dipoles (AARTFAAC), 30 deg off, 1024^2": Row(lambda: sky(aartfaac, 60e6, 60.2e6, 8, 30, 1024), 0.06, 0.03),
    "352 dipoles (OVRO), 100 channels, 20 deg off, 2048^2": Row(
        lambda: sky(ovro, 55e6, 57.6e6, 100, 20, 2048), 0.05, 0.02
    ),
}


def sources_of(commit: str, folder: Path) -> Path:
    """The package as it was."""
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", commit, "lib", "daemons"], check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "lib"


def main() -> int:
    """Print a line for each row; return 1 if a ratio is above the one that ends the issue."""
    names = [*ROWS, *before_stages.STAGES, *PIPELINE_ROWS, *before_reading.ROWS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"those whose names begin so: {'; '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commit", default="0c91216")
    options = parser.parse_args()
    wanted = [name for name in names if not options.rows or any(name.startswith(each) for each in options.rows)]
    missed = 0
    with tempfile.TemporaryDirectory() as scratch:
        before = sources_of(options.commit, Path(scratch))
        print(f"| CPU ms of an image | {options.commit} | now | ratio | close, aim |\n|---|---|---|---|---|")
        for name in [each for each in wanted if each in PIPELINE_ROWS]:
            whole = PIPELINE_ROWS[name]
            then, now = compared(whole, (before, ROOT / "lib"), Path(scratch), options.rounds)
            missed += now / then > whole.close
            print(f"| {name} | {1e3 * then:.1f} | {1e3 * now:.1f} | {now / then:.3f} | {whole.close}, {whole.aim} |")
        for name in [each for each in wanted if each in ROWS]:
            row = ROWS[name]
            block, grid = row.samples()
            blocks = compress_blocks([block], grid, EPSILON)
            plain = [(each.uvw, each.frequency, each.visibility, each.weight) for each in blocks]
            given = plain, (grid.width, grid.height, grid.scale, grid.longitude, grid.latitude, grid.frame)
            program = CHILD.replace("EPSILON", repr(EPSILON))
            versions = [Version(library, program, given=given) for library in (before, ROOT / "lib")]
            kernels = [each.said for each in versions]
            then, now = (1e3 * each for each in medians(versions, [""] * options.rounds))
            ratio = now / then
            missed += ratio > row.close
            print(
                f"| {name} | {then:.0f} ({kernels[0]}) | {now:.1f} ({kernels[1]}) | {ratio:.3f} "
                f"| {row.close}, {row.aim} |",
                flush=True,
            )
        stages = [each for each in wanted if each in before_stages.STAGES]
        missed += before_stages.report(stages, (before, ROOT / "lib"), 4 * options.rounds)
        reading = [name for name in before_reading.ROWS if not options.rows or any(map(name.startswith, options.rows))]
        missed += before_reading.print_rows(before, ROOT / "lib", Path(scratch), reading, options.rounds)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
