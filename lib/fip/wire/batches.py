"""Several slices, or several images, in one message: a frame that says how many frames each has, then theirs. Pure.

What is alone is its own message. Each is taken by itself when it arrives: what is wrong with one costs that one.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from math import inf
from typing import Annotated

import msgpack
from annotated_types import Interval, Len
from pydantic import TypeAdapter

from fip.data.errors import WireError
from fip.wire.codec import PROTOCOL, Frame, unpacked, validated

MOST = 16
"""Slices or images of a message."""

SMALL = 1_000_000
"""Bytes of what may go with others: with more of them, a message of its own costs nothing that can be seen."""

MOST_BYTES = 4_000_000
"""Bytes of several; they wait for one another, and memory is taken for all at once."""

_KIND = "Several"
_BEGINS = msgpack.packb({"v": PROTOCOL, "kind": _KIND, "frames": ()})[:-1]
_COUNTS = TypeAdapter(Annotated[tuple[Annotated[int, Interval(ge=1, le=64)], ...], Len(2, MOST)])


def next_together(sizes: Iterable[float]) -> int:
    """Return how many of the next messages, of these bytes, to send as one: small ones together, others alone."""
    number, total = 0, 0.0
    for size in sizes:
        total += size
        if number and (number == MOST or size > SMALL or total > MOST_BYTES):
            break
        number += 1
        if size > SMALL:
            break
    return number


def most_together(size: int) -> int:
    """Return how many of this size, in bytes, make one message; of an unknown size, 0, one does."""
    return next_together([size or inf] * MOST)


def together(parts: Sequence[Sequence[Frame]]) -> list[Frame]:
    """Return one message of one or several, each given as its frames."""
    if len(parts) == 1:
        return list(parts[0])
    counts = tuple(map(len, parts))
    return [msgpack.packb({"v": PROTOCOL, "kind": _KIND, "frames": counts}), *chain.from_iterable(parts)]


def apart(frames: Sequence[Frame]) -> list[Sequence[Frame]]:
    """Return the frames of each in a message. Raises WireError if they are not as many as it says."""
    if not frames or bytes(frames[0][: len(_BEGINS)]) != _BEGINS:
        return [frames]
    counts = validated(_COUNTS, unpacked(frames, _KIND).get("frames"))
    if sum(counts) != len(frames) - 1:
        raise WireError(f"message of {len(frames) - 1} frames that says it has {sum(counts)}")
    found, begin = list[Sequence[Frame]](), 1
    for count in counts:
        found.append(frames[begin : begin + count])
        begin += count
    return found
