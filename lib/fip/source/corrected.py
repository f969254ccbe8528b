"""What is reported of a corrected slice: numbers for the ledger, cards for the header, sources to look at. Pure."""

import cmath
import math
from collections.abc import Iterator

from fip.corrections.corrections import Corrections
from fip.corrections.sky.opening import Sky
from fip.corrections.tally import Tally
from fip.data.directions import Direction
from fip.data.names import LARGEST, LONGEST, free_name, label
from fip.data.rotations import icrs_axes
from fip.data.values import MOST_KNOWN, Card, Grid, KnownSource

Numbers = dict[str, tuple[float, str]]
FLAGGED = {"gains": "FIPFLGGN", "flags": "FIPFLGFL", "auto": "FIPFLGAU"}
"""The cards of what flags samples."""


def numbers_of(corrections: Corrections, tally: Tally, noise: float) -> Numbers:
    """Return the share flagged by each correction, how well the model fits, the noise to expect, and the digests.

    The digests say which corrections there were. Numbers that are not finite, or beyond `LARGEST`, are left out, as
    the amplitude of a model of next to nothing: they mean nothing.
    """
    numbers: Numbers = {f"{name}.{digest}": (1.0, "") for name, digest in corrections.digests.items()}
    asked = {"gains": corrections.gains, "flags": corrections.flags, "auto": corrections.flags}
    for name in (name for name, each in asked.items() if each):
        numbers[f"flagged_by.{name}"] = (tally.flagged.get(name, 0) / max(1, tally.samples), "")
    if tally.power > 0:
        amplitude, phase = cmath.polar(tally.cross / tally.power)
        numbers |= {"model.amplitude": (amplitude, ""), "model.phase": (math.degrees(phase), "deg")}
    numbers["noise.expected"] = (noise, "Jy/beam")
    return {name: (value, unit) for name, (value, unit) in numbers.items() if abs(value) <= LARGEST}  # NaN is not


def cards_of(corrections: Corrections, numbers: Numbers, time: float) -> Iterator[Card]:
    """Yield what the header says of it, at a time (s UTC since MJD 0)."""
    yield from corrections.cards(time)
    told = {
        **{f"flagged_by.{name}": (keyword, f"share flagged by {name}") for name, keyword in FLAGGED.items()},
        "model.amplitude": ("FIPMAMP", "<V M*>/<|M|^2>, M the model: 1 if gains are right"),
        "model.phase": ("FIPMPHA", "[deg] its phase"),
        "noise.expected": ("FIPNOISE", "[Jy/beam] noise expected, first plane"),
    }
    yield from (
        Card(keyword, numbers[name][0], comment) for name, (keyword, comment) in told.items() if name in numbers
    )


def known_sources(sky: Sky, grid: Grid, frequency: float, field: int, time: float) -> tuple[KnownSource, ...]:
    """Return the brightest sources of the model that are on the grid, the brightest first."""
    found = sky.brightest(MOST_KNOWN, frequency, field, time)
    east, north, towards = icrs_axes(Direction(grid.longitude, grid.latitude, grid.frame)) @ found.towards.T
    names: set[str] = set()
    known = []
    for at, name in enumerate(found.names):
        x, y = grid.width / 2 - east[at] / grid.scale, grid.height / 2 + north[at] / grid.scale
        if towards[at] > 0 and 1 <= x < grid.width - 1 and 1 <= y < grid.height - 1:
            names.add(free := free_name(label(name)[: LONGEST - 16], names))
            known.append(KnownSource(free, float(x), float(y), float(found.flux[at, 0, 0])))
    return tuple(known)
