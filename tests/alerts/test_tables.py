"""Events and alerts as tables, read by others."""

import math
from collections.abc import Callable, Iterable
from io import BytesIO

import pytest
from astropy import units
from astropy.io.votable import parse
from astropy.io.votable.ucd import parse_ucd
from astropy.table import QTable, Table

from fip.alerts.tables import Facts, Row, as_ecsv, as_votable, row_of, rows_as_ecsv, rows_as_votable
from fip.alerts.words import Alert
from support.alert_facts import EVENT, FACTS, FOUND, alert, alerts, summary

VERDICT = {"label": "real", "user": "ada", "time": "2020-06-28T00:00:00"}


def read(content: bytes) -> Table:
    """Read an ECSV file into a table."""
    return QTable.read(content.decode(), format="ascii.ecsv")


def of_events(write: Callable[[Iterable[Row]], bytes], events: Iterable[Facts]) -> bytes:
    """Write events as a table."""
    return write(map(row_of, events))


def text(value: object) -> str:
    """Return the text of a cell: readers take an empty text, and NaN in a VOTable, for one that is masked."""
    return "" if str(value) in ("--", "nan") else str(value)


def test_a_row_for_each_event_with_units() -> None:
    """What was measured, what is known to be there, what somebody said; NaN and nothing for what is not known."""
    table = read(of_events(rows_as_ecsv, [FACTS | {"verdict": VERDICT, "labels": ["edge", "many"]}, FOUND]))
    first, second = table
    assert list(table["id"]) == [EVENT, EVENT]
    assert first["ra"] == 154.956 * units.deg
    assert (first["labels"], first["verdict"], first["first"], first["stokes"]) == ("edge many", "real", 12, "I")
    assert first["corrected"] == 1.25 * units.Jy / units.beam
    assert (first["far"], first["lowest"]) == (2.5e-7 * units.Hz, 1.175e9 * units.Hz)
    assert first["matches"] == "PSR J1020-4459 (pulsars, 12.5 arcsec)"
    assert (second["flux"].value, second["begin"]) == (1.0, FOUND["begin"])
    assert math.isnan(second["corrected"].value) and math.isnan(second["ra_err"].value)
    assert len(read(of_events(rows_as_ecsv, []))) == 0


def test_a_votable_has_the_same_values_and_says_what_they_are() -> None:
    """Its own reader reads it and finds no fault with it: frames, time scale, words of UCD1+."""
    events = [FACTS | {"directory": "n.fip", "ra": 154.95612345678901}, FOUND]
    made = parse(BytesIO(of_events(rows_as_votable, events)), verify="exception")
    (resource,) = made.resources
    assert [each.system for each in resource.coordinate_systems] == ["ICRS"]
    assert [(each.timescale, each.refposition) for each in resource.time_systems] == [("UTC", "TOPOCENTER")]
    (table,) = resource.tables
    fields = {each.name: each for each in table.fields}
    assert all(parse_ucd(each.ucd, check_controlled_vocabulary=True) for each in fields.values())
    assert (fields["ra"].ucd, fields["ra"].ref, str(fields["ra"].unit)) == ("pos.eq.ra;meta.main", "icrs", "deg")
    assert (fields["begin"].ref, fields["begin"].xtype) == ("utc", "timestamp")
    values, other = table.to_table(use_names_over_ids=True), Table(read(of_events(rows_as_ecsv, events)))
    assert values["ra"][0] == 154.95612345678901
    for name in other.colnames:
        assert list(map(text, values[name])) == list(map(text, other[name])), name


@pytest.mark.parametrize("each", alerts(), ids=[f"{each.kind}-{each.id}" for each in alerts()])
def test_an_alert_is_a_row_that_says_what_it_is(each: Alert) -> None:
    """The same in both forms, each time; what is taken back, or of no event, has nothing that was measured."""
    table = read(as_ecsv(each))
    assert as_ecsv(each) == as_ecsv(each)
    assert as_votable(each) == as_votable(each)
    (row,) = parse(BytesIO(as_votable(each)), verify="exception").resources[0].tables[0].to_table()
    assert (table["alert"][0], table["alert_kind"][0], table["tense"][0]) == (each.id, each.kind, each.tense)
    assert str(row["alert"]) == each.id
    assert text(table["cites"][0]) == " ".join(each.cites)
    measured = each.kind in ("initial", "update")
    assert math.isfinite(table["ra"][0].value) == measured
    assert math.isfinite(table["flux"][0].value) == measured


def test_whatever_a_person_has_written_can_be_read_again() -> None:
    """Characters that mean something in XML, or cannot be in it."""
    made = alert("retraction", number=2, reason='a \x07 "<b>" & \ud800 \u03bb, b')
    wanted = 'a \ufffd "<b>" & \ufffd \u03bb, b'
    assert read(as_ecsv(made))["reason"][0] == wanted
    (row,) = parse(BytesIO(as_votable(made)), verify="exception").resources[0].tables[0].to_table()
    assert row["reason"] == wanted
    assert read(as_ecsv(summary()))["reason"][0] == "12 events are held: too many at once"
