"""Spectra of two terms: a power law, and what is linear in it about the index that a point has so far."""

import numpy as np

from fip.deconvolution.values import FIRST_INDEX, Array, Points

STEEPEST = 4.0
"""The largest spectral index that a point may have, either way: beyond it is noise, or no power law."""
FARTHEST = 2.0
"""How far from the index so far one step may go."""
UNTOLD = 1e-9
"""A share of what two terms with nothing in common would give: below it, the bands cannot separate them."""


def basis(logs: Array, index: Array) -> tuple[Array, Array]:
    """Return (f / reference)^index and its derivative by index, each [point, band], for ln(f / reference) [band].

    A flux d0 g0 + d1 g1 is, to first order, a power law of flux d0 and index + d1 / d0.
    """
    power = np.exp(np.multiply.outer(index, logs))
    return power, power * logs


def sums(values: Array, share: Array, zeroth: Array, first: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return the sums that a fit of two terms needs: g0 g0, g0 g1, g1 g1, g0 v and g1 v, each over bands, [point].

    `values`, and the two of `basis`, are [point, band], `share` is [band].
    """
    weighted0, weighted1 = zeroth * share, first * share
    of0, of1 = (weighted0 * values).sum(axis=-1), (weighted1 * values).sum(axis=-1)
    return (weighted0 * zeroth).sum(-1), (weighted0 * first).sum(-1), (weighted1 * first).sum(-1), of0, of1


def heights(values: Array, share: Array, zeroth: Array, first: Array) -> Array:
    """Return the height of points, [point] in Jy/beam: a slope counts as well as a flux; without one it is the flux."""
    a, b, c, of0, of1 = sums(values, share, zeroth, first)
    apart = a * c - b * b
    told = apart > UNTOLD * a * c
    both = (of0**2 * c - 2 * of0 * of1 * b + of1**2 * a) / np.where(told, apart, 1.0)
    return np.sqrt(np.where(told, both, of0**2 / a))


def fitted(values: Array, share: Array, zeroth: Array, first: Array, terms: int, known: float) -> tuple[float, float]:
    """Return the terms (d0, d1), Jy, nearest to the values of one point by least squares; the arrays are all [band].

    If `terms` is 1, or if the bands cannot separate two terms, d1 is 0. It is at most `FARTHEST` times the flux that
    the point has then, `known` Jy so far: anything more is sidelobes, and to take it off would put others in.
    """
    a, b, c, of0, of1 = (float(each) for each in sums(values, share, zeroth, first))
    apart = a * c - b * b
    if terms < 2 or apart <= UNTOLD * a * c:
        return of0 / a, 0.0
    d0, d1 = (of0 * c - of1 * b) / apart, (of1 * a - of0 * b) / apart
    most = FARTHEST * abs(known + d0)
    return d0, min(most, max(-most, d1))


def indices_of(points: Points, pixels: int) -> Array:
    """Return the spectral index of each of so many pixels: that of its point, or `FIRST_INDEX`."""
    found = np.full(pixels, FIRST_INDEX)
    found[points.place] = points.index
    return found


def merged(points: Points, zeroth: Array, first: Array) -> Points:
    """Return the points with what was found added: d0 and d1 [pixel] in Jy. A point of flux 0 is left out."""
    flux = np.zeros(len(zeroth))
    flux[points.place] = points.flux
    flux += zeroth
    place = np.flatnonzero(flux)
    index = indices_of(points, len(flux))[place] + first[place] / flux[place]
    return Points(points.reference, place, flux[place], np.clip(index, -STEEPEST, STEEPEST))
