"""What rows answer if a column has a cell in each of them: the base of rows of recordings that are no tables."""

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.recording import Recording

Recorded = TypeVar("Recorded", bound=Recording)


class FullRows(Generic[Recorded]):
    """The methods of `Rows` that need only the columns and the numbers of the rows."""

    def __init__(self, recording: Recorded, numbers: range | NDArray[np.int64]) -> None:
        """`numbers` are rows of a recording, ascending, at least one."""
        self._recording, self.numbers = recording, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def has(self, name: str) -> bool:
        """Return whether there is such a column."""
        return name in self._recording.columns

    def defined(self, name: str, row: int) -> bool:
        """Return whether there is such a column: then all its cells are there."""
        return self.has(name)

    def all_defined(self, name: str) -> NDArray[np.bool_]:
        """Return the same for each row, [row]."""
        return np.full(len(self), self.has(name))

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """Return the error to raise if cells have another shape than the window says."""
        return InputError(f"{self._recording.path}: {name} has cells of shape {found}, but its window says {expected}")
