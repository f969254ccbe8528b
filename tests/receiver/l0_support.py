"""A stream of L0 in this process: a sender, what goes wrong between, and who hears it."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fip.receiver.meerkat.observation import Observation
from fip.receiver.meerkat.sending import Sender
from fip.receiver.meerkat.stream import MeerkatStream
from fip.receiver.part import Part
from fip.spool.setup import Band, Correlation, Product, Setup, Station, Target

HOST = "127.0.0.1"
SYNC, FIRST = 1_700_000_000.0, 1000.25
CORRELATIONS: tuple[Correlation, ...] = ("XX", "XY", "YX", "YY")


def setup_of(antennas: int = 6, channels: int = 64, cadence: float = 0.5) -> Setup:
    """Return the set-up of a small array."""
    stations = tuple(
        Station(f"m{k:03d}", (5109271.0 + 30 * k, 2006808.0 - 17 * k * k, -3239130.0), 13.5) for k in range(antennas)
    )
    pairs = [(i, j) for i in range(antennas) for j in range(i, antennas)]
    products = tuple(Product(i, j, each) for each in CORRELATIONS for i, j in pairs)
    return Setup(
        "1700000000",
        cadence,
        stations,
        (Band(1.2e9, 208984.375, channels),),
        products,
        (Target("J1939-6342", 5.146, -1.112),),
        telescope="MeerKAT",
        flags=True,
        weights=True,
    )


@dataclass
class Listener:
    """Keeps what a stream passes on."""

    parts: list[Part] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    ended: bool = False

    def put(self, part: Part) -> None:
        """Keep a copy: the stream's memory is used again."""
        assert part.flag is not None and part.weight is not None and part.scale is not None
        flag, weight, scale = part.flag.copy(), part.weight.copy(), part.scale.copy()
        self.parts.append(replace(part, visibility=part.visibility.copy(), flag=flag, weight=weight, scale=scale))

    def refuse(self, why: str, count: int = 1, found: str = "") -> None:
        """Count what is refused, by reason."""
        self.refused[why] += count

    def end(self) -> None:
        """Note that the end has come."""
        self.ended = True


class Hearing:
    """A stream that is heard in a thread; `with` it."""

    def __init__(self, observation: Observation, endpoints: int) -> None:
        self.stream = MeerkatStream(observation, [f"udp://{HOST}:0"] * endpoints, 1 << 22)
        self.listener = Listener()
        self._thread = threading.Thread(target=self.stream.listen, args=(self.listener,))

    def __enter__(self) -> "Hearing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def until(self, enough: Callable[[], bool], what: str) -> None:
        """Wait until something is so, 20 s at most."""
        end = time.monotonic() + 20
        while not enough():
            assert time.monotonic() < end, f"{what} did not come within 20 s: {self.listener.refused}"
            time.sleep(0.01)

    def until_parts(self, count: int) -> None:
        """Wait until so many parts were passed on."""
        self.until(lambda: len(self.listener.parts) >= count, f"{count} parts")

    def until_ended(self) -> None:
        """Wait until the stream has said its end."""
        self.until(lambda: self.listener.ended, "the end")


@dataclass
class Sent:
    """Integrations of noise, drawn by number."""

    setup: Setup

    def __call__(
        self, dump: int
    ) -> tuple[NDArray[np.complex64], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
        """Visibilities, flags, weights, and their scale."""
        generator = np.random.default_rng(dump)
        cell = self.setup.bands[0].channels, len(self.setup.products)
        real, imaginary = generator.standard_normal((2, *cell), np.float32)
        flag = np.where(generator.random(cell) < 0.1, 16, 0).astype(np.uint8)
        weight = generator.integers(1, 255, cell, np.uint8)
        scale = (1 + generator.random(cell[0])).astype(np.float32)
        return (real + 1j * imaginary).astype(np.complex64), flag, weight, scale


def send(sender: Sender, sent: Sent, dump: int) -> None:
    """Send one integration of a stream."""
    sender.send(dump, FIRST + dump * sent.setup.cadence, *sent(dump))
