"""CPU of an image of 256^2, of all processes, over that at commit 0c91216, the two taking turns; and a fast cadence.

    python -m benchmarks.small_images [--rounds 3] [--commit 0c91216] [--images 200 1400] [--scratch DIR]

An image's CPU is that of `fip run` of many images less that of few, over their difference: start-up is left out. Each
version runs from its own sources, on the same set: 64 antennas and 64 channels, and 27 antennas, 64 channels. Then 27
antennas are replayed at 100 integrations/s, on as many cores as there are, by the present version: it keeps up if its
images are stored no later in the second half than in the first.
"""

import argparse
import io
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.before import ROOT, sources_of
from benchmarks.programs import FIP, children_cpu, emptied, environment

SIDE, ARCSEC = 256, 6.0
CADENCE = 0.01  # s
CLOSE, AIM = 0.4, 0.2


@dataclass(frozen=True)
class Version:
    """FIP from these sources, with a folder for what it compiles."""

    library: Path
    cache: Path

    def cpu(self, measurement_set: Path, output: Path, *options: str) -> float:
        """CPU seconds of `fip run`, and of all that it starts."""
        grid = ("--size", str(SIDE), "--scale", f"{ARCSEC}arcsec", "--epsilon", "1e-5", "--workers", "1")
        command = [sys.executable, FIP, "run", str(measurement_set), "--output", str(emptied(output)), *grid, *options]
        variables = environment() | {"PYTHONPATH": str(self.library), "FIP_CACHE": str(self.cache)}
        before = children_cpu()
        subprocess.run(command, env=variables, cwd=output.parent, stdout=subprocess.DEVNULL, check=True)
        return children_cpu() - before


def with_daemons(commit: str, folder: Path) -> Path:
    """The packages of a commit, its daemons among them."""
    library = sources_of(commit, emptied(folder))
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit, "daemons"], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return (folder / "daemons").rename(library / "fip_daemons").parent


def simulated(scratch: Path, antennas: int, integrations: int, *options: str) -> Path:
    """A MeasurementSet of 64 channels, made if it is not there yet."""
    path = scratch / f"a{antennas}x{integrations}{''.join(options)}.ms"
    if not path.exists():
        size = ("--antennas", str(antennas), "--channels", "64", "--integrations", str(integrations))
        subprocess.run([sys.executable, FIP, "simulate", path, *size, *options], env=environment(), check=True)
    return path


def compare(scratch: Path, versions: Sequence[Version], antennas: int, images: tuple[int, int], rounds: int) -> float:
    """Print a line; return the ratio."""
    few, many = (simulated(scratch, antennas, number) for number in images)
    for version in versions:
        version.cpu(few, scratch / "out")  # compiles, and reads the set into memory
    each: list[list[float]] = []
    for _ in range(rounds):
        cpu = [(version.cpu(few, scratch / "out"), version.cpu(many, scratch / "out")) for version in versions]
        each.append([1e3 * (of_many - of_few) / (images[1] - images[0]) for of_few, of_many in cpu])
    then, now = (median(column) for column in zip(*each, strict=True))
    ratio: float = now / then
    print(f"| {antennas} antennas | {then:.1f} | {now:.1f} | {ratio:.2f} | {CLOSE}, {AIM} |", flush=True)
    return ratio


def keeps_up(scratch: Path, version: Version, integrations: int) -> None:
    """Print how a replay of 100 integrations/s goes: whether images are stored later and later."""
    path = simulated(scratch, 27, integrations, "--cadence", str(CADENCE))
    used = version.cpu(path, scratch / "out", "--pace", "realtime")
    with closing(sqlite3.connect(scratch / "out" / "fip.sqlite")) as ledger:
        rows = ledger.execute(
            "SELECT recorded - slice * ? FROM slices WHERE state = 'stored' ORDER BY slice", (CADENCE,)
        )
        late = [when for (when,) in rows]
    halves = (
        late[integrations // 8 : integrations // 2],
        late[integrations // 2 :],
    )  # the first ones wait for all to load
    first, last = (median(half) - min(late) for half in halves)
    print(f"27 antennas, {1 / CADENCE:.0f} integrations/s, {len(late)} stored of {integrations}")
    print(f"{1e3 * used / integrations:.1f} CPU ms an image, with start-up")
    print(f"stored {1e3 * first:.0f} ms after the earliest in the first half, {1e3 * last:.0f} ms in the second, "
          f"{1e3 * (max(halves[1]) - min(late)):.0f} ms at the most there")  # fmt: skip


def main() -> int:
    """Print all; return 1 if the ratio is above the one that closes the issue."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_images", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commit", default="0c91216")
    parser.add_argument("--images", type=int, nargs=2, default=(200, 1400))
    parser.add_argument("--cadences", type=int, default=3000, help="integrations that are replayed")
    parser.add_argument("--scratch", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fip-small-") as folder:
        scratch = given.scratch or Path(folder)
        before = with_daemons(given.commit, scratch / "then")
        now = with_daemons("HEAD", scratch / "now")
        versions = [Version(before, scratch / "compiled-then"), Version(now, scratch / "compiled-now")]
        print(f"load {os.getloadavg()[0]:.1f}\n| CPU ms of an image | {given.commit} | now | ratio | close, aim |")
        print("|---|---|---|---|---|")
        ratios = [compare(scratch, versions, number, tuple(given.images), given.rounds) for number in (64, 27)]
        keeps_up(scratch, versions[1], given.cadences)
    return int(ratios[0] > CLOSE)


if __name__ == "__main__":
    sys.exit(main())
