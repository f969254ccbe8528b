"""Light curves as a table: a row for each image, or for each band of each image."""

import math
from io import StringIO

import numpy as np
from astropy import units
from astropy.table import QTable

from fip.archive.lightcurve import LightCurve, Point, told
from fip.archive.tables import JY_PER_BEAM, beams_as_columns, time_columns
from fip.search.forced import NEIGHBOURHOOD


def curve_table(*curves: LightCurve) -> QTable:
    """Light curves of the same planes as a table; times in UTC, fluxes and errors in Jy/beam.

    There is a column `name` if they have names, and `channel`, `bandwidth` if output channels have rows of their own.
    """
    points = [point for curve in curves for point in curve.points]
    entries = [point.entry for point in points]
    table = QTable()
    if any(curve.name for curve in curves):
        table["name"] = [curve.name for curve in curves for _ in curve.points]
    columns = dict(time_columns(entries))
    for number, name in enumerate(curves[0].stokes):
        columns[f"flux_{name}"] = [point.flux[number] for point in points] * JY_PER_BEAM
        columns[f"error_{name}"] = [point.error[number] for point in points] * JY_PER_BEAM
    columns |= beams_as_columns([point.beam or point.entry.beam for point in points])
    columns["frequency"] = [_frequency(point) for point in points] * units.Hz
    if any(point.channel for point in points):
        columns["bandwidth"] = [point.band.width if point.band else math.nan for point in points] * units.Hz
        columns["channel"] = [point.channel for point in points]
        table.meta["channel"] = "0 for the whole band, 1, 2, ... for the output channels"
    columns["quality"] = [entry.quality for entry in entries]
    columns["x"], columns["y"] = np.array([(point.x, point.y) for point in points]).T
    columns["file"] = [entry.file for entry in entries]
    for name, column in columns.items():
        table[name] = column
    table.meta["position"] = "; ".join(f"{each.name}: " * bool(each.name) + told(each.direction) for each in curves)
    table.meta["flux"] = "of a point source at the place (x, y), pixels from 0, forced: apparent, no primary beam"
    table.meta["error"] = f"by 1.4826 x MAD of the pixels around, {NEIGHBOURHOOD:g} beams on a side"
    table.meta["frequency"] = "weighted mean of what was imaged: windows may take turns"
    table.meta["time"] = "UTC, middle of the exposure"
    return table


def ecsv(table: QTable) -> str:
    """Return a table as ECSV text."""
    text = StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()


def _frequency(point: Point) -> float:
    """Return the frequency of a point; NaN if it is not known."""
    if not point.channel and point.entry.frequency is not None:
        return point.entry.frequency
    return point.band.centre if point.band else math.nan
