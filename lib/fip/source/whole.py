"""What recordings that arrive whole have in common: all that describes the rows is in memory."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.tables.subtables import Antennas, Field, Window, as_slice
from fip.source.untold import Untold

Described = TypeVar("Described")
_HIGHEST_FREQUENCY = 1e15  # Hz
_NARROWEST = 1.0  # Hz, of a channel without a known width: an axis needs a width


def window(
    frequency: NDArray[np.float64], width: NDArray[np.float64], correlations: Sequence[str], number: int = 0
) -> Window:
    """Make a spectral window: [channel] Hz in the order of the data, and names as ("XX", "YY") in their order.

    Channels without a width are as wide as their spacing.
    """
    order = np.argsort(frequency, kind="stable")
    wide = width > 0
    if not wide.all():
        spacing = np.full(frequency.size, _NARROWEST)
        if frequency.size > 1:
            spacing[order] = np.gradient(frequency[order])
        width = np.where(wide, width, spacing)
    return Window(
        number=number, spectral_window=number, frequency=frequency[order], width=width[order], order=as_slice(order),
        correlations=tuple(correlations), frequency_frame="TOPOCENT", first=0, channels_on_file=frequency.size,
        assumed=not wide.all(),
    )  # fmt: skip


def check_channels(where: str, frequency: NDArray[np.float64], width: NDArray[np.float64]) -> None:
    """Raise InputError if they are no channels: [channel] Hz, in any order."""
    if not frequency.size:
        raise InputError(f"{where} has no channels")
    if width.shape != frequency.shape or not ((width >= 0) & (width <= _HIGHEST_FREQUENCY)).all():
        raise InputError(f"{where}: the widths of its {frequency.size} channels are none")
    if not ((frequency > 0) & (frequency <= _HIGHEST_FREQUENCY)).all():
        raise InputError(f"{where}: its frequencies are not all positive, and below {_HIGHEST_FREQUENCY:g} Hz")
    if np.unique(frequency).size < frequency.size:
        raise InputError(f"{where}: it has the same frequency twice")


class WholeRecording(Untold):
    """All of a `Recording` except its rows. It does not grow."""

    def __init__(
        self,
        path: Path,
        windows: Sequence[Window],
        fields: Sequence[Field],
        antennas: Antennas,
        telescope: str = "",
        observer: str = "",
        project: str = "",
    ) -> None:
        """Windows and fields are found by their `number`."""
        self.path, self.growing, self.antennas = path, False, antennas
        self._windows = {each.number: each for each in windows}
        self._fields = {each.number: each for each in fields}
        self._observation = {"TELESCOPE_NAME": telescope, "OBSERVER": observer, "PROJECT": project}

    @property
    def time_scale(self) -> str:
        """Return UTC: TIME is in UTC."""
        return "UTC"

    def window(self, number: int) -> Window:
        """Return what DATA_DESC_ID `number` stands for."""
        return _described(self.path, self._windows, "window", number)

    def field(self, number: int) -> Field:
        """Return a field with its phase centre."""
        return _described(self.path, self._fields, "field", number)

    def field_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the names of these fields by number."""
        return {number: self.field(number).name for number in numbers}

    def observation(self, number: int) -> dict[str, str]:
        """Return what it says of telescope, observer and project: the same for all of it."""
        return dict(self._observation)

    def hints(self, columns: Sequence[str]) -> str:
        """Return a digest of what the file looks like from outside: its size and its time of change."""
        stat = self.path.stat()
        return hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]

    def refresh(self) -> None:
        """Do nothing: it does not grow."""

    def ended(self) -> bool | None:
        """Return True: it is whole."""
        return True

    def close(self) -> None:
        """Do nothing: no file is open."""


def _described(path: Path, those: Mapping[int, Described], what: str, number: int) -> Described:
    if number not in those:
        raise InputError(f"{path}: {what} {number} is used, but there are {', '.join(map(str, those))}")
    return those[number]
