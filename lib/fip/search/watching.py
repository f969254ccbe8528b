"""Known places, watched: their fluxes in each image, and whether one has changed.

A place has changed if the weighted mean of its last 1, 2, 4, ... 64 images differs from that of all before by more than
the threshold, in standard deviations of the difference. That is 7 looks at an image, plane and place, each wrong with
2 Q(u) of noise alone, so there are at most 7 x 2 Q(u) x places x planes false changes an image.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.search.forced import Core, noise_around, weighted, weights_at
from fip.search.theory import tail
from fip.search.words import WIDEST, Budget

LEAST = 5.0
"""Standard deviations from which something has changed, whatever the budget allows."""

WIDTHS = tuple(2**power for power in range(WIDEST.bit_length()))
FIRST = 16
"""Images of a place before a change can be reported."""

_TILE = 128  # pixels; places in one tile share their noise

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fluxes:
    """Fluxes of the places in one image."""

    flux: Floats  # [place, stokes] Jy/beam, forced; NaN if there is none
    error: Floats  # [place, stokes] Jy/beam


@dataclass(frozen=True, slots=True)
class Change:
    """A place that has changed, and in which plane."""

    place: int  # its number in the list
    stokes: int  # number of the plane
    width: int  # images whose mean has changed
    snr: float  # with its sign
    flux: float  # Jy/beam, the mean of these images
    before: float  # Jy/beam, the mean of all before


@dataclass(frozen=True, slots=True)
class History:
    """What is known of the fluxes so far: the sums of those before the last 64, and the last 64."""

    total: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # [place, stokes] sum of flux / error^2
    weight: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # [place, stokes] sum of 1 / error^2
    count: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))  # images in these
    totals: Floats = field(default_factory=lambda: np.zeros((0, 0, 0)))  # [image, place, stokes], oldest first
    weights: Floats = field(default_factory=lambda: np.zeros((0, 0, 0)))
    changed: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))  # images to wait


def watch_fluxes(planes: NDArray[Any], places: Floats, core: Core) -> Fluxes:
    """Return the forced fluxes of an image, [stokes, y, x] Jy/beam, at places [place, (x, y)] in pixels from 0."""
    flux, error = np.full((2, len(places), len(planes)), np.nan)
    for number, pixels in enumerate(planes):
        noise: dict[tuple[int, int], float] = {}
        for place, (x, y) in enumerate(places.tolist()):
            weights = weights_at(core, x, y, pixels) if math.isfinite(x) and math.isfinite(y) else None
            if weights is None:
                continue
            tile = int(x) // _TILE, int(y) // _TILE
            if tile not in noise:
                noise[tile] = noise_around(pixels, (tile[0] + 0.5) * _TILE, (tile[1] + 0.5) * _TILE, core, _TILE)
            flux[place, number] = weighted(pixels, weights)
            error[place, number] = noise[tile] * weights.spread
    return Fluxes(flux, error)


def threshold_of(budget: Budget, looked_at: int, cadence: float) -> float:
    """Return the S/N of a change, for `looked_at` places x planes an image, one each `cadence` s: 5, or by budget."""
    low, high = LEAST, 40.0
    if false_changes(low, looked_at) / cadence <= budget.per_second:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        above = false_changes(middle, looked_at) / cadence > budget.per_second
        low, high = (middle, high) if above else (low, middle)
    return high


def false_changes(u: float, looked_at: int) -> float:
    """Return the most changes an image that noise alone is expected to make above u, for so many places x planes."""
    return looked_at * len(WIDTHS) * 2 * tail(u)


def look(history: History, fluxes: Fluxes, threshold: float, scatter: float = 0.0) -> tuple[History, list[Change]]:
    """Take in the fluxes of the next image, and return what has changed with it.

    `scatter` is the share of a flux by which gains are wrong; errors are raised by it. A change is reported once: while
    it goes on, and for 64 images after, its place and plane are not reported again.
    """
    if not history.total.size and fluxes.flux.size:
        shape = fluxes.flux.shape
        blank = np.zeros((0, *shape))
        none = np.zeros(shape, np.int64)
        history = History(np.zeros(shape), np.zeros(shape), none, blank, blank, none)
    known = np.isfinite(fluxes.flux) & (fluxes.error > 0)
    flux = np.where(known, fluxes.flux, 0.0)
    level = history.total + history.totals.sum(axis=0), history.weight + history.weights.sum(axis=0)
    usual = np.divide(*level, where=level[1] > 0, out=np.zeros(flux.shape))
    spread = np.where(known, np.hypot(fluxes.error, scatter * usual), np.inf)
    weight = 1 / np.square(spread)
    totals = np.concatenate([history.totals, (weight * flux)[np.newaxis]])
    weights = np.concatenate([history.weights, weight[np.newaxis]])
    best, widths, means, befores = (np.zeros(flux.shape) for _ in range(4))
    for width in WIDTHS:
        if width > len(totals):
            break
        new, new_weight = totals[-width:].sum(axis=0), weights[-width:].sum(axis=0)
        old = history.total + totals[:-width].sum(axis=0)
        old_weight = history.weight + weights[:-width].sum(axis=0)
        seen = history.count + (weights[:-width] > 0).sum(axis=0)
        sure = (seen >= FIRST) & (new_weight > 0) & known
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, before = new / new_weight, old / old_weight
            snr = np.where(sure, (mean - before) / np.sqrt(1 / new_weight + 1 / old_weight), 0.0)
        better = np.abs(snr) > np.abs(best)
        best, widths = np.where(better, snr, best), np.where(better, width, widths)
        means, befores = np.where(better, mean, means), np.where(better, before, befores)
    above = np.abs(best) > threshold
    told = above & (history.changed == 0)
    changes = [
        Change(int(p), int(s), int(widths[p, s]), float(best[p, s]), float(means[p, s]), float(befores[p, s]))
        for p, s in np.argwhere(told)
    ]
    changed = np.where(above, WIDEST, np.maximum(history.changed - 1, 0))
    history = replace(history, totals=totals, weights=weights, changed=changed)
    if len(totals) > WIDEST:
        history = replace(
            history,
            total=history.total + totals[0], weight=history.weight + weights[0],
            count=history.count + (weights[0] > 0), totals=totals[1:], weights=weights[1:],
        )  # fmt: skip
    return history, changes
