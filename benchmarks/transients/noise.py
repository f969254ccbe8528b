"""Events in noise beside those that are predicted."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import poisson

from benchmarks.report import Line
from benchmarks.transients.searching import Search
from benchmarks.transients.telescope import TURN, Telescope
from fip.search.theory import false_events, threshold
from fip.search.words import Budget, Event, Reference, Searched

LEVELS = (5.0, 5.25, 5.5, 5.75, 6.0, 6.25, 6.5)
SECONDS = 36.0  # that a slice stands for, in the budgets
BUDGETS = {"1/10 min": Budget(1, 600), "1/hour": Budget(1, 3600), "1/week": Budget(1, 7 * 86400)}
_EVERY = 50  # slices for which the array's samples are taken to stay


def false_events_of(
    telescope: Telescope, images: int, reference: Reference, seed: int, apart: float | None
) -> list[Line]:
    """Events in noise that wanders by a tenth, beside those predicted, above thresholds and at budgets.

    With `apart`, peaks are of one event within so many pixels, not within 1.2 beams.
    """
    random, searched = np.random.default_rng(seed), telescope.searched(reference)
    search, wander = Search(searched, LEVELS[0], apart), 0.0
    for index in range(images):
        wander = 0.9 * wander + 0.1 * math.sqrt(1 - 0.9**2) * float(random.standard_normal())
        noise = telescope.noise(random) * np.float32(math.exp(wander))
        search.take(telescope.image(telescope.slice(index, telescope.uvw(index), noise)))
    spent = Line("CPU ms of the search of an image, at this low threshold", 1e3 * search.seconds / images)
    return [*_lines(search.finish(), turning(telescope, images), images), spent]


def turning(telescope: Telescope, images: int) -> list[tuple[Searched, int]]:
    """What is searched as the array turns, and for how many of the images."""
    starts = range(0, TURN, _EVERY)
    each = [sum(start <= index % TURN < start + _EVERY for index in range(images)) for start in starts]
    return [(telescope.searched(index=start), number) for start, number in zip(starts, each, strict=True) if number]


def predicted(u: float, turned: Sequence[tuple[Searched, int]]) -> float:
    """False events above u in all images."""
    return sum(number * false_events(u, searched) for searched, number in turned)


def _lines(events: list[Event], turned: Sequence[tuple[Searched, int]], images: int) -> list[Line]:
    lines = []
    for u in LEVELS:
        aim = "0.7 to 1.3" if predicted(u, turned) >= 100 else ""
        lines.append(_line(f"above {u:g}", u, events, turned, aim))
    middle = max(turned, key=lambda each: each[1])[0]
    for name, budget in BUDGETS.items():
        u = _threshold(budget.per_second * SECONDS, turned, images, middle)
        most = poisson.ppf(0.99, predicted(u, turned))
        aim = f"<= {most:.0f}" if name == "1/week" else "0.7 to 1.4"
        lines.append(_line(f"{name}, slices of {SECONDS:g} s: above {u:.2f}", u, events, turned, aim))
    return lines


def _threshold(a_slice: float, turned: Sequence[tuple[Searched, int]], images: int, first: Searched) -> float:
    """Return the threshold at which so many are predicted a slice, on the average over all."""
    u = threshold(Budget(a_slice, first.cadence), [first])
    for _ in range(8):
        share = predicted(u, turned) / images / a_slice
        u = threshold(Budget(false_events(u, first) / share, first.cadence), [first])
    return u


def _line(what: str, u: float, events: list[Event], turned: Sequence[tuple[Searched, int]], aim: str) -> Line:
    found, wanted = [event for event in events if event.best.snr >= u], predicted(u, turned)
    brighter = sum(event.best.sign > 0 for event in found)
    low, high = poisson.interval(0.95, max(len(found), 1))
    return Line(
        f"{what} ({brighter} brighter), predicted, 95 %: {low / wanted:.2f}..{high / wanted:.2f}",
        len(found), wanted, len(found) / wanted, aim,
    )  # fmt: skip
