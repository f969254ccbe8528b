"""What an operator of a receiver should know, in whole sentences. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from fip.receiver.part import Buffers

FEWEST = 10  # integrations of a ring that leave time to image them
OLDEST = 60.0  # s that an integration may be old when it comes
YOUNGEST = -0.1  # s: clocks agree no better


@dataclass(frozen=True)
class Signs:
    """What a receiver sees of its stream and its sockets."""

    buffers: tuple[Buffers, ...] = ()  # of its sockets
    overflowed: int = 0  # packets that found them full, in the last minute
    age: float | None = None  # s from the end of the newest integration to when it began to come; None before one
    ring: int = 0  # integrations that there is room for
    dropped: int = 0  # integrations of the last minute that could not be written
    stalled: str = ""  # why the last one could not be written
    late: int = 0  # packets of the last minute that came late
    silent: bool = False  # whether nothing came of the last minute that was not late
    unfit: int = 0  # packets of the last minute that fitted nothing


def worries(signs: Signs) -> tuple[str, ...]:
    """Return sentences, each with a remedy."""
    return tuple(_worries(signs))


def _worries(signs: Signs) -> Iterator[str]:
    if small := next((each for each in signs.buffers if each.got < each.asked), None):
        yield (
            f"the kernel gives a socket {small.got} of the {small.asked} bytes that are asked for: "
            f"sysctl -w net.core.rmem_max={small.asked}, or ask for less with [receiver] buffer"
        )
    if signs.overflowed:
        yield (
            f"{signs.overflowed} packets of the last minute found the socket's buffer full: this host is too slow for "
            "the stream, or [receiver] buffer is too small"
        )
    if signs.stalled:
        yield signs.stalled
    elif signs.dropped:
        yield (
            f"{signs.dropped} integrations of the last minute were dropped: the disk is slower than the stream, or "
            "[receiver] queue is too small for its hiccups"
        )
    if signs.age is not None and signs.age < YOUNGEST:
        yield f"integrations come {-signs.age:.1f} s before they end: the sender's clock is ahead, or this one behind"
    elif signs.age is not None and signs.age > OLDEST:
        yield f"integrations are {signs.age:.1f} s old when they come: the stream lags, or a clock is off"
    if 0 < signs.ring < FEWEST:
        yield f"the ring has room for {signs.ring} integrations, fewer than {FEWEST}: give [receiver] keep more"
    if signs.silent and signs.late:
        yield (
            f"all {signs.late} packets of the last minute are of integrations before the newest: a stream that counts"
            " from 0 again needs a set-up of another name"
        )
    elif signs.silent and signs.unfit:
        yield (
            f"all {signs.unfit} packets of the last minute fit nothing that came before: their times go back, or do not"
            " go on with their numbers"
        )
