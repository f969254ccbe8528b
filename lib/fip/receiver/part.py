"""What streams hand to the receiver, and what a stream format is. Types only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.config import Receiver
from fip.spool.setup import Setup


@dataclass(frozen=True, eq=False)
class Part:
    """What packets, or a heap, brought of an integration: some of one band's channels, of each the same products.

    `whole[part.channels, part.product : part.product + part.visibility.shape[1]] = part.visibility` puts it in its
    place, and so do flags and weights. The arrays may be views of memory that is used again once `Heard.put` returns.
    """

    dump: int  # the integration's number in the stream
    time: float  # s UTC, Unix: the integration's middle
    field: int  # which of the set-up's targets
    band: int  # which of its bands
    channels: slice | NDArray[np.intp]  # which of its channels, none twice; a slice has no end that is left open
    product: int  # the first of its products
    visibility: NDArray[np.complex64]  # [channel, product]; NaN if nothing came; [0, 0] if it brings UVW alone
    flag: NDArray[np.uint8] | None = None  # of the same shape; 0 for good
    weight: NDArray[np.uint8] | None = None  # of the same shape
    scale: NDArray[np.float32] | None = None  # [channel] by which weights are multiplied
    baseline: int = 0  # the first of those whose UVW it brings
    uvw: NDArray[np.float64] | None = None  # [baseline, 3] m
    missing: int = 0  # of its samples, those that did not come and will not: they are NaN
    packets: int = 1  # or heaps, that brought it


@dataclass(frozen=True)
class Buffers:
    """What a socket may hold that was not taken yet."""

    asked: int  # bytes
    got: int  # bytes that the kernel gave
    overflowed: int = 0  # packets that found it full, since it was opened


class Heard(Protocol):
    """What a stream hands its parts to; all of it may be called from any thread."""

    def put(self, part: Part) -> None:
        """Take a part, which fits the set-up: whoever calls has checked it. It never waits for a disk.

        To call it costs more than a packet's copy, so a stream puts what came together, and is alike, as one part.
        """

    def refuse(self, why: str, count: int = 1, found: str = "") -> None:
        """Count so many packets that were not believed, by `why`: one of a few sentences of the stream's own.

        The first of each is said, with what one of them was and its source: `found`.
        """

    def end(self) -> None:
        """Note that the stream has said that no more comes."""


class Stream(Protocol):
    """A stream whose set-up is known, and whose sockets are bound."""

    @property
    def setup(self) -> Setup:
        """Return what all its integrations share."""

    @property
    def buffers(self) -> tuple[Buffers, ...]:
        """Return the buffers of each of its sockets."""

    def listen(self, heard: Heard) -> None:
        """Hear the stream until `close` is called; run this in a thread of its own."""

    def close(self) -> None:
        """End `listen`; any thread may call this, more than once."""


OpenStream: TypeAlias = Callable[[Receiver], Stream]
"""A stream format: opens what the configuration asks for. ConfigError or InputError of one line if it cannot be.

Those of other packages have an entry point in the group `fip.streams`, whose name is what `[receiver] format` says.
"""
