"""Antennas that should be looked at, as a slice and the ledger have them: a number for each, by a name of its own.

In one image an antenna is "flagged", with the share of its samples that do not count; or "high" or "low", with its
amplitude over that of the median antenna.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from fip.data.names import label

Fault = Literal["flagged", "high", "low"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

_OFTEN = 0.1  # share of a run's images: an antenna that is ill in fewer is not named in its summary


@dataclass(frozen=True, slots=True)
class IllAntenna:
    """What a run's images say about an antenna."""

    name: str  # in the characters of a label
    fault: Fault
    images: int  # in which it is so
    value: float  # the mean over these images

    @property
    def amount(self) -> str:
        """How much it is so, in words."""
        return f"{self.value:.0%}" if self.fault == "flagged" else f"x{self.value:.2g}"

    def __str__(self) -> str:
        return f"{self.name} {self.amount}"


def number_name(fault: Fault, antenna: str) -> str:
    """The name of an antenna's number: "low.m012"."""
    return f"{fault}.{label(antenna)}"[:64]


def gathered(numbers: Iterable[tuple[str, int, float]]) -> tuple[IllAntenna, ...]:
    """Return what images say about antennas: by name, how often and the mean; those ill in most images first."""
    ill = [
        IllAntenna(named.partition(".")[2], fault, images, mean)
        for named, images, mean in numbers
        for fault in FAULTS
        if named.startswith(f"{fault}.")
    ]
    return tuple(sorted(ill, key=lambda each: (-each.images, FAULTS.index(each.fault), each.name)))


def told(ill: Iterable[IllAntenna], images: int) -> Mapping[str, str]:
    """The antennas that are ill in many of so many images, in words: by what is wrong with them."""
    often = [each for each in ill if each.images >= max(1, _OFTEN * images)]
    kinds = {"flagged away": ("flagged",), "of unlike amplitude": ("high", "low")}
    listed = {what: [_often(each, images) for each in often if each.fault in kind] for what, kind in kinds.items()}
    return {what: ", ".join(names[:_MOST]) + _more(names) for what, names in listed.items() if names}


_MOST = 12  # antennas that are listed


def _more(names: list[str]) -> str:
    return f" and {len(names) - _MOST} more" if len(names) > _MOST else ""


def _often(each: IllAntenna, images: int) -> str:
    return str(each) if each.images >= images else f"{each} (in {each.images} of {images} images)"
