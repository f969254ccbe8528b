"""The effect of corrections on samples: sums, which add up over spectral windows and slices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Tally:
    """What corrections did to some samples, all correlations counted."""

    samples: int = 0  # that came in good
    flagged: Mapping[str, int] = field(default_factory=dict)  # of these, by what: "gains", "flags", "auto"
    cross: complex = 0.0  # sum of w V conj(M), V the corrected visibilities, M the predicted ones
    power: float = 0.0  # sum of w |M|^2
    seconds: Mapping[str, float] = field(default_factory=dict)  # spent, by stage: "gains", "flags", "model"

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.samples + other.samples,
            _added(self.flagged, other.flagged),
            self.cross + other.cross,
            self.power + other.power,
            _added(self.seconds, other.seconds),
        )


def _added(one: Mapping[str, _Number], other: Mapping[str, _Number]) -> dict[str, _Number]:
    summed = dict(one)
    for name, value in other.items():
        summed[name] = summed[name] + value if name in summed else value
    return summed


NOTHING = Tally()
"""The tally if there are no corrections."""
