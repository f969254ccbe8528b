"""What tests of sky models open them for: a small array at MeerKAT's place, a band about 1.3 GHz."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fip.corrections.observed import Expected, ExpectedWindow
from fip.corrections.sky.opening import Sky, open_sky
from fip.data.directions import Direction

SITE = np.array([5109360.0, 2006852.0, -3238948.0])  # m, ITRF
BEGIN = 61100 * 86400.0 + 72000  # s UTC since MJD 0: 2026-03-01 20:00
FREQUENCY = np.linspace(1.25e9, 1.35e9, 5)
CENTRE = Direction(np.radians(155.0), np.radians(-45.0), "FK5")  # high in the sky at that time

EXPECTED = Expected(
    path=Path("night.ms"),
    telescope="MeerKAT",
    antennas=tuple(f"m{number:03}" for number in range(8)),
    position=SITE + np.random.default_rng(3).normal(size=(8, 3)) * 300,
    diameter=13.5,
    windows=(ExpectedWindow(0, FREQUENCY, np.full(5, 25e6), ("XX", "XY", "YX", "YY")),),
    fields={0: "deep"},
    centres={0: CENTRE},
    begin=BEGIN,
    end=BEGIN + 600,
    growing=False,
    primary_beam=None,
    epsilon=1e-5,
)


def expected(**changed: Any) -> Expected:
    return replace(EXPECTED, **changed)


def opened(*asked: Path | str, **changed: Any) -> Sky:
    """The sky model of files and names, with what it is for changed."""
    return open_sky([str(each) for each in asked], expected(**changed))


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


FORMAT = (
    "Format = Name, Type, Patch, Ra, Dec, I, SpectralIndex='[]', LogarithmicSI='true', ReferenceFrequency='1.3e9', "
    "MajorAxis, MinorAxis, Orientation, OrientationIsAbsolute"
)
GOOD = "x, POINT, , 10:20:00, -45.00.00, 1"
"""A line of a `.skymodel` with that format."""
