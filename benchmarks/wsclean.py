"""FIP with its own kernel against WSClean's w-gridder, from MeasurementSet to FITS files, with the errors of both."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from benchmarks.images import Command, line, taken
from benchmarks.programs import (
    ARCSEC,
    EPSILON,
    REPOSITORY,
    UNFLAGGED,
    USUAL,
    Observation,
    Work,
    fip_command,
    simulated,
    wsclean_command,
)
from benchmarks.report import Line
from fip.data.quantities import ARCSEC as RADIANS
from fip.data.settings import asked
from fip.source.open_run import open_run

sys.path.insert(0, str(REPOSITORY / "tests"))

from support.direct_sum import direct_sum, pixel_directions

PIXELS = 200  # at which the exact sum is taken
PROGRAMS: dict[str, Command] = {
    "slant": fip_command,
    "wsclean": wsclean_command,
    "wsclean-exact": partial(wsclean_command, exact=True),
}


def compare(scratch: Path, images: tuple[int, int], rounds: int, work: Work = USUAL) -> list[Line]:
    """WSClean as it comes, and with `-no-small-inversion`, without the smaller grid that costs it accuracy."""
    costs = taken(scratch, images, rounds, PROGRAMS, work, *UNFLAGGED)
    ours, theirs, exact = (costs[name] for name in PROGRAMS)
    last = simulated(scratch, images[1], work, *UNFLAGGED)
    error = errors(last, {name: sorted((scratch / name).glob("*.fits")) for name in PROGRAMS})
    return [
        line("CPU s an image, WSClean's default", ours.marginal, theirs.marginal, "<= 0.17"),
        line("CPU s an image, -no-small-inversion", ours.marginal, exact.marginal, "<= 0.17"),
        Line("error delivered, WSClean's default", error["slant"], error["wsclean"]),
        Line("error delivered, -no-small-inversion", error["slant"], error["wsclean-exact"]),
        line(
            f"wall s of {images[1]} images, WSClean's default",
            [c.wall for c in ours.long],
            [c.wall for c in theirs.long],
            "",
        ),
    ]


def errors(observed: Observation, images: Mapping[str, list[Path]]) -> dict[str, float]:
    """Return each program's larger L2(image - exact) / L2(exact), of its first and last image, over the same pixels."""
    size = observed.work.size
    run = open_run(observed.path, asked(size=(size, size), scale=ARCSEC * RADIANS, epsilon=EPSILON))
    picked = np.random.default_rng(1).integers(0, size, (2, PIXELS))
    picked[:, :4] = [[0, 0, size - 1, size - 1], [0, size - 1, 0, size - 1]]
    found = dict.fromkeys(images, 0.0)
    for index in (0, observed.integrations - 1):
        values = run.read(index)
        east, north = (axis[*picked] for axis in pixel_directions(values.grid))
        exact = direct_sum(values.blocks, east, north)[0] / values.sum_of_weights[0, 0]
        for name, made in images.items():
            if len(made) != observed.integrations:
                raise RuntimeError(f"{name} made {len(made)} images of {observed.integrations} integrations")
            pixels: NDArray[np.float32] = fits.getdata(made[index])[0, 0]
            found[name] = max(found[name], float(np.linalg.norm(pixels[*picked] - exact) / np.linalg.norm(exact)))
    run.close()
    return found
