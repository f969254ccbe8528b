"""A night for the detector: images of noise with transients in them, which a process stores as a sink does.

They come out of order, some slices fail, and the run grows. `main` is one life of that process, for
`support.follower_lives`: whatever ended the one before, it goes on with what is not in the ledger yet.
"""

import argparse
import random
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from fip.archive.ledger import Ledger
from fip.data.settings import asked
from fip.data.values import FitsFile, Grid, ImageFile
from fip.sink.store import Store
from fip.wire.messages import Failure, RunPlan
from support.noise_fields import gaussian, noise_fields
from support.stored_run import NOISE, RUN, stored_image

SIDE, BEAM = 48, 4.0  # pixels
GRID = Grid(SIDE, SIDE, 1e-5, 2.7, -0.78, "FK5")
APART = 50  # slices by which images are out of order, at most
GROWS = 20  # slices of the run that become known at a time
TRANSIENTS = ((12.3, 20.6, 18, 5, 6.0), (33.0, 31.5, 40, 1, 12.0), (20.0, 9.0, 61, 12, -4.0), (30.2, 15.4, 90, 3, 40.0))
"""x, y, first slice, slices, S/N of each slice; the third becomes fainter."""
PERIOD = 240  # slices after which they come again


class Night:
    """What becomes of each slice, and in which order; always the same for a number of slices."""

    def __init__(self, count: int) -> None:
        chance = random.Random(count)
        self.count = count
        self.failed = set(chance.sample(range(count), count // 20))
        self.order = sorted(range(count), key=lambda index: index + APART * chance.random())


def image(index: int) -> ImageFile:
    """The image of a slice: noise of a beam of 4 pixels, and what is on then."""
    made = stored_image(RUN, index, grid=GRID)
    pixels = _noise(index // 2)[index % 2].copy()
    for x, y, first, slices, snr in TRANSIENTS:
        if first <= index % PERIOD < first + slices:
            pixels += snr * gaussian(SIDE, x, y, BEAM)
    content = bytearray(made.files[0].content)
    data = (pixels * NOISE).astype(">f4").tobytes()
    offset = len(content) - -(-len(data) // 2880) * 2880
    content[offset : offset + len(data)] = data
    return replace(made, files=(FitsFile("dirty", bytes(content)),))


@cache
def _noise(pair: int) -> tuple[np.ndarray, np.ndarray]:
    fields = noise_fields(SIDE, BEAM, pair)
    return next(fields), next(fields)


def frontier(directory: Path, count: int) -> int:
    """Return the first slice that has no fate in the ledger yet."""
    with closing(Ledger(directory, read_only=True)) as ledger:
        known = {index for index, *_ in ledger.outcomes(RUN, 0, count)}
    return next(index for index in range(count + 1) if index not in known)


def main() -> None:
    """Store what is missing of the first so many slices in their order, and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("end", type=int)
    given = parser.parse_args()
    night = Night(given.count)
    store = Store(given.directory)
    known = {index for index, *_ in store.ledger.outcomes(RUN, 0, given.count)}
    for place, index in enumerate(night.order[: given.end]):
        if place % GROWS == 0:
            total = min(given.count, max(night.order[: place + GROWS]) + 1)
            plan = RunPlan(RUN, "night", total, "/data/night.ms", asked(), "", final=False)
            assert store.open_run(plan) == ""
        if index not in known:
            if index in night.failed:
                store.ledger.add_failures([Failure(RUN, index, 3, "made to fail")])
            else:
                store.put(image(index))
    store.open_run(RunPlan(RUN, "night", given.count, "/data/night.ms", asked(), "", final=given.end >= given.count))
    store.close()
