"""Small spools for tests: five antennas, two bands, and integrations with no two numbers alike."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fip.spool.layout import file_size
from fip.spool.setup import Band, Correlation, Product, Setup, Station, Target
from fip.spool.writing import Open, SpoolWriter

ANTENNAS = (
    Station("m000", (5109224.3, 2006790.4, -3239100.1), 13.5),
    Station("m001", (5109300.8, 2006600.2, -3239090.7), 13.5),
    Station("m002", (5109150.1, 2007100.9, -3239030.5), 13.5),
    Station("m003", (5109400.6, 2006700.3, -3238880.2), 13.5),
    Station("m004", (5109050.4, 2006900.7, -3239300.8), 13.5),
)
HANDS: tuple[Correlation, ...] = ("XX", "XY", "YX", "YY")
PRODUCTS = tuple(Product(a, b, hand) for a in range(5) for b in range(a, 5) for hand in HANDS)
START = 1.79e9  # s, Unix
SETUP = Setup(
    name="block-1",
    cadence=2.0,
    antennas=ANTENNAS,
    bands=(Band(1.0e9, 1.0e6, 16), Band(1.30e9, -1.0e6, 10)),
    products=PRODUCTS,
    targets=(Target("3C 84", 1.0, -0.5),),
    telescope="MeerKAT",
    observer="Jansky",
    project="block 1",
    flags=True,
    weights=True,
)

Alter = Callable[[Open], object]


def nothing(opened: Open) -> None:
    """Leave an integration as it is."""


def writer(folder: Path, setup: Setup = SETUP, keep: int = 100) -> SpoolWriter:
    """Return the writer of a spool that holds so many integrations."""
    return SpoolWriter(folder, setup, keep * file_size(setup))


def fill(opened: Open) -> None:
    """Noise, flags and weights by the number of the dump: the same whenever it is written."""
    random = np.random.default_rng(opened.dump)
    for name, array in opened.arrays.items():
        kind, values = name.rpartition(".")[2], np.asarray(array)
        if kind == "visibility":
            values.real, values.imag = random.normal(size=(2, *values.shape))
        elif kind == "flag":
            values[...] = np.where(random.random(values.shape) < 0.1, 8, 0)
        elif kind == "weight":
            values[...] = random.integers(1, 256, values.shape)
        elif kind == "scale":
            values[...] = random.uniform(0.5, 2.0, values.shape)


def put(writing: SpoolWriter, dumps: Iterable[int], alter: Alter = nothing, **changes: Any) -> None:
    """Commit these dumps, a cadence apart; `alter` is given each before."""
    for dump in dumps:
        opened = writing.begin(dump, START + dump * writing.setup.cadence, 0)
        fill(opened)
        alter(opened)
        writing.commit(replace(opened, **changes) if changes else opened, 1.0)


def spool(folder: Path, dumps: Iterable[int], setup: Setup = SETUP, keep: int = 100, alter: Alter = nothing) -> Path:
    """Write a spool that has ended, with these dumps; return its path."""
    writing = writer(folder, setup, keep)
    put(writing, dumps, alter)
    writing.end()
    writing.close()
    return writing.path
