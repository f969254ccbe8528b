"""Antennas that receive only noise, found with a model of the sky. Pure.

What two neighbouring channels of a baseline have in common is the sky, and not noise: over the baselines of an antenna
sum Re V_c conj(V_c+1) is that of the model, sum Re M_c conj(M_c+1), if the antenna lives; more if there is a transient;
and nothing if it is dead, however bright the sky is.
"""

import numpy as np
from numpy.typing import NDArray

from fip.corrections.flags.robust import middle_and_spread
from fip.corrections.observed import Observed
from fip.corrections.predicted import Predicted

LEAST = 0.25
"""A dead antenna has less than this share of the usual value."""

LIMIT = 6.0
"""And it is below by so many standard deviations of the spread over antennas: a faint model finds none."""

FEWEST_ANTENNAS = 8
"""With fewer, nobody can say what is usual."""


def dead_rows(residual: Observed, predicted: Predicted) -> NDArray[np.bool_]:
    """Return which rows [row] are of antennas that receive only noise, by samples that are good without the model."""
    count = 1 + int(max(residual.antenna1.max(initial=0), residual.antenna2.max(initial=0)))
    seen, expected = np.zeros(count), np.zeros(count)
    for at, hand in enumerate(predicted.hands):
        model, visibility = predicted.values[..., at], predicted.seen(residual, at)
        good = ~residual.bad[..., hand] & np.isfinite(visibility)
        for values, sums in ((visibility, seen), (model, expected)):
            common = _common(values, good)
            for antenna in (residual.antenna1, residual.antenna2):
                sums += np.bincount(antenna, common, count)
    there = expected > 0
    if np.count_nonzero(there) < FEWEST_ANTENNAS:
        return np.zeros(len(residual.antenna1), bool)
    share = np.full(count, np.nan)
    share[there] = seen[there] / expected[there]
    middle, spread = middle_and_spread(share)
    dead = (share < LEAST * middle) & (middle - share > LIMIT * spread)
    return np.asarray(dead[residual.antenna1] | dead[residual.antenna2])


def _common(values: NDArray[np.complexfloating], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return Re sum V_c conj(V_c+1) [row] of values [row, channel], over neighbours that are both good."""
    values = np.where(good, values, 0)
    return np.asarray((values[:, :-1] * values[:, 1:].conj()).real.sum(axis=1, dtype=np.float64))
