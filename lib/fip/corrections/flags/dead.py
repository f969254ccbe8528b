"""Antennas that receive noise alone, told by a model of the sky. Pure.

What two neighbouring channels of a baseline have in common is the sky, and not noise: over the baselines of an antenna
sum Re V_c conj(V_c+1) is that of the model, sum Re M_c conj(M_c+1), if the antenna lives; more if there is a transient;
and nothing if it is dead, however bright the sky is.
"""

import numpy as np
from numpy.typing import NDArray

from fip.corrections.flags.robust import middle_and_spread
from fip.corrections.observed import Observed

LEAST = 0.25
"""Share of the usual that a dead antenna has less of."""

LIMIT = 6.0
"""And standard deviations, by the spread over antennas, by which it is below: with a faint model nothing is told."""

FEWEST_ANTENNAS = 8
"""With fewer there is no telling what is usual."""


def dead_rows(observed: Observed, hands: NDArray[np.intp], model: NDArray[np.complexfloating]) -> NDArray[np.bool_]:
    """Which rows [row] are of antennas that receive noise alone.

    `model` [row, channel, hand] is what good samples of the parallel `hands`, places on the axis of correlations, hold.
    """
    count = 1 + int(max(observed.antenna1.max(initial=0), observed.antenna2.max(initial=0)))
    seen, expected = np.zeros(count), np.zeros(count)
    for at, hand in enumerate(hands.tolist()):
        good = ~observed.bad[..., hand] & np.isfinite(model[..., at])
        both = good[:, :-1] & good[:, 1:]
        for values, sums in ((observed.visibility[..., hand], seen), (model[..., at], expected)):
            values = np.where(good, values, 0)
            common = np.where(both, (values[:, :-1] * values[:, 1:].conj()).real, 0).sum(axis=1, dtype=np.float64)
            for antenna in (observed.antenna1, observed.antenna2):
                sums += np.bincount(antenna, common, count)
    there = expected > 0
    if np.count_nonzero(there) < FEWEST_ANTENNAS:
        return np.zeros(len(observed.antenna1), bool)
    share = np.full(count, np.nan)
    share[there] = seen[there] / expected[there]
    middle, spread = middle_and_spread(share)
    dead = (share < LEAST * middle) & (middle - share > LIMIT * spread)
    return np.asarray(dead[observed.antenna1] | dead[observed.antenna2])
