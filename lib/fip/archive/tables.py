"""What the ledger says of images, as columns of a table of astropy's: each quantity has its unit and one name."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy import units
from astropy.table import QTable

from fip.archive.entries import Entry
from fip.data.quantities import SECONDS_PER_DAY, iso_utc
from fip.data.values import Beam

JY_PER_BEAM = units.Jy / units.beam
Columns = Mapping[str, Any]
Numbers = Mapping[tuple[str, int], Mapping[str, tuple[float, str]]]
"""What the ledger keeps beside the image of each slice (run, index): value and unit, by name."""


def time_columns(entries: Sequence[Entry]) -> Columns:
    """When each was observed: the middle of the exposure."""
    return {
        "time": [iso_utc(entry.average) for entry in entries],
        "mjd": [entry.average / SECONDS_PER_DAY for entry in entries] * units.day,
    }


def beam_columns(entries: Sequence[Entry]) -> Columns:
    """Return the restoring beam of each entry; NaN if none was fitted."""
    return beams_as_columns([entry.beam for entry in entries])


def beams_as_columns(beams: Sequence[Beam | None]) -> Columns:
    """Return beams as columns; NaN for None."""
    columns = {}
    for name, attribute, unit in (("bmaj", "major", "arcsec"), ("bmin", "minor", "arcsec"), ("bpa", "angle", "deg")):
        radians = [getattr(beam, attribute, math.nan) for beam in beams] * units.rad
        columns[name] = radians.to(unit)
    return columns


def frequency_column(entries: Sequence[Entry]) -> Columns:
    """Return the weighted mean frequency of what was imaged; NaN if it was not noted."""
    known = [math.nan if entry.frequency is None else entry.frequency for entry in entries]
    return {"frequency": known * units.Hz}


def image_table(entries: Sequence[Entry], numbers: Numbers) -> QTable:
    """A row an image, in the order of `entries`; each number that the ledger keeps has a column of its name."""
    table = QTable()
    told = {
        **time_columns(entries),
        "run": [entry.run for entry in entries],
        "slice": [entry.index for entry in entries],
        "integration": [entry.integration for entry in entries],
        "field": [entry.label for entry in entries],
        "quality": [entry.quality for entry in entries],
        **{name: _numbers([getattr(entry, name) for entry in entries]) * JY_PER_BEAM for name in _BRIGHTNESS},
        **beam_columns(entries),
        **frequency_column(entries),
        "worker": [entry.worker for entry in entries],
        "bytes": [entry.size for entry in entries],
        "file": [entry.file for entry in entries],
    }
    for name, column in told.items():
        table[name] = column
    for name, unit in _units(numbers).items():
        if name not in table.colnames:
            values = [numbers.get((each.run, each.index), {}).get(name, (math.nan, ""))[0] for each in entries]
            table[name] = values * units.Unit(unit, parse_strict="silent") if unit else values
    table.meta["time"] = "UTC, middle of the exposure"
    return table


_BRIGHTNESS = ("rms", "minimum", "maximum")


def _numbers(values: Sequence[float | None]) -> Any:
    return np.array([math.nan if value is None else value for value in values], np.float64)


def _units(numbers: Numbers) -> dict[str, str]:
    return {name: unit for each in numbers.values() for name, (_, unit) in sorted(each.items())}
