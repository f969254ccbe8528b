"""The polynomials from which the CUDA sources make taps; the processor's kernel looks up or evaluates the same.

Taps i and taps - 1 - i mirror each other about the middle of their samples, so that each pair is a polynomial even in
the place between two samples and an odd one, of coefficients with the highest power first.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fip.imaging.slant.grid import tap_polynomials
from fip.imaging.slant.scheme import SINGLE
from fip.imaging.slant.taps import taps_at

EVEN, ODD = 6, 5  # coefficients of a pair, as in slant.cu

Pairs = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Coefficients of each pair, one pair after the other: the even polynomials; the odd ones."""


@cache
def of_the_slanted_image() -> Pairs:
    """Return tap_even and tap_odd of slant.cu: fitted to the taps that reproduce every frequency of the band."""
    places = np.arange(512) / 512
    taps, y = taps_at(SINGLE, places), 2 * places - 1
    parts = []
    for parity, count, sign in ((0, EVEN, 1), (1, ODD, -1)):
        half = (taps + sign * taps[:, ::-1])[:, : SINGLE.taps // 2] / 2
        powers = y[:, None] ** (2 * np.arange(count)[::-1] + parity)
        parts.append(np.linalg.lstsq(powers, half, rcond=None)[0].T.astype(np.float32).ravel())
    return parts[0], parts[1]


@cache
def of_a_term() -> Pairs:
    """Return near_even and near_odd of sky.cu: the gridding kernel's polynomials."""
    of_power = tap_polynomials(SINGLE).reshape(-1, 2 * SINGLE.support)[:, : SINGLE.support // 2]  # the highest first
    first = SINGLE.degree % 2
    even, odd = of_power[first::2], of_power[1 - first :: 2]
    return np.ascontiguousarray(even.T).ravel(), np.ascontiguousarray(odd.T).ravel()
