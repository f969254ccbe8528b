"""From the correlations of a MeasurementSet to Stokes products and their weights. Pure.

Conventions: I = (XX+YY)/2, Q = (XX-YY)/2, U = (XY+YX)/2, V = -i(XY-YX)/2 for linear feeds; I = (RR+LL)/2,
V = (RR-LL)/2, Q = (RL+LR)/2, U = -i(RL-LR)/2 for circular ones (IAU 1974; Hamaker & Bregman 1996, A&AS 117, 161;
CASA and WSClean alike). No parallactic rotation is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.stokes import HANDS, REQUESTS

GARBLED = 1e15
"""A visibility or a weight from here on is no value, like those that are not finite: no telescope gives such a number.

Products of a visibility and a weight below it, and sums of a hundred of them, are within single precision.
"""

Pair: TypeAlias = tuple[str, str, int, complex]
"""factor x (first + sign x second), as (first, second, sign, factor)."""

CORRELATIONS = dict(enumerate(["I", "Q", "U", "V", "RR", "RL", "LR", "LL", "XX", "XY", "YX", "YY"], start=1))
"""CORR_TYPE in the POLARIZATION table (casacore Stokes::StokesTypes) -> name."""

_PAIRS: dict[str, tuple[Pair, ...]] = {
    "I": (("XX", "YY", 1, 0.5), ("RR", "LL", 1, 0.5)),
    "Q": (("XX", "YY", -1, 0.5), ("RL", "LR", 1, 0.5)),
    "U": (("XY", "YX", 1, 0.5), ("RL", "LR", -1, -0.5j)),
    "V": (("XY", "YX", -1, -0.5j), ("RR", "LL", -1, 0.5)),
}


@dataclass(frozen=True, slots=True)
class Product:
    """One plane to form: factor x (first + sign x second), or the first correlation alone."""

    name: str  # what the plane is: "I", "Q", "U", "V", or the one hand ("XX", "RR")
    first: int  # position on the correlation axis
    second: int | None = None
    sign: int = 1
    factor: complex = 1.0
    either: bool = False  # pseudoI: if one hand is bad, the other stands for both


def products(stokes: Sequence[str], correlations: Sequence[str]) -> tuple[Product, ...]:
    """Return how to form each of `stokes` (of `REQUESTS`) from `correlations`, named in the order of the data.

    Stokes I (and pseudoI) from a single parallel hand is that hand, under its own name; pseudoI is a plane "I". Raise
    UsageError if a plane cannot be formed.
    """
    asked = f"--stokes {','.join(stokes)}"
    if not stokes or not set(stokes) <= set(REQUESTS):
        raise UsageError(f"{asked}: give some of {', '.join(REQUESTS)}, as I or IQUV or I,V (cross hands are no image)")
    made = tuple(_product(name, list(correlations)) for name in stokes)
    if len({product.name for product in made}) < len(made):
        raise UsageError(f"{asked}: with {', '.join(correlations)} on file this is the same plane twice")
    return made


def _product(name: str, correlations: list[str]) -> Product:
    if name in correlations:
        return Product(name, correlations.index(name))
    plane = "I" if name == "pseudoI" else name
    for first, second, sign, factor in _PAIRS.get(plane, ()):
        if first in correlations and second in correlations:
            at = correlations.index(first), correlations.index(second)
            return Product(plane, *at, sign, factor, either=name == "pseudoI")
    if plane in correlations:
        return Product(plane, correlations.index(plane))
    hands = [hand for hand in correlations if hand in HANDS]
    if plane == "I" and len(hands) == 1:
        return Product(hands[0], correlations.index(hands[0]))
    raise UsageError(f"--stokes {name}: cannot be formed from the correlations on file ({', '.join(correlations)})")


def form(
    wanted: Sequence[Product],
    visibility: NDArray[np.complexfloating],
    weight: NDArray[np.floating],
    bad: NDArray[np.bool_],
    out_visibility: NDArray[np.complexfloating],
    out_weight: NDArray[np.floating],
    checked: bool = False,
) -> int:
    """Fill `out_visibility` and `out_weight` [stokes, row, channel] with weight x visibility and the weight.

    `visibility` [row, channel, correlation]; `weight` broadcasts to it; `bad` [row, channel, correlation] marks samples
    not to be used. A sample that is NaN, infinite or `GARBLED`, or has a weight that is not positive, is not used
    either: weight 0, visibility 0. Return how many samples were not used because one of their numbers was garbled.
    Visibilities that are `checked` have no such number.

    A pair counts if both hands are good, with weight 4 w_p w_q / (w_p + w_q): the inverse variance of (p + q)/2 with
    variances 1/w_p and 1/w_q. (WSClean takes the smaller of the two weights, CASA their mean.) A hand alone keeps its
    own weight.
    """
    used = _used(wanted)
    garbled = 0
    if not checked and not possible(visibility):
        none, odd = ~np.isfinite(visibility), np.zeros(visibility.shape, bool)
        for part in (visibility.real, visibility.imag):
            odd |= np.abs(part) >= GARBLED
        odd &= ~none & ~bad
        garbled += int(np.count_nonzero(odd[..., used].any(axis=-1)))
        visibility, bad = np.where(none | odd | bad, 0, visibility), bad | none | odd
    if not _below(weight, GARBLED):
        odd = (weight >= GARBLED) & (weight < np.inf) & ~bad
        garbled += int(np.count_nonzero(odd[..., used].any(axis=-1)))
    weight = _positive(weight).astype(out_weight.dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        for product, into, into_weight in zip(wanted, out_visibility, out_weight, strict=True):
            p, weight_p, bad_p = visibility[..., product.first], weight[..., product.first], bad[..., product.first]
            if product.second is None:
                np.multiply(weight_p, ~bad_p, out=into_weight)
                np.multiply(p, into_weight, out=into, dtype=into.dtype, casting="same_kind")
                continue
            q, weight_q, bad_q = visibility[..., product.second], weight[..., product.second], bad[..., product.second]
            total = np.maximum(weight_p + weight_q, np.finfo(into_weight.dtype).tiny)
            np.multiply(weight_q / total * weight_p * 4, ~(bad_p | bad_q), out=into_weight)
            combine = np.add if product.sign > 0 else np.subtract
            combine(p, q, out=into, dtype=into.dtype, casting="same_kind")
            into *= product.factor * into_weight
            if product.either:
                alone, weight_p, weight_q = into_weight == 0, weight_p * ~bad_p, weight_q * ~bad_q
                into_weight[alone] = (weight_p + weight_q)[alone]
                into[alone] = (weight_p * p + weight_q * q)[alone]
    return garbled


def hands(correlations: Sequence[str]) -> list[int]:
    """Return the places of the parallel hands on the correlation axis; Stokes I, if it is on file, stands for them."""
    return [at for at, name in enumerate(correlations) if name in HANDS] or [
        at for at, name in enumerate(correlations) if name == "I"
    ]


def unobserved(visibility: NDArray[np.complexfloating], parallel: Sequence[int]) -> NDArray[np.bool_] | None:
    """Find the samples [row, channel] of visibilities [row, channel, correlation] that are 0 in all parallel hands.

    No telescope gives that: somebody filled in missing samples, and set no flag. None if there are none.
    """
    if not parallel or visibility[..., parallel[0]].all():
        return None
    zero: NDArray[np.bool_] = visibility[..., parallel[0]] == 0
    for hand in parallel[1:]:
        zero &= visibility[..., hand] == 0
    return zero if zero.any() else None


def possible(visibility: NDArray[np.complexfloating]) -> bool:
    """Return whether all visibilities are numbers that a telescope can give: finite, and not `GARBLED`."""
    return _below(visibility, GARBLED)


def absent(wanted: Product, visibility: NDArray[np.complexfloating]) -> NDArray[np.bool_]:
    """Return which samples [row, channel] of a plane are missing: what it is made of is not finite, or garbled.

    `visibility` [row, channel, correlation] as on file. One hand is enough if the other may stand for it.
    """
    none = [~_is_possible(visibility[..., at]) for at in _used([wanted])]
    both: NDArray[np.bool_] = np.logical_and.reduce(none) if wanted.either else np.logical_or.reduce(none)
    return both


def _is_possible(values: NDArray[np.complexfloating]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (np.abs(values.real) < GARBLED) & (np.abs(values.imag) < GARBLED)  # NaN is not
    return found


def _used(wanted: Sequence[Product]) -> list[int]:
    """Return the correlations that planes are made of."""
    return sorted({at for product in wanted for at in (product.first, product.second) if at is not None})


def _below(values: NDArray[np.inexact], limit: float) -> bool:
    """Return whether all are finite, and smaller than the limit, real and imaginary parts by themselves."""
    if not values.size:
        return True
    parts = np.ascontiguousarray(values).view(values.real.dtype)
    return bool(parts.max() < limit and parts.min() > -limit)  # NaN is neither


def _positive(weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the same with 0 for NaN, infinities, garbled and negative values."""
    if weight.size and weight.min() >= 0 and weight.max() < GARBLED:
        return weight
    return np.where((weight > 0) & (weight < GARBLED), weight, 0)
