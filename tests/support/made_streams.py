"""Set-ups of small streams, their arrays, and a listener that keeps what it hears."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.receiver.datagrams.decoding import Batch
from fip.receiver.datagrams.packet import HEADER
from fip.receiver.part import Part, Stream
from fip.spool.layout import sections
from fip.spool.setup import Band, Product, Setup, Station, Target

CORRELATIONS: tuple[Any, ...] = ("XX", "XY", "YX", "YY")


def small_setup(
    antennas: int = 4, channels: tuple[int, ...] = (5,), correlations: int = 4, *, extras: bool = True, uvw: bool = True
) -> Setup:
    """Stations on a line, all baselines without autocorrelations; `extras` are flags and weights."""
    numbers = range(antennas)
    return Setup(
        name="small",
        cadence=0.5,
        antennas=tuple(Station(f"a{number}", (5e6 + 10.0 * number, 2e6, -3e6)) for number in numbers),
        bands=tuple(Band(1.4e9 + 1e8 * number, 1e5, count) for number, count in enumerate(channels)),
        products=tuple(
            Product(one, other, each)
            for one in numbers
            for other in numbers[one + 1 :]
            for each in CORRELATIONS[:correlations]
        ),
        targets=(Target("here", 0.1, -0.5), Target("there", 0.2, -0.5)),
        flags=extras,
        weights=extras,
        uvw=uvw,
    )


def arrays_of(setup: Setup, seed: int = 0) -> dict[str, NDArray[Any]]:
    """An integration's arrays, all random."""
    random, made = np.random.default_rng(seed), dict[str, NDArray[Any]]()
    for name, section in sections(setup).items():
        if section.dtype.kind == "u":
            made[name] = random.integers(0, 256, section.shape, np.uint8)
        elif section.dtype.kind == "c":
            made[name] = random.standard_normal((*section.shape, 2), np.float32).view(np.complex64)[..., 0]
        else:
            made[name] = random.standard_normal(section.shape).astype(section.dtype)
    return made


def batch_of(packets: Iterable[bytes | bytearray | memoryview]) -> Batch:
    """Packets as they come from a socket; what is behind them in memory is of others."""
    some = [bytes(each) for each in packets]
    headers = np.full((len(some), HEADER.itemsize), 0xA5, np.uint8)
    payload = np.full((len(some), max(map(len, some), default=0)), 0xA5, np.uint8)
    for row, each in enumerate(some):
        head, rest = each[: HEADER.itemsize], each[HEADER.itemsize :]
        headers[row, : len(head)] = np.frombuffer(head, np.uint8)
        payload[row, : len(rest)] = np.frombuffer(rest, np.uint8)
    return Batch(headers.view(HEADER)[:, 0], payload, np.array([len(each) for each in some], np.int64))


class Kept:
    """A `Heard` that puts parts together, of each dump its arrays; NaN and 0 for what did not come."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.dumps: dict[int, dict[str, NDArray[Any]]] = {}
        self.places: dict[int, tuple[float, int]] = {}  # time and field of each dump
        self.refused = Counter[str]()
        self.said: list[tuple[str, str]] = []
        self.ends = self.packets = 0
        self.changed = threading.Condition()

    def put(self, part: Part) -> None:
        """Its samples, each in its place."""
        with self.changed:
            into = self.dumps.setdefault(part.dump, self._empty())
            self.places[part.dump] = part.time, part.field
            self.packets += part.packets
            if part.uvw is not None:
                into["uvw"][part.baseline : part.baseline + len(part.uvw)] = part.uvw
            products = slice(part.product, part.product + part.visibility.shape[1])
            for name in ("visibility", "flag", "weight"):
                if (values := getattr(part, name)) is not None:
                    into[f"{part.band}.{name}"][part.channels, products] = values
            if part.scale is not None:
                into[f"{part.band}.scale"][part.channels] = part.scale
            self.changed.notify_all()

    def refuse(self, why: str, count: int = 1, found: str = "") -> None:
        """Counted, and what is said of it."""
        with self.changed:
            self.refused[why] += count
            self.said += [(why, found)] if found else []
            self.changed.notify_all()

    def end(self) -> None:
        """Count the end of a stream."""
        with self.changed:
            self.ends += 1
            self.changed.notify_all()

    def _empty(self) -> dict[str, NDArray[Any]]:
        return {
            name: np.full(section.shape, np.nan if section.dtype.kind in "cf" else 0, section.dtype)
            for name, section in sections(self.setup).items()
        }


@contextmanager
def heard(stream: Stream) -> Iterator[Kept]:
    """What a stream passes on, for as long as the context lasts."""
    kept = Kept(stream.setup)
    thread = threading.Thread(target=stream.listen, args=(kept,))
    thread.start()
    try:
        yield kept
    finally:
        stream.close()
        thread.join(10)
        assert not thread.is_alive()
