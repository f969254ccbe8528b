"""What a search could have seen: how much sky, how long, to which flux; and limits on the rate of what was not seen.

Pure. A boxcar of w images has w times the weight of one: it shows sources that are 1 / sqrt(w) as bright.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.special import gammaincinv

from fip.search.words import WIDEST

SHARES = (0.5, 0.9, 1.0)
"""Shares of what was searched: for each, the flux is given to which it was searched."""

WIDTHS = tuple(2**power for power in range(WIDEST.bit_length()))
"""Widths in images: there is a row from each to the next."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Images that were searched in the same way."""

    area: float  # deg^2, pixels with values
    images: float
    cadence: float  # s from one image to the next
    noise: float  # Jy/beam, of one image; NaN if it is not known
    threshold: float  # S/N of an event
    widest: int = WIDEST  # images


@dataclass(frozen=True, slots=True)
class Depth:
    """What was searched for transients of one width."""

    width: int  # images
    duration: float  # s
    exposure: float  # deg^2 h
    epochs: float  # deg^2: the area, times the number of boxcars of this width side by side
    fluxes: tuple[float, ...]  # Jy/beam, to which `SHARES` of the exposure were searched; NaN if no noise is known
    found: int  # events, from this width on and below the next one

    @property
    def density(self) -> float:
        """1/deg^2: 95 % upper limit of how many are on at a time; 3.0 / (Omega N) if none was found."""
        return most_expected(self.found) / self.epochs

    @property
    def rate(self) -> float:
        """1/(deg^2 h): 95 % upper limit of how many begin."""
        return most_expected(self.found) / self.exposure


def most_expected(found: int) -> float:
    """Return the expected number of events if `found` or fewer come in 5 % of cases: 3.0 for none, 4.7 for one."""
    return float(gammaincinv(found + 1, 0.95))


def poisson_interval(found: int) -> tuple[float, float]:
    """Return the interval of the expected number of events if `found` came, in 95 % of cases."""
    return float(gammaincinv(found, 0.025)) if found else 0.0, float(gammaincinv(found + 1, 0.975))


def faintest(threshold: float, noise: float, width: int) -> float:
    """Return the Jy/beam of a source that is just an event: half of such sources are found."""
    return threshold * noise / math.sqrt(width)


def depths(stretches: Iterable[Stretch], widths: Sequence[int]) -> list[Depth]:
    """Return the depths of images of one cadence, by width of the search; `widths` are those of the events found.

    There is no row for a width with more images than were searched.
    """
    all_ = [each for each in stretches if each.images > 0 and each.area > 0]
    made = []
    for width in WIDTHS:
        mine = [each for each in all_ if each.widest >= width]
        if sum(each.images for each in mine) > width - 0.5:  # they are shares of images
            found = sum(width <= each < 2 * width for each in widths)
            made.append(_depth(mine, width, found))
    return made


def _depth(stretches: Sequence[Stretch], width: int, found: int) -> Depth:
    exposures = [each.area * each.images * each.cadence / 3600 for each in stretches]
    known = sorted(
        (faintest(each.threshold, each.noise, width), exposure)
        for each, exposure in zip(stretches, exposures, strict=True)
        if math.isfinite(each.noise)
    )
    return Depth(
        width,
        width * stretches[0].cadence,
        sum(exposures),
        sum(each.area * each.images for each in stretches) / width,
        tuple(_flux_of(share, known) for share in SHARES),
        found,
    )


def _flux_of(share: float, known: Sequence[tuple[float, float]]) -> float:
    """Return the flux to which a share of the exposure was searched, from (flux, exposure) by flux; NaN if unknown."""
    least, sofar = share * sum(exposure for _, exposure in known) * (1 - 1e-9), 0.0
    for flux, exposure in known:
        sofar += exposure
        if sofar >= least:
            return flux
    return math.nan
