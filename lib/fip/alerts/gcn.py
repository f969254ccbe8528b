"""An alert as JSON by GCN's unified schema, https://gcn.nasa.gov/docs/schema: it uses the words of its core."""

import json
from collections.abc import Iterator
from typing import Any

from fip import __version__
from fip.alerts import told
from fip.alerts.words import Alert
from fip.data.quantities import iso_utc

SCHEMA = "https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/core/Alert.schema.json"
"""The schema of an alert; its other words are those of Event, Reporter, DateTime, Localization, Statistics, Spectral
and AdditionalInfo beside it."""

_JY = 1e-23  # erg/cm2/s/Hz


def as_json(alert: Alert) -> bytes:
    """UTF-8, sorted: the same alert gives the same bytes. What is not known is left out.

    A retraction has nothing that was measured, and a summary, for which the schema has no type, only what it says.
    """
    known = ((name, value) for name, value in _told(alert) if value is not None)
    content = {name: told.printable(value) if isinstance(value, str) else value for name, value in known}
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _told(alert: Alert) -> Iterator[tuple[str, Any]]:
    facts, (name, record) = alert.facts, told.names_of(alert)
    yield "$schema", SCHEMA
    yield "alert_datetime", told.utc(iso_utc(alert.issued))
    yield "alert_tense", alert.tense
    yield "id", name
    yield "record_number", record
    yield "messenger", "EM"
    yield "mission", facts.get("telescope") or None
    yield "instrument", f"FIP {__version__}"
    yield "additional_info", " ".join(told.remarks(alert)) or None
    if alert.kind == "summary":
        return
    yield "alert_type", alert.kind
    yield "trigger_time", told.utc(facts["begin"]) if "begin" in facts else None
    if alert.kind != "retraction":
        yield from _measured(alert)


def _measured(alert: Alert) -> Iterator[tuple[str, Any]]:
    facts = alert.facts
    yield "trigger_time_error", told.number(facts, "time_err")
    if "window_begin" in facts:
        yield "observation_start", told.utc(facts["window_begin"])
        yield "observation_stop", told.utc(facts["window_end"])
    if band := told.band_of(facts):
        yield "spectral_band", [frequency / 1e6 for frequency in band]
        yield "spectral_band_units", "MHz"
    if region := told.region_of(facts):
        yield from (("ra", region.ra), ("dec", region.dec))
        if region.error:
            yield "ra_dec_error", list(region.error)
            yield "containment_probability", told.CONTAINED
            yield "systematic_included", False
    yield "far", told.number(facts, "far")
    yield "trigger_type", "image"
    yield "image_snr", told.number(facts, "snr")
    yield "image_duration", told.duration_of(facts)
    if flux := told.flux_of(facts):
        yield "flux_density", flux.value * _JY
        yield "flux_density_error", None if flux.error is None else flux.error * _JY
        yield "flux_density_unit", "erg/cm2/s/Hz"
        if band:
            yield "flux_density_spectral_point", sum(band) / 2e6
            yield "flux_density_spectral_point_unit", "MHz"
