"""The model that was subtracted from samples, in parallel hands, and how well it fits them. Pure."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fip.corrections.observed import Observed
from fip.corrections.tally import Tally
from fip.data.stokes import HANDS
from fip.imaging.polarisation import GARBLED


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What was subtracted from the parallel hands of some samples, which are residuals now."""

    hands: tuple[int, ...]  # their places on the axis of correlations
    values: NDArray[np.complexfloating]  # [row, channel, hand] Jy; may be a read-only view

    @classmethod
    def of(cls, correlations: tuple[str, ...], values: NDArray[np.complexfloating]) -> Self:
        """Take the parallel hands of a model [row, channel, correlation]."""
        hands = hands_of(correlations)
        return cls(hands, values[..., list(hands)])

    def __add__(self, other: "Predicted") -> "Predicted":
        return Predicted(self.hands, self.values + other.values)

    def seen(self, residual: Observed, at: int) -> NDArray[np.complexfloating]:
        """Return the visibilities [row, channel] of a hand before the subtraction; `at` counts hands."""
        return np.asarray(residual.visibility[..., self.hands[at]] + self.values[..., at])


def hands_of(correlations: tuple[str, ...]) -> tuple[int, ...]:
    """Return the places of parallel hands, or Stokes I, among correlations."""
    return tuple(at for at, name in enumerate(correlations) if name in (*HANDS, "I"))


def fit(residual: Observed, predicted: Predicted) -> Tally:
    """Sum w V conj(M) and w |M|^2 over the good samples of parallel hands: V = residual + M."""
    cross, power = 0j, 0.0
    for at, hand in enumerate(predicted.hands):
        model, seen = predicted.values[..., at], predicted.seen(residual, at)
        weight = np.where(residual.bad[..., hand], 0, residual.weight[..., hand])
        used = (weight > 0) & (weight < GARBLED)
        with np.errstate(over="ignore", invalid="ignore"):
            for values in (seen, model):
                used &= np.abs(values) < GARBLED  # NaN is not
        weight, model, seen = weight[used], model[used], seen[used]
        cross += complex(np.vdot(model, weight * seen))
        power += float(np.vdot(model, weight * model).real)
    return Tally(cross=cross, power=power)
