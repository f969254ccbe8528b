"""How one table of gains is to be applied: as a line of a CASA cal library says, or by default. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fip.corrections.gains.interpolation import How


@dataclass(frozen=True, slots=True)
class Asked:
    """One table, and how to apply it. By default, weights stay as they are."""

    path: Path
    in_time: How | None = None  # None: as the program of its format does, CASA linear, DP3 nearest
    in_frequency: How | None = None
    fills_gaps: bool = True  # in frequency: a channel without a solution gets one from its neighbours
    window_map: tuple[int, ...] = ()  # the table's spectral window for each of the recording; () for the same numbers
    field_map: tuple[int, ...] | str | Literal["nearest"] = ()  # the table's field for each; a name; () for any
    scales_weights: bool = False
    where: str = ""  # file and line that say so, for messages

    @property
    def label(self) -> str:
        """The text with which messages begin."""
        return f"{self.where}: {self.path}" if self.where else f"--gains {self.path}"
