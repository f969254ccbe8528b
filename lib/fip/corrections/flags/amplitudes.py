"""One amplitude for each baseline and channel, in which to search for interference. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.imaging.polarisation import GARBLED

_BATCH = 1 << 17  # samples of all correlations looked at together, so that they stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Amplitudes:
    """How bright samples are, all correlations together."""

    amplitude: NDArray[np.floating]  # [row, channel] Jy; NaN if no correlation is good
    good: NDArray[np.bool_]  # [row, channel, correlation] what counts: not bad, of finite value and positive weight


def amplitudes(
    visibility: NDArray[np.complexfloating], weight: NDArray[np.floating], bad: NDArray[np.bool_]
) -> Amplitudes:
    """Return the root mean square over correlations of |V|, times min(1, sqrt(w / usual w)).

    A sample of little weight is noisy. With this factor a good one is never brighter than usual: it is either as bright
    as others by the source, and then it is lowered, or by its noise, and then it is as others are. Shapes are those of
    `Observed`, rows of one integration.
    """
    amplitude, good = np.empty(visibility.shape[:2], visibility.real.dtype), ~bad
    weighs = (weight > 0) & (weight < GARBLED)
    at_once = max(1, _BATCH // max(1, visibility[:1].size))
    for first in range(0, len(visibility), at_once):
        here = slice(first, first + at_once)
        amplitude[here] = _root_mean_square(visibility[here], weighs[here], good[here])
    return Amplitudes(amplitude * _lowered(np.where(weighs, weight, 0), np.isfinite(amplitude)), good)


def _root_mean_square(
    visibility: NDArray[np.complexfloating], weighs: NDArray[np.bool_], good: NDArray[np.bool_]
) -> NDArray[np.floating]:
    """Return it over good correlations, NaN without any; mark what is no number or has no weight as not good."""
    power = np.zeros(visibility.shape[:2], visibility.real.dtype)
    count = np.zeros(visibility.shape[:2], np.uint8)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for each in range(visibility.shape[2]):
            value = visibility[..., each]
            squared = np.square(value.real) + np.square(value.imag)
            here = good[..., each]
            here &= squared < GARBLED**2  # NaN is not
            here &= weighs[..., each]
            squared[~here] = 0
            power += squared
            count += here
        return np.asarray(np.sqrt(power / count))


def _lowered(weight: NDArray[np.floating], there: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return min(1, sqrt(w / usual w)) [row, channel or 1]."""
    mean = weight.mean(axis=2)
    known = mean[there if mean.shape == there.shape else there.any(axis=1, keepdims=True)]
    if not known.size or known.min() == known.max():
        return np.ones((1, 1), weight.dtype)
    return np.asarray(np.sqrt(np.minimum(1, mean / np.median(known))))
