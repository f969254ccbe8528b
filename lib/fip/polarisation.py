"""From the correlations of a MeasurementSet to Stokes products and their weights. Pure.

Conventions: I = (XX+YY)/2, Q = (XX-YY)/2, U = (XY+YX)/2, V = -i(XY-YX)/2 for linear feeds; I = (RR+LL)/2,
V = (RR-LL)/2, Q = (RL+LR)/2, U = -i(RL-LR)/2 for circular ones (IAU 1974; Hamaker & Bregman 1996, A&AS 117, 161;
CASA and WSClean alike). No parallactic rotation is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.errors import UsageError

STOKES = ("I", "Q", "U", "V")
HANDS = ("XX", "YY", "RR", "LL")
REQUESTS = (*STOKES, "pseudoI", *HANDS)
"""What can be asked for."""

CORRELATIONS = dict(enumerate(["I", "Q", "U", "V", "RR", "RL", "LR", "LL", "XX", "XY", "YX", "YY"], start=1))
"""CORR_TYPE in the POLARIZATION table (casacore Stokes::StokesTypes) -> name."""

Hand: TypeAlias = tuple[NDArray[np.complexfloating], NDArray[np.floating]]
"""Visibility and weight of one correlation, [row, channel] each."""

_HALVES: dict[str, tuple[tuple[tuple[str, complex], tuple[str, complex]], ...]] = {
    "I": ((("XX", 0.5), ("YY", 0.5)), (("RR", 0.5), ("LL", 0.5))),
    "Q": ((("XX", 0.5), ("YY", -0.5)), (("RL", 0.5), ("LR", 0.5))),
    "U": ((("XY", 0.5), ("YX", 0.5)), (("RL", -0.5j), ("LR", 0.5j))),
    "V": ((("XY", -0.5j), ("YX", 0.5j)), (("RR", 0.5), ("LL", -0.5))),
}


@dataclass(frozen=True, slots=True)
class Product:
    """One plane to form: sum of coefficient x correlation over one or two terms."""

    name: str  # what the plane is: "I", "Q", "U", "V", "pseudoI", or the one hand on file ("XX", "RR")
    terms: tuple[tuple[int, complex], ...]  # (position on the correlation axis, coefficient)
    either: bool = False  # pseudoI: where one hand is bad, the other stands for both


def products(stokes: Sequence[str], correlations: Sequence[str]) -> tuple[Product, ...]:
    """How to form each of `stokes` (of `REQUESTS`) from `correlations`, named in the order of the data.

    Stokes I (and pseudoI) from a single parallel hand is that hand, under its own name.
    Raises UsageError where a plane cannot be formed.
    """
    unknown = [name for name in stokes if name not in REQUESTS]
    if unknown or not stokes or len(set(stokes)) < len(stokes):
        raise UsageError(
            f"--stokes {','.join(stokes)}: give each of {', '.join(REQUESTS)} at most once, as I or IQUV or I,V"
        )
    made = tuple(_product(name, list(correlations)) for name in stokes)
    if len({product.name for product in made}) < len(made):
        raise UsageError(
            f"--stokes {','.join(stokes)}: with {', '.join(correlations)} on file these are the same image twice"
        )
    return made


def _product(name: str, correlations: list[str]) -> Product:
    if name in correlations:
        return Product(name, ((correlations.index(name), 1.0),))
    wanted = "I" if name == "pseudoI" else name
    for pair in _HALVES.get(wanted, ()):
        if all(hand in correlations for hand, _ in pair):
            terms = tuple((correlations.index(hand), factor) for hand, factor in pair)
            return Product(name, terms, either=name == "pseudoI")
    if wanted == "I" and "I" in correlations:
        return Product(name, ((correlations.index("I"), 1.0),))
    hands = [hand for hand in correlations if hand in HANDS]
    if wanted == "I" and len(hands) == 1:
        return Product(hands[0], ((correlations.index(hands[0]), 1.0),))
    raise UsageError(f"--stokes {name}: cannot be formed from the correlations on file ({', '.join(correlations)})")


def form(
    wanted: Sequence[Product],
    visibility: NDArray[np.complexfloating],
    weight: NDArray[np.floating],
    bad: NDArray[np.bool_],
    out_visibility: NDArray[np.complexfloating],
    out_weight: NDArray[np.floating],
) -> None:
    """Fill `out_visibility` and `out_weight` [stokes, row, channel] with weight x visibility and the weight.

    `visibility` [row, channel, correlation]; `weight` broadcasts to it; `bad` [row, channel, correlation] marks
    samples not to be used. What is NaN or infinite, or has a weight that is not positive, is not used either:
    weight 0, visibility 0.

    A pair counts where both hands are good, with weight 4 w_p w_q / (w_p + w_q): the inverse variance of
    (p + q)/2 with variances 1/w_p and 1/w_q. (WSClean takes the smaller of the two weights, CASA their mean.)
    A hand alone keeps its own weight.
    """
    real = out_weight.dtype
    hands = {
        at: _clean(visibility[..., at], weight[..., at], bad[..., at], real)
        for at in {at for product in wanted for at, _ in product.terms}
    }
    for plane, product in enumerate(wanted):
        combined, weights = _combine(product, hands)
        np.multiply(combined, weights, out=out_visibility[plane])
        out_weight[plane] = weights


def _clean(
    visibility: NDArray[np.complexfloating],
    weight: NDArray[np.floating],
    bad: NDArray[np.bool_],
    real: np.dtype[np.floating],
) -> Hand:
    """One correlation [row, channel], visibility and weight 0 where it is not good, in the output's precision."""
    values = visibility.astype(np.result_type(real, np.complex64))
    good = np.isfinite(values)
    good &= ~bad
    good &= (weight > 0) & (weight < np.inf)
    values[~good] = 0
    return values, np.where(good, weight, 0).astype(real, copy=False)


def _combine(product: Product, hands: dict[int, Hand]) -> Hand:
    first, factor = product.terms[0]
    p, weight_p = hands[first]
    if len(product.terms) == 1:
        return factor * p, weight_p
    second, other_factor = product.terms[1]
    q, weight_q = hands[second]
    smallest = np.finfo(weight_p.dtype).tiny
    weight = 4 * weight_p * (weight_q / np.maximum(weight_p + weight_q, smallest))
    combined = factor * p + other_factor * q
    if product.either:
        alone = weight == 0
        combined[alone] = (p + q)[alone]
        weight[alone] = (weight_p + weight_q)[alone]
    return combined, weight
