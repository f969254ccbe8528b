"""Alerts as VOEvent 2.0. What its schema allows of what FIP writes stands here: the schema itself is not at hand."""

import math
from collections.abc import Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

import pytest
from astropy.io.votable.ucd import parse_ucd

from fip.alerts.voevent import as_xml
from fip.alerts.words import Alert
from support.alert_facts import EVENT, FACTS, FOUND, alert, alerts, summary

# Of each element those that may be in it, with how often at most, and its attributes; XSD of 2011-07-11.
ALLOWED: dict[str, tuple[dict[str, float], set[str]]] = {
    "VOEvent": (
        dict.fromkeys(("Who", "What", "WhereWhen", "How", "Why", "Citations"), 1),
        {"version", "ivorn", "role"},
    ),
    "Who": (dict.fromkeys(("AuthorIVORN", "Date", "Author"), 1), set()),
    "Author": ({"title": math.inf}, set()),
    "What": ({"Param": math.inf, "Group": math.inf}, set()),
    "Group": ({"Param": math.inf}, {"name", "type"}),
    "Param": ({"Description": 1}, {"name", "ucd", "value", "unit", "dataType"}),
    "WhereWhen": ({"ObsDataLocation": 1}, set()),
    "ObsDataLocation": ({"ObservatoryLocation": 1, "ObservationLocation": 1}, set()),
    "ObservatoryLocation": ({}, {"id"}),
    "ObservationLocation": ({"AstroCoordSystem": 1, "AstroCoords": 1}, set()),
    "AstroCoordSystem": ({}, {"id"}),
    "AstroCoords": ({"Time": 1, "Position2D": 1}, {"coord_system_id"}),
    "Time": ({"TimeInstant": 1, "Error": 1}, {"unit"}),
    "TimeInstant": ({"ISOTime": 1}, set()),
    "Position2D": (dict.fromkeys(("Name1", "Name2", "Value2", "Error2Radius"), 1), {"unit"}),
    "Value2": ({"C1": 1, "C2": 1}, set()),
    "How": ({"Description": math.inf}, set()),
    "Why": ({"Description": math.inf}, set()),
    "Citations": ({"EventIVORN": math.inf}, set()),
    "EventIVORN": ({}, {"cite"}),
}
NEEDED = {
    "Position2D": ("Value2", "Error2Radius"), "Value2": ("C1", "C2"), "AstroCoords": (), "Author": ("title",),
    "ObsDataLocation": ("ObservatoryLocation", "ObservationLocation"),
    "ObservationLocation": ("AstroCoordSystem", "AstroCoords"), "Citations": ("EventIVORN",),
}  # fmt: skip
VALUES = {
    "role": {"observation", "prediction", "utility", "test"}, "cite": {"followup", "supersedes", "retraction"},
    "dataType": {"string", "float", "int"}, "version": {"2.0"}, "coord_system_id": {"UTC-ICRS-TOPO"},
}  # fmt: skip
NUMBERS = ("C1", "C2", "Error2Radius", "Error")
LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"


def faults(element: Element) -> Iterator[str]:
    """What is not by the schema."""
    name = element.tag.removeprefix("{http://www.ivoa.net/xml/VOEvent/v2.0}")
    may, attributes = ALLOWED.get(name, ({}, set()))
    inside = [each.tag for each in element]
    yield from (f"{each} in {name}" for each in set(inside) if inside.count(each) > may.get(each, 0))
    yield from (f"no {each} in {name}" for each in NEEDED.get(name, ()) if each not in inside)
    for key, value in element.attrib.items():
        if key != LOCATION and (key not in attributes or value not in VALUES.get(key, {value})):
            yield f"{name} {key}={value}"
    if name in NUMBERS:
        float(element.text or "")
    for each in element:
        yield from faults(each)


def params(root: Element) -> dict[str, tuple[str, str | None]]:
    """Value and unit of each."""
    return {each.attrib["name"]: (each.attrib["value"], each.get("unit")) for each in root.findall("What/Param")}


