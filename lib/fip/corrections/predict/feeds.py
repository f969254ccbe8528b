"""Between Stokes and what feeds correlate: conventions as in fip.imaging.polarisation. Pure.

Feeds that stand at an angle chi from north through east see Q' = Q cos 2 chi + U sin 2 chi and
U' = U cos 2 chi - Q sin 2 chi in place of Q and U, that is Q' + i U' = (Q + i U) exp(-2 i chi).
"""

import numpy as np
from numpy.typing import NDArray

_OF_STOKES: dict[str, tuple[complex, complex, complex, complex]] = {
    "XX": (1, 1, 0, 0), "YY": (1, -1, 0, 0), "XY": (0, 0, 1, 1j), "YX": (0, 0, 1, -1j),
    "RR": (1, 0, 0, 1), "LL": (1, 0, 0, -1), "RL": (0, 1, 1j, 0), "LR": (0, 1, -1j, 0),
    "I": (1, 0, 0, 0), "Q": (0, 1, 0, 0), "U": (0, 0, 1, 0), "V": (0, 0, 0, 1),
}  # fmt: skip
"""Each correlation as a sum of I, Q', U', V; data that are already Stokes keep their Q and U."""


def correlated(
    stokes: NDArray[np.complexfloating], correlations: tuple[str, ...], feed_angle: NDArray[np.float64] | None
) -> NDArray[np.complexfloating]:
    """Return [row, channel, correlation] in Jy of stokes [row, channel, 1 or 4]: I, or I, Q, U, V.

    feed_angle [row] rad, None for 0. If there is I alone and all correlations see it, the result is a read-only view.
    """
    if stokes.shape[2] == 1 and all(_OF_STOKES[name][0] for name in correlations):
        return np.broadcast_to(stokes, (*stokes.shape[:2], len(correlations)))
    out = np.zeros((*stokes.shape[:2], len(correlations)), stokes.dtype)
    planes = _as_feeds_see(stokes, correlations, feed_angle)
    for at, name in enumerate(correlations):
        for plane, factor in zip(planes, _OF_STOKES[name], strict=False):
            if factor:
                out[..., at] += plane if factor == 1 else factor * plane
    return out


def less(
    visibility: NDArray[np.complexfloating],
    stokes: NDArray[np.complexfloating],
    correlations: tuple[str, ...],
    feed_angle: NDArray[np.float64] | None,
) -> None:
    """Subtract the model from visibility[row, channel, correlation], in place; arguments as in `correlated`."""
    planes = _as_feeds_see(stokes, correlations, feed_angle)
    for at, name in enumerate(correlations):
        for plane, factor in zip(planes, _OF_STOKES[name], strict=False):
            if factor:
                visibility[..., at] -= plane if factor == 1 else factor * plane


def _as_feeds_see(
    stokes: NDArray[np.complexfloating], correlations: tuple[str, ...], feed_angle: NDArray[np.float64] | None
) -> list[NDArray[np.complexfloating]]:
    """Return I, or I, Q', U', V, from Stokes."""
    planes = [stokes[..., plane] for plane in range(stokes.shape[2])]
    if len(planes) == 4 and feed_angle is not None and not {"Q", "U"} & set(correlations):
        twice = 2 * feed_angle.astype(stokes.real.dtype)[:, None]
        sine, cosine, (_, q, u, _) = np.sin(twice), np.cos(twice), planes
        planes[1], planes[2] = q * cosine + u * sine, u * cosine - q * sine
    return planes
