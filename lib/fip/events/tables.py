"""The files of a search, DIR/transients/{events,candidates,rates}.ecsv: written beside, then put in their place."""

import math
from collections.abc import Iterable
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.table import QTable, Table
from scipy.special import gammaincinv

from fip.archive.file_names import LEDGER
from fip.archive.folder import Folder
from fip.archive.lightcurve import in_frame_of
from fip.archive.tables import JY_PER_BEAM
from fip.data.directions import Direction
from fip.data.errors import NoRoomError, UsageError
from fip.data.quantities import iso_utc
from fip.events.found import Found, Searching, Series
from fip.fits.sky import wcs_of
from fip.search.theory import false_events

FOLDER = "transients"
EVENTS, CANDIDATES, RATES = "events.ecsv", "candidates.ecsv", "rates.ecsv"
HOUR = 3600.0  # s

_META = {
    "time": "UTC, ISO 8601",
    "ra, dec": "ICRS",
    "flux": "apparent, no primary beam: of the boxcar at the place of its maximum",
    "errors": "standard deviations of a place in white noise: that of the astrometry comes on top",
    "first, last": "slices; width counts those without an image",
}


def write(directory: Path, searching: Searching) -> Path:
    """Writes the three files; returns their folder. NoRoomError if it cannot be written to."""
    made = {
        EVENTS: found_table(searching.events),
        CANDIDATES: found_table(searching.found),
        RATES: rates_table(searching),
    }
    path = directory / FOLDER
    try:
        with closing(Folder(path)) as folder:
            folder.lock()
            for name, table in made.items():
                folder.write_new(f"{name}.part", _ecsv(table).encode())
                folder.replace(f"{name}.part", name)
            folder.sync()
    except BlockingIOError:
        raise UsageError(f"{path}: another `fip detect` writes there at this moment") from None
    except OSError as error:
        raise NoRoomError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def read_events(directory: Path) -> Table:
    """The events that the last search of a directory has found. UsageError if there was none."""
    path = directory / FOLDER / EVENTS
    if not path.exists():
        if not (directory / LEDGER).exists():
            raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it: there is no {LEDGER}")
        raise UsageError(f"{directory} was not searched for transients: `fip detect {directory}` does")
    try:
        return Table.read(path, format="ascii.ecsv")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None


def found_table(found: Iterable[Found]) -> QTable:
    """A row for each."""
    rows = [_row(each) for each in found]
    table = QTable()
    for name, (unit, kind) in _COLUMNS.items():
        values = np.array([row[name] for row in rows], kind)
        table[name] = values * unit if unit else values
    table.meta.update(_META)
    return table


def rates_table(searching: Searching) -> QTable:
    """A row for each hour of each series: how much was searched, and how many false ones were predicted and found."""
    rows = []
    for series, times in searching.looked:
        mine = [each for each in searching.found if each.series is series]
        by_index = {entry.index: (entry.begin + entry.end) / 2 for entry in series.entries}
        hours = [math.floor(by_index[each.event.best.slices[0]] / HOUR) for each in mine]
        for hour in sorted({math.floor(time / HOUR) for time in times}):
            slices = sum(math.floor(time / HOUR) == hour for time in times)
            within = [each for each, at in zip(mine, hours, strict=True) if at == hour]
            rows.append(_rate(searching, series, hour, slices, within))
    table = QTable()
    for name, unit in _RATES.items():
        values = [row[name] for row in rows]
        table[name] = np.array(values, float) * unit if unit else values
    table.meta["events"] = "those without labels; sidelobes of brighter ones are no candidates here"
    table.meta["low, high"] = "of the candidates found, 95 %: predicted_candidates should lie between them"
    table.meta["negative"] = "of the candidates, those that became fainter: as many as of the others if all are noise"
    return table


_COLUMNS: dict[str, tuple[Any, Any]] = {
    "id": (None, str), "kind": (None, str), "labels": (None, str),
    "ra": (units.deg, float), "dec": (units.deg, float), "ra_err": (units.deg, float), "dec_err": (units.deg, float),
    "begin": (None, str), "end": (None, str), "first": (None, int), "last": (None, int), "width": (None, int),
    "snr": (None, float), "threshold": (None, float), "flux": (JY_PER_BEAM, float), "sign": (None, int),
    "stokes": (None, str), "field": (None, str), "run": (None, str), "x": (units.pix, float), "y": (units.pix, float),
    "opened": (None, int), "peaks": (None, int),
}  # fmt: skip
_RATES: dict[str, Any] = {
    "hour": None, "run": None, "field": None, "stokes": None, "slices": None, "area": units.deg**2,
    "threshold": None, "predicted": None, "events": None,
    "threshold_candidates": None, "predicted_candidates": None, "candidates": None, "low": None, "high": None,
    "negative": None,
}  # fmt: skip


def _row(found: Found) -> dict[str, Any]:
    series, best = found.series, found.event.best
    by_index = {entry.index: entry for entry in series.entries}
    first, last = best.slices
    grid = series.grid
    longitude, latitude = map(float, wcs_of(grid).wcs_pix2world(best.x, best.y, 0))
    there = in_frame_of(Direction(math.radians(longitude), math.radians(latitude), grid.frame), "ICRS")
    across = np.sqrt(np.diag(np.linalg.inv(np.array(series.searched.curvature)))) / best.snr * math.degrees(grid.scale)
    return {
        "id": found.identity, "kind": "transient", "labels": " ".join(found.labels),
        "ra": math.degrees(there.longitude) % 360, "dec": math.degrees(there.latitude),
        "ra_err": across[0] / max(math.cos(there.latitude), 1e-6), "dec_err": across[1],
        "begin": iso_utc(by_index[first].begin), "end": iso_utc(by_index[last].end), "first": first, "last": last,
        "width": best.width, "snr": best.snr, "threshold": found.threshold, "flux": best.flux, "sign": best.sign,
        "stokes": series.stokes, "field": series.label, "run": series.run, "x": best.x, "y": best.y,
        "opened": found.event.opened, "peaks": found.event.peaks,
    }  # fmt: skip


def _rate(searching: Searching, series: Series, hour: int, slices: int, found: list[Found]) -> dict[str, Any]:
    at, count = searching.thresholds, sum(not each.sidelobe for each in found)
    low, high = gammaincinv(count, 0.025) if count else 0.0, gammaincinv(count + 1, 0.975)
    return {
        "hour": iso_utc(hour * HOUR), "run": series.run, "field": series.label, "stokes": series.stokes,
        "slices": slices, "area": series.area * math.degrees(series.grid.scale) ** 2, "threshold": at.event,
        "predicted": slices * false_events(at.event, series.searched, series.area),
        "events": sum(each.event.best.snr >= at.event and not each.labels for each in found),
        "threshold_candidates": at.candidate,
        "predicted_candidates": slices * false_events(at.candidate, series.searched, series.area),
        "candidates": count, "low": float(low), "high": float(high),
        "negative": sum(each.event.best.sign < 0 and not each.sidelobe for each in found),
    }  # fmt: skip


def _ecsv(table: QTable) -> str:
    text = StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()
