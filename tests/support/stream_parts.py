"""Parts of a small stream, as a format passes them on, and a clock that a test sets."""

from dataclasses import dataclass

import numpy as np

from fip.receiver.part import Part
from fip.spool.setup import Band, Product, Setup, Station, Target

STATIONS = tuple(Station(f"a{number}", (float(number), 0.0, 0.0)) for number in range(3))
PRODUCTS = tuple(Product(one, two, each) for one, two in ((0, 1), (0, 2), (1, 2)) for each in ("XX", "YY"))
SETUP = Setup(
    "night", 2.0, STATIONS, (Band(1e9, 1e6, 8), Band(2e9, 1e6, 4)), PRODUCTS, (Target("3C", 0.0, 0.0),) * 3,
    flags=True, weights=True,
)  # fmt: skip
START = 1_790_000_000.0
GRACE = 0.5


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def samples(dump: int, band: int) -> np.ndarray:
    """What is sent of a band: each sample shows its own place."""
    shape = SETUP.bands[band].channels, len(PRODUCTS)
    return (dump * 1000 + band * 100 + np.arange(np.prod(shape)).reshape(shape)).astype(np.complex64)


def parts(dump: int, time: float | None = None, field: int = 1) -> list[Part]:
    """All of an integration: of each band two channels at a time, halves of the products apart."""
    when = START + 2.0 * dump if time is None else time
    return [
        Part(
            dump, when, field, band, slice(channel, channel + 2), product,
            (samples(dump, band)[channel : channel + 2, product : product + 3]),
            flag=np.full((2, 3), 2, np.uint8), weight=np.full((2, 3), 7, np.uint8), scale=np.full(2, 0.5, np.float32),
        )
        for band in range(2)
        for channel in range(0, SETUP.bands[band].channels, 2)
        for product in (0, 3)
    ]  # fmt: skip
