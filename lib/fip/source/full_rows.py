"""What rows answer if a column has a cell in each of them, as in recordings that are no tables: the base of those."""

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.recording import Recording

Recorded = TypeVar("Recorded", bound=Recording)


class FullRows(Generic[Recorded]):
    """The questions of `Rows` that its columns and the numbers of the rows answer."""

    def __init__(self, recording: Recorded, numbers: range | NDArray[np.int64]) -> None:
        """Rows of a recording by number, ascending, at least one."""
        self._recording, self.numbers = recording, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return name in self._recording.columns

    def defined(self, name: str, row: int) -> bool:
        """All cells of a column are there."""
        return self.has(name)

    def all_defined(self, name: str) -> NDArray[np.bool_]:
        """Likewise, [row]."""
        return np.full(len(self), self.has(name))

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """The error to raise if cells have another shape than a window tells."""
        return InputError(f"{self._recording.path}: {name} has cells of shape {found}, but its window says {expected}")
