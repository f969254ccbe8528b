"""Solutions applied to samples: V_ij becomes J_i^-1 V_ij J_j^-H, and weights go with |g_i|^2 |g_j|^2. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.corrections.gains.solutions import Jones
from fip.corrections.observed import Observed

RECEPTORS = {"XX": (0, 0), "XY": (0, 1), "YX": (1, 0), "YY": (1, 1), "RR": (0, 0), "RL": (0, 1), "LR": (1, 0)} | {
    "LL": (1, 1)
}
"""The receptors of its two antennas that a correlation is made of."""

_BATCH = 1 << 15  # samples that are worked on at a time, so that they stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """The factors by which visibilities of one window are multiplied at one time."""

    inverse: NDArray[np.complexfloating]  # [antenna, channel or 1, 2] or, of whole matrices, [antenna, ..., 2, 2]
    bad: NDArray[np.bool_]  # [antenna, channel or 1, receptor] without a solution
    weight: NDArray[np.floating] | None  # [antenna, 1, receptor] |g|^2; None if weights stay

    @property
    def whole(self) -> bool:
        """Return whether it mixes the two receptors."""
        return self.inverse.ndim == 4


@np.errstate(invalid="ignore", over="ignore", divide="ignore")
def correction_by(factors: Sequence[Jones], dtype: np.dtype[Any]) -> Correction:
    """Return the product of these, the first nearest to the recorder. A matrix that has no inverse is bad."""
    product, bad, weight = np.ones((1, 1, 1), np.complex128), np.zeros((1, 1, 1), bool), None
    for matrix, none, power in factors:
        product = _times(product, matrix)
        bad = bad | (np.logical_or.reduce(none, axis=-1, keepdims=True) if matrix.shape[-1] == 4 else none)
        if power is not None:
            weight = power if weight is None else weight * power
    inverse = _inverse(product).astype(dtype)
    finite, some = np.isfinite(inverse), inverse != 0  # in the visibilities' precision
    if inverse.ndim == 4:
        finite, some = finite.all(axis=(-1, -2))[..., None], some.any(axis=(-1, -2))[..., None]
    singular = ~(finite & some)
    bad = np.broadcast_to(bad | singular, np.broadcast_shapes(bad.shape, singular.shape, (1, 1, 2)))
    good = ~np.logical_or.reduce(bad, axis=-1, keepdims=True)[..., None] if inverse.ndim == 4 else ~bad
    if weight is not None:
        weight = np.broadcast_to(weight, (*weight.shape[:-1], 2))
    return Correction(np.where(good, inverse, np.zeros((), dtype)), bad, weight)


def apply(observed: Observed, rows: slice | NDArray[np.intp], correction: Correction) -> None:
    """Correct some rows in place: visibilities, bad samples, and weights if they go with it."""
    first = [RECEPTORS[each][0] for each in observed.correlations]
    second = [RECEPTORS[each][1] for each in observed.correlations]
    left, right = observed.antenna1[rows], observed.antenna2[rows]
    if correction.whole:
        _whole(observed.visibility, rows, left, right, correction.inverse)
    else:
        inverse = correction.inverse
        _diagonal(observed.visibility, rows, left, right, inverse[..., first], inverse.conj()[..., second])
    if correction.bad.any():
        bad = correction.bad
        if correction.whole:  # every correlation is made of all four
            bad = np.broadcast_to(bad.any(axis=-1, keepdims=True), bad.shape)
        observed.bad[rows] |= bad[..., first][left] | bad[..., second][right]
    if correction.weight is not None:
        power = correction.weight.astype(observed.weight.dtype)
        observed.weight[rows] *= power[..., first][left] * power[..., second][right]


def _diagonal(
    visibility: NDArray[np.complexfloating],
    rows: slice | NDArray[np.intp],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    one: NDArray[np.complexfloating],  # [antenna, channel or 1, correlation]
    other: NDArray[np.complexfloating],
) -> None:
    """Correct rows antenna by antenna: its matrix stays in the cache, and its partners' are often neighbours."""
    step = max(1, _BATCH // max(1, visibility[0].size)) if len(visibility) else 1
    for begin in range(0, len(left), step):
        end = min(begin + step, len(left))
        here = slice(rows.start + begin, rows.start + end) if isinstance(rows, slice) else rows[begin:end]
        factor = one[left[begin:end]]
        factor *= other[right[begin:end]]
        visibility[here] *= factor


def _whole(
    visibility: NDArray[np.complexfloating],
    rows: slice | NDArray[np.intp],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    inverse: NDArray[np.complexfloating],  # [antenna, channel or 1, 2, 2]
) -> None:
    """Correct samples with the correlations XX, XY, YX, YY: a 2 x 2 matrix by rows."""
    planes = np.ascontiguousarray(np.moveaxis(inverse.reshape(*inverse.shape[:2], 4), 2, 0))  # [element, antenna, ...]
    step = max(1, _BATCH // max(1, visibility[0].size)) if len(visibility) else 1
    for begin in range(0, len(left), step):
        end = min(begin + step, len(left))
        here = slice(rows.start + begin, rows.start + end) if isinstance(rows, slice) else rows[begin:end]
        xx, xy, yx, yy = (visibility[here, :, each] for each in range(4))
        a, b, c, d = (each[left[begin:end]] for each in planes)
        e, f, g, h = (each[right[begin:end]].conj() for each in planes)
        top, under = (a * xx + b * yx, a * xy + b * yy), (c * xx + d * yx, c * xy + d * yy)
        for at, (row, (one, two)) in enumerate([(top, (e, f)), (top, (g, h)), (under, (e, f)), (under, (g, h))]):
            visibility[here, :, at] = row[0] * one + row[1] * two


def _times(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the matrix product, of elements [..., 1, 2 or 4]."""
    if one.shape[-1] < 4 and other.shape[-1] < 4:
        return one * other
    product: NDArray[np.complex128] = _square(one) @ _square(other)
    return product.reshape(*product.shape[:-2], 4)


def _square(matrix: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return elements [..., 1, 2 or 4] as matrices [..., 2, 2]."""
    if matrix.shape[-1] == 4:
        return matrix.reshape(*matrix.shape[:-1], 2, 2)
    return np.broadcast_to(matrix, (*matrix.shape[:-1], 2))[..., None] * np.eye(2)


def _inverse(product: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the inverse [antenna, channel, 2] or [antenna, channel, 2, 2], not finite if there is none."""
    if product.shape[-1] < 4:
        return np.broadcast_to(np.reciprocal(product), (*product.shape[:-1], 2))
    a, b, c, d = np.moveaxis(product, -1, 0)
    whole: NDArray[np.complex128] = np.stack([d, -b, -c, a], axis=-1)
    whole /= (a * d - b * c)[..., None]
    return whole.reshape(*whole.shape[:-1], 2, 2)
