"""Events, or an alert, as a table: ECSV, and VOTable with words of UCD1+."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any

import numpy as np
from astropy import units
from astropy.io.votable import from_table
from astropy.io.votable.tree import CooSys, TimeSys, VOTableFile
from astropy.table import Table

from fip.alerts import told
from fip.alerts.words import Alert
from fip.archive.tables import JY_PER_BEAM
from fip.data.quantities import iso_utc

Facts = Mapping[str, Any]
Row = Mapping[str, str | float | int]
"""A value for each column of a table of events."""

_VERSION = {"version": "1.4", "version_1_4_or_later": True}


@dataclass(frozen=True, slots=True)
class _Column:
    """One of a table; a text that is not known is empty, a number NaN, or -1 if it is a whole one."""

    kind: type[str] | type[float] | type[int]
    ucd: str
    of: Callable[[Facts], object]
    unit: Any = None
    says: str = ""


def row_of(event: Facts) -> Row:
    """What a table has of an event: of its facts those that are there."""
    return {name: _value(column, event) for name, column in _EVENT.items()}


def rows_as_ecsv(rows: Iterable[Row]) -> bytes:
    """Return a table of events as ECSV."""
    return _ecsv(_table(rows, _EVENT))


def rows_as_votable(rows: Iterable[Row]) -> bytes:
    """Return the table of `rows_as_ecsv` as XML, by VOTable 1.4."""
    return _votable(_table(rows, _EVENT), _EVENT)


def as_ecsv(alert: Alert) -> bytes:
    """A row: what the alert is, and its event; of a retraction and a summary nothing that was measured."""
    return _ecsv(_table([_of_alert(alert)], _ALERT | _EVENT))


def as_votable(alert: Alert) -> bytes:
    """Return the row of `as_ecsv` as XML, by VOTable 1.4."""
    return _votable(_table([_of_alert(alert)], _ALERT | _EVENT), _ALERT | _EVENT)


def _of_alert(alert: Alert) -> Row:
    facts = alert.facts if alert.kind in ("initial", "update") else {}
    about = {name: _value(column, {"alert": alert}) for name, column in _ALERT.items()}
    return about | dict(row_of({**facts, "id": alert.event}))


def _table(rows: Iterable[Row], columns: Mapping[str, _Column]) -> Table:
    rows, table = list(rows), Table()
    for name, column in columns.items():
        table[name] = np.array([row[name] for row in rows], column.kind)
        table[name].unit = column.unit
        table[name].description = column.says or None
    table.meta.update({"time": "UTC, ISO 8601", "place": "ICRS", "errors": "standard deviations by noise alone"})
    return table


def _value(column: _Column, facts: Facts) -> str | float | int:
    value = column.of(facts)
    if column.kind is str:
        return "" if value is None else told.printable(str(value))
    known = isinstance(value, int | float) and math.isfinite(value)
    if column.kind is int:
        return int(value) if known else -1  # type: ignore[call-overload]
    return float(value) if known else math.nan  # type: ignore[arg-type]


def _ecsv(table: Table) -> bytes:
    text = StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def _votable(table: Table, columns: Mapping[str, _Column]) -> bytes:
    made: VOTableFile = from_table(table)
    made.version = "1.4"
    resource = made.resources[0]
    resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS", config=_VERSION))
    resource.time_systems.append(TimeSys(ID="utc", timescale="UTC", refposition="TOPOCENTER", config=_VERSION))
    resource.tables[0].format = "tabledata"
    for field in resource.tables[0].fields:
        field.ucd = columns[field.name].ucd
        if field.name in ("ra", "dec", "ra_err", "dec_err"):
            field.ref = "icrs"
        if field.name in ("begin", "end", "issued"):
            field.ref, field.xtype = "utc", "timestamp"
    written = BytesIO()
    made.to_xml(written)
    return written.getvalue()


def _fact(name: str) -> Callable[[Facts], object]:
    return lambda facts: facts.get(name)


def _words(name: str) -> Callable[[Facts], object]:
    return lambda facts: " ".join(map(str, facts.get(name) or ()))


def _part(name: str, part: str) -> Callable[[Facts], object]:
    """Return a function that takes a part of a value with its error, or of an ellipse, from facts."""
    return lambda facts: (facts.get(name) or {}).get(part)


def _band(end: int) -> Callable[[Facts], object]:
    return lambda facts: (told.band_of(facts) or (None, None))[end]


def _matches(facts: Facts) -> object:
    told_ = facts.get("matches") or ()
    return "; ".join(f"{each['name']} ({each['of']}, {each['separation']:.3g} arcsec)" for each in told_)


def _of(read: Callable[[Alert], object]) -> Callable[[Facts], object]:
    return lambda facts: read(facts["alert"])


_ALERT: dict[str, _Column] = {
    "alert": _Column(str, "meta.id", _of(lambda alert: told.named(alert.id, alert.tense))),
    "alert_kind": _Column(str, "meta.code.class", _of(lambda alert: alert.kind)),
    "tense": _Column(str, "meta.code", _of(lambda alert: alert.tense), says="injection and test: not real"),
    "issued": _Column(str, "time.creation", _of(lambda alert: iso_utc(alert.issued)), says="UTC"),
    "cites": _Column(
        str, "meta.id.assoc", _of(lambda alert: " ".join(told.named(each, alert.tense) for each in alert.cites))
    ),
    "reason": _Column(str, "meta.note", _of(lambda alert: alert.reason)),
}

_EVENT: dict[str, _Column] = {
    "id": _Column(str, "meta.id;meta.main", _fact("id")),
    "kind": _Column(str, "meta.code.class", _fact("kind"), says="transient, variable or moving"),
    "labels": _Column(str, "meta.code.qual", _words("labels"), says="what speaks against it"),
    "verdict": _Column(str, "meta.code.qual", _part("verdict", "label"), says="what a person has said of it"),
    "ra": _Column(float, "pos.eq.ra;meta.main", _fact("ra"), units.deg),
    "dec": _Column(float, "pos.eq.dec;meta.main", _fact("dec"), units.deg),
    "ra_err": _Column(float, "stat.error;pos.eq.ra", _fact("ra_err"), units.deg, "of ra, not of an angle on the sky"),
    "dec_err": _Column(float, "stat.error;pos.eq.dec", _fact("dec_err"), units.deg),
    "begin": _Column(str, "time.start", _fact("begin"), says="UTC"),
    "end": _Column(str, "time.end", _fact("end"), says="UTC"),
    "time_err": _Column(float, "stat.error;time", _fact("time_err"), units.s),
    "first": _Column(int, "meta.number", _fact("first"), says="slice"),
    "last": _Column(int, "meta.number", _fact("last"), says="slice"),
    "snr": _Column(float, "stat.snr", _fact("snr")),
    "far": _Column(float, "arith.rate", _fact("far"), units.Hz, "of events of noise that are at least as bright"),
    "flux": _Column(float, "phot.flux.density;em.radio", _fact("flux"), JY_PER_BEAM, "apparent, as it was found"),
    "unbiased": _Column(
        float, "phot.flux.density;em.radio", _part("unbiased", "value"), JY_PER_BEAM, "apparent, mean over its images"
    ),
    "unbiased_err": _Column(float, "stat.error;phot.flux.density;em.radio", _part("unbiased", "error"), JY_PER_BEAM),
    "corrected": _Column(
        float, "phot.flux.density;em.radio", _part("corrected", "value"), JY_PER_BEAM, "over the primary beam"
    ),
    "corrected_err": _Column(float, "stat.error;phot.flux.density;em.radio", _part("corrected", "error"), JY_PER_BEAM),
    "spectral_index": _Column(float, "spect.index;em.radio", _part("spectral_index", "value")),
    "spectral_index_err": _Column(float, "stat.error;spect.index;em.radio", _part("spectral_index", "error")),
    "lowest": _Column(float, "em.freq;stat.min", _band(0), units.Hz),
    "highest": _Column(float, "em.freq;stat.max", _band(1), units.Hz),
    "stokes": _Column(str, "phys.polarization.stokes", _fact("stokes")),
    "field": _Column(str, "meta.id;obs.field", _fact("field")),
    "run": _Column(str, "meta.id;obs", _fact("run")),
    "telescope": _Column(str, "meta.id;instr.tel", _fact("telescope")),
    "matches": _Column(str, "meta.id.assoc", _matches, says="what is known to be there"),
    "directory": _Column(str, "meta.id;meta.file", _fact("directory")),
    "source": _Column(str, "meta.id;src", _fact("source"), says="of several directories, to which it belongs"),
}
