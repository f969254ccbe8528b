"""An alert as XML: VOEvent 2.0 (https://www.ivoa.net/documents/VOEvent/20110711)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from fip import __version__
from fip.alerts import told
from fip.alerts.words import Alert, Kind, Tense
from fip.data.quantities import iso_utc

STREAM = "ivo://fip/transients"
"""The stream of FIP's alerts. Nobody has registered it, and alerts differ only in what comes behind the #."""

SYSTEM = "UTC-ICRS-TOPO"

_NAMESPACE, _XSI = "http://www.ivoa.net/xml/VOEvent/v2.0", "http://www.w3.org/2001/XMLSchema-instance"
_CITE: Mapping[Kind, str] = {"initial": "followup", "update": "supersedes", "retraction": "retraction"}


@dataclass(frozen=True, slots=True)
class _Param:
    name: str
    value: str | float | int | None
    ucd: str
    unit: str = ""
    says: str = ""


def as_xml(alert: Alert) -> bytes:
    """UTF-8; the same alert gives the same bytes. What is not known is left out.

    A retraction has nothing that was measured. What is not real has the role `test`, a summary `utility`.
    """
    register_namespace("voe", _NAMESPACE)
    register_namespace("xsi", _XSI)
    root = Element(
        f"{{{_NAMESPACE}}}VOEvent", {"version": "2.0", "role": role_of(alert), "ivorn": ivorn(alert.id, alert.tense)}
    )
    root.set(f"{{{_XSI}}}schemaLocation", f"{_NAMESPACE} http://www.ivoa.net/xml/VOEvent/VOEvent-v2.0.xsd")
    _who(root, alert)
    if alert.kind in ("initial", "update"):
        _what(root, alert)
        _where_and_when(root, alert.facts)
    how = SubElement(root, "How")
    _text(how, "Description", f"FIP {__version__}: each integration of a radio interferometer is imaged and searched")
    if says := " ".join(told.remarks(alert)):
        _text(SubElement(root, "Why"), "Description", says)
    if alert.cites:
        citations = SubElement(root, "Citations")
        for each in alert.cites:
            _text(citations, "EventIVORN", ivorn(each, alert.tense), cite=_CITE.get(alert.kind, "followup"))
    indent(root)
    written: bytes = tostring(root, "utf-8", xml_declaration=True)
    return written + b"\n"


def ivorn(identity: str, tense: Tense) -> str:
    """Return the name under which the alert of this id is known in the VO."""
    return f"{STREAM}#{quote(told.named(identity, tense), safe='')}"


def role_of(alert: Alert) -> str:
    """Return the role; that of something real is `observation`."""
    if alert.tense in told.NOT_REAL:
        return "test"
    return "utility" if alert.kind == "summary" else "observation"


def _who(root: Element, alert: Alert) -> None:
    who = SubElement(root, "Who")
    _text(who, "AuthorIVORN", STREAM)
    _text(who, "Date", told.utc(iso_utc(alert.issued)))
    at = alert.facts.get("telescope")
    _text(SubElement(who, "Author"), "title", f"FIP at {at}" if at else "FIP")


def _what(root: Element, alert: Alert) -> None:
    what = SubElement(root, "What")
    for each in _params(alert):
        _put(what, each)
    for match in alert.facts.get("matches") or ():
        group = SubElement(what, "Group", {"name": "match", "type": "association"})
        for each in (
            _Param("name", match["name"], "meta.id.assoc"),
            _Param("list", match["of"], "meta.id;meta.table"),
            _Param("separation", told.number(match, "separation"), "pos.angDistance", "arcsec"),
            _Param("chance", told.number(match, "chance"), "stat.probability"),
        ):
            _put(group, each)


def _params(alert: Alert) -> Iterator[_Param]:
    facts, flux = alert.facts, told.flux_of(alert.facts)
    yield _Param("event", told.names_of(alert)[0], "meta.id;meta.main")
    yield _Param("tense", alert.tense, "meta.code")
    yield _Param("kind", facts.get("kind"), "meta.code.class")
    yield _Param("stokes", facts.get("stokes"), "phys.polarization.stokes")
    yield _Param("end", facts.get("end"), "time.end", says="UTC, ISO 8601")
    yield _Param("duration", told.number(facts, "duration"), "time.duration", "s")
    yield _Param("snr", told.number(facts, "snr"), "stat.snr")
    yield _Param("threshold", told.number(facts, "threshold"), "stat.snr;stat.min", says="at which events begin")
    yield _Param("far", told.number(facts, "far"), "arith.rate", "Hz", "of events of noise that are at least as bright")
    if flux:
        yield _Param("flux_density", flux.value, "phot.flux.density;em.radio", "Jy", flux.how)
        yield _Param("flux_density_error", flux.error, "stat.error;phot.flux.density;em.radio", "Jy")
    if index := facts.get("spectral_index"):
        yield _Param("spectral_index", index["value"], "spect.index;em.radio", says="flux density ~ frequency^index")
        yield _Param("spectral_index_error", index["error"], "stat.error;spect.index;em.radio")
    if band := told.band_of(facts):
        yield _Param("lowest_frequency", band[0], "em.freq;stat.min", "Hz")
        yield _Param("highest_frequency", band[1], "em.freq;stat.max", "Hz")
    region = told.region_of(facts)
    if region and region.error:
        holds = f"the ellipse holds it with a probability of {told.CONTAINED}, by noise alone"
        yield _Param("error_major", region.error[0], "phys.angSize.smajAxis;pos.errorEllipse", "deg", holds)
        yield _Param("error_minor", region.error[1], "phys.angSize.sminAxis;pos.errorEllipse", "deg")
        yield _Param("error_angle", region.error[2], "pos.posAng;pos.errorEllipse", "deg", "of the major, N to E")


def _where_and_when(root: Element, facts: Mapping[str, Any]) -> None:
    region = told.region_of(facts)
    if region is None or "begin" not in facts:
        return
    data = SubElement(SubElement(root, "WhereWhen"), "ObsDataLocation")
    SubElement(data, "ObservatoryLocation", {"id": told.printable(facts.get("telescope") or "GEOSURFACE")})
    location = SubElement(data, "ObservationLocation")
    SubElement(location, "AstroCoordSystem", {"id": SYSTEM})
    coordinates = SubElement(location, "AstroCoords", {"coord_system_id": SYSTEM})
    time = SubElement(coordinates, "Time", {"unit": "s"})
    _text(SubElement(time, "TimeInstant"), "ISOTime", facts["begin"])
    if (error := told.number(facts, "time_err")) is not None:
        _text(time, "Error", repr(error))
    place = SubElement(coordinates, "Position2D", {"unit": "deg"})
    _text(place, "Name1", "RA")
    _text(place, "Name2", "Dec")
    value = SubElement(place, "Value2")
    _text(value, "C1", repr(region.ra))
    _text(value, "C2", repr(region.dec))
    # the schema wants a number, and none that is known is not 0
    _text(place, "Error2Radius", repr(region.error[0]) if region.error else "NaN")


def _put(parent: Element, param: _Param) -> None:
    if param.value is None:
        return
    kind = {str: "string", int: "int", float: "float"}[type(param.value)]
    told_ = {"name": param.name, "value": told.printable(str(param.value)), "ucd": param.ucd, "unit": param.unit}
    made = SubElement(parent, "Param", {name: each for name, each in told_.items() if each} | {"dataType": kind})
    if param.says:
        _text(made, "Description", param.says)


def _text(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, name, attributes).text = told.printable(text)
