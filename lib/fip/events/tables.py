"""The tables of a search, DIR/transients/{events,candidates,rates}.ecsv."""

import math
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np
from astropy import units
from astropy.table import QTable
from scipy.special import gammaincinv

from fip.archive.followed import Finding
from fip.archive.tables import JY_PER_BEAM
from fip.catalogues.told import as_text
from fip.data.quantities import iso_utc
from fip.events.findings import Findings, Hour, Key, is_alone, is_told
from fip.events.measuring import place_of_event
from fip.events.words import HOUR, Found, Series
from fip.search.theory import false_events

_META = {
    "time": "UTC, ISO 8601",
    "ra, dec": "ICRS",
    "flux": "apparent, no primary beam: of the boxcar at the place of its maximum",
    "beam": "full width at half maximum, of the longer axis",
    "errors": "standard deviations of a place in white noise: that of the astrometry comes on top",
    "first, last": "slices; width counts those without an image",
    "matches": "what is known to be there, of events: a list in JSON; separation in arcsec, chance from 0 to 1",
}


def found_table(found: Iterable[Found]) -> QTable:
    """Return a table with a row for each."""
    rows = [_row(each) for each in found]
    table = QTable()
    for name, (unit, kind) in _COLUMNS.items():
        values = np.array([row[name] for row in rows], kind)
        table[name] = values * unit if unit else values
    table.meta.update(_META)
    return table


def rates_table(findings: Findings, found: Sequence[Found], hours: Mapping[tuple[Key, int], Hour]) -> QTable:
    """A row for each hour of each series: how much was searched, and how many false ones were predicted and found."""
    rows = []
    for (key, hour), counted in sorted(hours.items()):
        series = findings.series[key]
        within = [each for each in found if each.series is series and math.floor(each.begin / HOUR) == hour]
        tried = [each for (of, _), each in findings.injections.items() if of == key and each["hour"] == hour]
        rows.append(_rate(series, hour, counted, within, tried))
    table = QTable()
    for name, (unit, kind) in _RATES.items():
        values = np.array([row[name] for row in rows], kind)
        table[name] = values * unit if unit else values
    table.meta["events"] = "those without labels; sidelobes of brighter ones are no candidates here"
    table.meta["low, high"] = "of the candidates found, 95 %: predicted_candidates should lie between them"
    table.meta["cadence, widest"] = "from one image to the next; images of the widest boxcar"
    table.meta["negative"] = "of the candidates, those that became fainter: as many as of the others if all are noise"
    return table


def expected(series: Series, threshold: float, slices: int) -> float:
    """False events of noise above a threshold in so many images of a series, by formula."""
    return slices * false_events(threshold, series.searched, series.area)


def as_ecsv(table: QTable) -> str:
    """Return a table as ECSV text."""
    text = StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()


_COLUMNS: dict[str, tuple[Any, Any]] = {
    "id": (None, str), "kind": (None, str), "labels": (None, str),
    "ra": (units.deg, float), "dec": (units.deg, float), "ra_err": (units.deg, float), "dec_err": (units.deg, float),
    "beam": (units.deg, float),
    "begin": (None, str), "end": (None, str), "first": (None, int), "last": (None, int), "width": (None, int),
    "average": (None, int),
    "snr": (None, float), "threshold": (None, float), "flux": (JY_PER_BEAM, float), "sign": (None, int),
    "stokes": (None, str), "field": (None, str), "run": (None, str), "x": (units.pix, float), "y": (units.pix, float),
    "opened": (None, int), "peaks": (None, int), "closed": (None, bool), "matches": (None, str),
}  # fmt: skip
_RATES: dict[str, tuple[Any, Any]] = {
    "hour": (None, str), "run": (None, str), "field": (None, str), "stokes": (None, str), "average": (None, int),
    "slices": (None, int), "flooded": (None, int), "area": (units.deg**2, float),
    "threshold": (None, float), "predicted": (None, float), "events": (None, int),
    "threshold_candidates": (None, float), "predicted_candidates": (None, float), "candidates": (None, int),
    "low": (None, float), "high": (None, float), "negative": (None, int), "injected": (None, int),
    "injected_found": (None, int), "cadence": (units.s, float), "widest": (None, int),
}  # fmt: skip


def _row(found: Found) -> dict[str, Any]:
    series, best = found.series, found.event.best
    first, last = best.slices
    there, east, north = place_of_event(found)
    return {
        "id": found.id, "kind": found.kind, "labels": " ".join(found.labels),
        "ra": math.degrees(there.longitude) % 360, "dec": math.degrees(there.latitude),
        "ra_err": math.degrees(east) / max(math.cos(there.latitude), 1e-6), "dec_err": math.degrees(north),
        "beam": math.degrees(_longest_axis(series)),
        "begin": iso_utc(found.begin), "end": iso_utc(found.end), "first": first, "last": last,
        "width": best.width, "average": series.average, "snr": best.snr, "threshold": series.thresholds.event,
        "flux": best.flux, "sign": best.sign, "stokes": series.stokes, "field": series.label, "run": series.run,
        "x": best.x, "y": best.y, "opened": found.event.opened, "peaks": found.event.peaks,
        "closed": found.event.closed, "matches": as_text(found.matches),
    }  # fmt: skip


def _longest_axis(series: Series) -> float:
    """rad, full width at half maximum."""
    return series.grid.scale / math.sqrt(float(np.linalg.eigvalsh(np.array(series.searched.beam))[0]))


def _rate(series: Series, hour: int, counted: Hour, found: Sequence[Found], tried: Sequence[Finding]) -> dict[str, Any]:
    at, alone = series.thresholds, list(filter(is_alone, found))
    count = len(alone)
    low, high = gammaincinv(count, 0.025) if count else 0.0, gammaincinv(count + 1, 0.975)
    return {
        "hour": iso_utc(hour * HOUR), "run": series.run, "field": series.label, "stokes": series.stokes,
        "average": series.average, "slices": counted.slices, "flooded": counted.flooded,
        "area": series.area * math.degrees(series.grid.scale) ** 2, "threshold": at.event,
        "predicted": expected(series, at.event, counted.slices),
        "events": sum(map(is_told, found)), "threshold_candidates": at.candidate,
        "predicted_candidates": expected(series, at.candidate, counted.slices),
        "candidates": count, "low": float(low), "high": float(high),
        "negative": sum(each.event.best.sign < 0 for each in alone),
        "injected": len(tried), "injected_found": sum(bool(each["found"]) for each in tried),
        "cadence": series.searched.cadence, "widest": series.searched.widest,
    }  # fmt: skip