def test_all_of_an_event_is_told() -> None:
    """Place (ICRS) with the radius that holds it, time (UTC) with its error, and what was measured, with units."""
    root = fromstring(as_xml(alert("update", number=3)))
    assert (root.tag, root.attrib["role"], root.attrib["ivorn"]) == (
        "{http://www.ivoa.net/xml/VOEvent/v2.0}VOEvent", "observation", f"ivo://fip/transients#{EVENT}.3",
    )  # fmt: skip
    assert root.findtext("Who/Date") == "2020-06-27T18:41:53.250000Z"
    where = root.find("WhereWhen/ObsDataLocation")
    assert where is not None
    assert where.find("ObservatoryLocation[@id='MeerKAT']") is not None
    assert where.findtext(".//ISOTime") == "2020-06-27T18:41:36.000000"
    assert where.findtext(".//Time/Error") == "0.2"
    assert (where.findtext(".//C1"), where.findtext(".//C2")) == ("154.956", "-45.016")
    radius = float(where.findtext(".//Error2Radius") or "")
    assert radius == pytest.approx(2e-4 * math.sqrt(2 * math.log(10)))
    told = params(root)
    assert told["snr"] == ("20.0", None)
    assert told["far"] == ("2.5e-07", "Hz")
    assert told["duration"] == ("32.0", "s")
    assert (told["flux_density"], told["flux_density_error"]) == (("1.25", "Jy"), ("0.064", "Jy"))
    assert (told["lowest_frequency"], told["highest_frequency"]) == (("1175000000.0", "Hz"), ("1325000000.0", "Hz"))
    assert float(told["error_major"][0]) == radius
    match = {each.attrib["name"]: each.attrib["value"] for each in root.findall("What/Group/Param")}
    assert match == {"name": "PSR J1020-4459", "list": "pulsars", "separation": "12.5", "chance": "0.003"}
    assert "Spectral index -1.50" in (root.findtext("Why/Description") or "")


@pytest.mark.parametrize("each", alerts(), ids=[f"{each.kind}-{each.id}" for each in alerts()])
def test_each_kind_is_by_the_schema_and_the_same_each_time(each: Alert) -> None:
    """Elements and attributes that it has, no more often than it allows; words of UCD1+."""
    written = as_xml(each)
    root = fromstring(written)
    assert list(faults(root)) == []
    for param in root.iter("Param"):
        assert parse_ucd(param.attrib["ucd"], check_controlled_vocabulary=True)
    assert written == as_xml(replace(each, facts=dict(reversed(dict(each.facts).items()))))


@pytest.mark.parametrize(
    ("kind", "tense", "role", "cite"),
    [
        ("update", "current", "observation", "supersedes"),
        ("update", "archival", "observation", "supersedes"),
        ("retraction", "current", "observation", "retraction"),
        ("retraction", "injection", "test", "retraction"),
        ("update", "test", "test", "supersedes"),
    ],
)
def test_what_is_not_real_is_a_test_and_what_comes_after_cites(kind: str, tense: str, role: str, cite: str) -> None:
    """All of the same event before it, each under the name that it was sent with."""
    made = alert(kind, tense, 3)  # type: ignore[arg-type]
    root = fromstring(as_xml(made))
    assert root.attrib["role"] == role
    assert as_xml(replace(made, id=f"{EVENT}.3", cites=(f"{EVENT}.1", f"{EVENT}.2"))) == as_xml(made)
    stem = f"ivo://fip/transients#{f'{tense}-' if role == 'test' else ''}{EVENT}"
    cited = [(each.text, each.attrib["cite"]) for each in root.findall("Citations/EventIVORN")]
    assert cited == [(f"{stem}.1", cite), (f"{stem}.2", cite)]
    assert fromstring(as_xml(alert())).find("Citations") is None


def test_what_is_taken_back_is_told_without_what_was_measured() -> None:
    root = fromstring(as_xml(alert("retraction", number=2)))
    assert (root.find("What"), root.find("WhereWhen")) == (None, None)
    assert root.findtext("Why/Description") == "it was a satellite."


def test_a_summary_is_no_observation() -> None:
    root = fromstring(as_xml(summary()))
    assert root.attrib["role"] == "utility"
    assert root.findtext("Why/Description") == "12 events are held: too many at once."


def test_an_error_that_is_not_known_is_no_number() -> None:
    """The schema wants a radius; 0 would say that the place is known without error."""
    root = fromstring(as_xml(alert(facts=FOUND)))
    assert root.findtext(".//Error2Radius") == "NaN"
    assert "flux_density_error" not in params(root)


def test_whatever_a_person_has_written_is_xml() -> None:
    """Characters that XML cannot have, and those that mean something in it."""
    root = fromstring(
        as_xml(alert("retraction", number=2, reason="a \x07 <bird> & \ud800 \N{GREEK SMALL LETTER LAMDA}"))
    )
    assert root.findtext("Why/Description") == "a \ufffd <bird> & \ufffd \N{GREEK SMALL LETTER LAMDA}."
    odd = fromstring(as_xml(replace(alert(facts={**FACTS, "telescope": 'A "B" <C>'}), id="x y#ü.1")))
    assert odd.find(".//ObservatoryLocation").attrib["id"] == 'A "B" <C>'  # type: ignore[union-attr]
    assert odd.attrib["ivorn"] == "ivo://fip/transients#x%20y%23%C3%BC.1"
