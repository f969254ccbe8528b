"""Spectra of two terms: a power law, and what is linear in it about the index that a point has so far."""

import numpy as np

from fip.deconvolution.values import FIRST_INDEX, Array, Points

STEEPEST = 4.0
"""The largest spectral index that a point may have, either way: beyond it is noise, or no power law."""
FARTHEST = 2.0
"""How far from the index so far one step may go."""


def basis(logs: Array, index: Array) -> tuple[Array, Array]:
    """(f / reference)^index and its derivative by the index, each [point, band], for ln(f / reference) [band].

    A flux d0 g0 + d1 g1 is, to first order, a power law of flux d0 and index + d1 / d0.
    """
    power = np.exp(np.multiply.outer(index, logs))
    return power, power * logs


def fitted(values: Array, weight: Array, zeroth: Array, first: Array, terms: int) -> tuple[float, float]:
    """The terms (d0, d1), Jy, of what is nearest to the values of one point, [band] as all others, by least squares.

    With 1 of `terms`, or if the bands cannot tell two apart, d1 is 0. It is at most `FARTHEST` times d0: what would be
    more is sidelobes, and to take it off would put others in.
    """
    a, b, c = weight @ (zeroth * zeroth), weight @ (zeroth * first), weight @ (first * first)
    along, across = weight @ (zeroth * values), weight @ (first * values)
    apart = a * c - b * b
    if terms < 2 or apart <= 1e-9 * a * c:
        return float(along / a), 0.0
    d0, d1 = float((along * c - across * b) / apart), float((across * a - along * b) / apart)
    most = FARTHEST * abs(d0)
    return d0, min(most, max(-most, d1))


def indices_of(points: Points, pixels: int) -> Array:
    """The spectral index of each of so many pixels: that of its point, or `FIRST_INDEX`."""
    found = np.full(pixels, FIRST_INDEX)
    found[points.place] = points.index
    return found


def merged(points: Points, zeroth: Array, first: Array) -> Points:
    """The points, and what was found about them: d0 and d1 [pixel] in Jy. What comes to nothing is left out."""
    flux = np.zeros(len(zeroth))
    flux[points.place] = points.flux
    flux += zeroth
    place = np.flatnonzero(flux)
    index = indices_of(points, len(flux))[place] + first[place] / flux[place]
    return Points(points.reference, place, flux[place], np.clip(index, -STEEPEST, STEEPEST))
