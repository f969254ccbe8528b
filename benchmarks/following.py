"""From a set that is complete on disk to its durable FITS: sets that arrive in a folder, or one set that grows.

    python -m benchmarks.following [--times 60] [--bands 4] [--every 1] [--settle 0.5] [--scratch DIR]

`fip run FOLDER --follow` images what a recorder copies into the folder (`cp -rf`), a set a sub-band and time. The time
of a file is that of its last byte; of an image, that it was linked, on disk. Less `--settle`, it is what FIP takes.
"""

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from astropy.io import fits

from benchmarks.arrivals import BAND, CADENCE, MARKER, copy, stamp
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation

FIP = Path(sysconfig.get_path("scripts")) / "fip"
FIRST = 3  # times that are not counted: daemons are started, workers are not warm, and the run is settled by them
WARM_WITHIN = 120.0  # s in which these are imaged
PIXELS = 256


def record(folder: Path, templates: Path, images: Path, times: int, bands: int, every: float) -> list[float]:
    """Have them arrive, all but the first ones once these are imaged; return when each was complete, Unix time."""
    done: list[float] = []
    begun = time.monotonic()
    for number in range(times):
        if number == FIRST:
            begun = imaged(images, FIRST) - number * every
        for band in range(bands):
            stamp(templates / f"{band}.ms", templates / f"staged{band}.ms", number)
        time.sleep(max(0.0, begun + number * every - time.monotonic()))
        for band in range(bands):
            copy(templates / f"staged{band}.ms", folder / f"{number:06}_{band}.ms")
        done.append(time.time())
    return done


def imaged(images: Path, number: int) -> float:
    """The monotonic time at which so many images are there."""
    until = time.monotonic() + WARM_WITHIN
    while len([*images.glob("*-dirty.fits")]) < number:
        if time.monotonic() > until:
            sys.exit(f"{images}: {number} images are not there after {WARM_WITHIN:g} s")
        time.sleep(0.05)
    return time.monotonic()


def latencies(images: Path, done: Sequence[float]) -> list[float]:
    """Seconds from complete to durable, of each image that counts."""
    made = {fits.getheader(each)["FIPSLICE"]: each.stat().st_ctime for each in images.glob("*-dirty.fits")}
    if len(made) != len(done):
        sys.exit(f"{len(made)} images of {len(done)} times")
    return sorted(made[number] - done[number] for number in range(FIRST, len(done)))


def main() -> int:
    """Print the quantiles of the delays."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--every", type=float, default=1.0, help="s from one time to the next")
    parser.add_argument("--settle", type=float, default=0.5, help="s")
    parser.add_argument("--scratch", type=Path)
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="fip-following-", dir=given.scratch))
    folder, templates, images = (scratch / name for name in ("night", "templates", "images"))
    for each in (folder, templates):
        each.mkdir()
    try:
        for band in range(given.bands):
            frequency = 1.3e9 + band * BAND
            small = Simulation(antennas=16, channels=16, integrations=1, bandwidth=BAND, frequency=frequency)
            simulate(templates / f"{band}.ms", small)
        command = [
            *("run", folder, "--follow", "--follow-settle", f"{given.settle}s", "--follow-parts", given.bands),
            *("--follow-marker", MARKER, "--size", PIXELS, "--output", images),
        ]
        with subprocess.Popen([FIP, *map(str, command)], stdout=subprocess.DEVNULL) as run:
            done = record(folder, templates, images, given.times, given.bands, given.every)
            (folder / MARKER).touch()
            if run.wait():
                return 1
        taken = latencies(images, done)
    finally:
        shutil.rmtree(scratch)
    p50, p99 = (taken[min(len(taken) - 1, int(share * len(taken)))] for share in (0.5, 0.99))
    print(
        f"{len(taken)} times of {given.bands} sets, one each {given.every:g} s (of {CADENCE:g} s of data): complete to "
        f"durable p50 {p50:.2f} s, p99 {p99:.2f} s, most {taken[-1]:.2f} s; less {given.settle:g} s to settle: "
        f"p50 {p50 - given.settle:.2f} s, p99 {p99 - given.settle:.2f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
