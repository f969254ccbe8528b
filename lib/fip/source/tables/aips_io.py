"""Objects as casacore writes them (its class AipsIO), in octets: each with length, type and version. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\xbe" * 4
"""The octets before an object that is in no other."""


@dataclass(slots=True)
class AipsReader:
    """Reads one thing after the other. It raises ValueError for what is not there."""

    content: bytes
    order: str  # of the octets of numbers: "<" or ">"
    at: int = 0

    def number(self, kind: str = "u4") -> int:
        """Return the next number of the content."""
        return int(self.numbers(1, kind)[0])

    def numbers(self, count: int, kind: str = "u4") -> NDArray[np.integer]:
        """Return the next numbers, [count]."""
        dtype = np.dtype(self.order + kind)
        found: NDArray[np.integer] = np.frombuffer(self.content, dtype, count, self.at)
        self.at += found.nbytes
        return found

    def text(self) -> bytes:
        """Return the next string, in octets."""
        length = self.number()
        self.at += length
        return self.content[self.at - length : self.at]

    def begin(self, kind: bytes, outermost: bool = False) -> int:
        """Go into an object of a type; return its version."""
        if outermost:
            self._expect(MAGIC)
        self.number()  # its length
        if self.text() != kind:
            raise ValueError(f"no {kind!r} here")
        return self.number()

    def skip(self) -> None:
        """Pass over an object that is in another."""
        length = self.number()  # it includes itself
        self.at += length - 4

    def block(self, kind: str = "u4") -> NDArray[np.integer]:
        """Return the next vector of numbers."""
        self.begin(b"Block")
        return self.numbers(self.number(), kind)

    def _expect(self, octets: bytes) -> None:
        self.at += len(octets)
        if self.content[self.at - len(octets) : self.at] != octets:
            raise ValueError(f"no {octets!r} here")
