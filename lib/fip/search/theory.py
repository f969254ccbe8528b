"""How many false events a search makes, by formula: the sky is smooth (Rice, Adler), time is not (Siegmund).

docs/transients.md derives it. Thresholds u are in standard deviations.
"""

import math
from collections.abc import Sequence

from fip.search.words import Budget, Searched

COARSE = 0.7
"""1/pixel^2 of sqrt(det Lambda), a beam of 2.8 pixels. From here on pixels lie too far apart to show a maximum between
them: there a pixel's own S/N counts, and there are no more false events than pixels above the threshold."""

LOWEST, HIGHEST = 3.0, 40.0  # thresholds between which one is searched


def density(x: float) -> float:
    """Return the density of the normal distribution at x."""
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def tail(x: float) -> float:
    """Return the probability that a normal variable is above x."""
    return math.erfc(x / math.sqrt(2)) / 2


def nu(x: float) -> float:
    """Return Siegmund's correction for a random walk that is sampled in steps of drift x^2/2 and standard deviation x.

    It is the approximation of Siegmund and Yakir (2007), right to 3 %; 1 at x = 0.
    """
    if x < 1e-4:
        return 1.0
    return 2 / x * (0.5 - tail(x / 2)) / (x / 2 * (1 - tail(x / 2)) + density(x / 2))


def looks(u: float, widest: int, smooth: int = 0) -> float:
    """Return how many independent looks at a pixel in each slice all boxcars of 1..widest slices are at level u.

    The field is smooth in `smooth` dimensions besides time: there two boxcars have their maxima at different places,
    which brings them closer to one another.
    """
    v = u - smooth / u
    return sum((v * v / (2 * width) * nu(v / math.sqrt(width))) ** 2 for width in range(1, widest + 1))


def maxima(u: float, area: float, determinant: float) -> float:
    """Return the expected maxima above u of one image of noise: `area` in pixels, det Lambda in 1/pixel^4."""
    smooth = area * math.sqrt(determinant) / (2 * math.pi) * u * density(u)
    return min(smooth, area * tail(u)) if is_coarse(determinant) else smooth


def is_coarse(determinant: float) -> bool:
    """Return whether maxima between pixels cannot be seen."""
    return math.sqrt(max(determinant, 0.0)) > COARSE


def determinant_of(searched: Searched) -> float:
    """Return det Lambda in 1/pixel^4."""
    (xx, xy), (_, yy) = searched.curvature
    return xx * yy - xy * xy


def false_events(u: float, searched: Searched, area: float | None = None) -> float:
    """Return the expected false events a slice, of all signs; `area` is that of the pixels with values, by default all.

    A maximum on the outermost pixels is not seen.
    """
    pixels = (searched.width - 2) * (searched.height - 2) if area is None else area
    determinant = determinant_of(searched)
    smooth = 0 if is_coarse(determinant) else 2
    return searched.signs * maxima(u, pixels, determinant) * looks(u, searched.widest, smooth)


def false_rate(u: float, series: Sequence[Searched], areas: Sequence[float | None] | None = None) -> float:
    """Return the expected false events a second of observed time, over all series that are searched."""
    each = areas or [None] * len(series)
    return sum(false_events(u, one, area) / one.cadence for one, area in zip(series, each, strict=True))


def threshold(budget: Budget, series: Sequence[Searched], areas: Sequence[float | None] | None = None) -> float:
    """Return the one threshold u, for all series, at which the budget is met; ValueError if there is none."""
    if false_rate(LOWEST, series, areas) < budget.per_second:
        raise ValueError(
            f"{budget.events:g} false events in {budget.seconds:g} s would take a threshold below {LOWEST:g} sigma: "
            f"ask for fewer"
        )
    if false_rate(HIGHEST, series, areas) > budget.per_second:
        raise ValueError(
            f"{budget.events:g} false events in {budget.seconds:g} s would take a threshold above {HIGHEST:g} sigma: "
            f"allow more"
        )
    low, high = LOWEST, HIGHEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if false_rate(middle, series, areas) > budget.per_second else (low, middle)
    return high
