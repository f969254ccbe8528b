"""Alerts as JSON by GCN's schema."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from fip.alerts.gcn import as_json
from fip.alerts.words import Alert
from support.alert_facts import EVENT, FACTS, FOUND, alert, alerts, summary
from support.gcn_schema import packed, validator

IDS = [f"{each.kind}-{each.id}" for each in alerts()]


def test_all_of_an_event_is_told_in_the_words_of_the_schema() -> None:
    """Degrees, Hz, seconds, MHz, and a region that holds it nine times of ten."""
    told = json.loads(as_json(alert("update", number=2)))
    assert told["additional_info"] == (
        "Found in Stokes I, kind transient. Flux density: mean over its images, over the primary beam, unbiased. "
        "Spectral index -1.50 +- 0.40 (flux density ~ frequency^index). "
        "PSR J1020-4459 (pulsars) is 12.5 arcsec away, by chance 0.003."
    )
    assert (told["alert_type"], told["alert_tense"], told["id"], told["record_number"]) == (
        "update", "current", EVENT, 2,
    )  # fmt: skip
    assert told["alert_datetime"] == "2020-06-27T18:41:53.250000Z"
    assert (told["trigger_time"], told["trigger_time_error"]) == ("2020-06-27T18:41:36.000000Z", 0.2)
    assert (told["observation_start"], told["observation_stop"]) == (
        "2020-06-27T18:40:00.000000Z", "2020-06-27T18:44:00.000000Z",
    )  # fmt: skip
    assert (told["ra"], told["dec"]) == (154.956, -45.016)
    wider = math.sqrt(2 * math.log(10))
    assert told["ra_dec_error"] == pytest.approx([2e-4 * wider, 1e-4 * wider, 30.0])
    assert (told["containment_probability"], told["systematic_included"]) == (0.9, False)
    assert (told["far"], told["image_snr"], told["image_duration"]) == (2.5e-7, 20.0, 32.0)
    assert (told["flux_density"], told["flux_density_error"]) == pytest.approx((1.25e-23, 0.064e-23), rel=1e-12, abs=0)
    assert told["flux_density_unit"] == "erg/cm2/s/Hz"
    assert (told["spectral_band"], told["spectral_band_units"]) == ([1175.0, 1325.0], "MHz")
    assert (told["flux_density_spectral_point"], told["flux_density_spectral_point_unit"]) == (1250.0, "MHz")
    assert (told["mission"], told["messenger"]) == ("MeerKAT", "EM")


def test_an_event_that_is_not_measured_yet_has_what_is_known() -> None:
    """Nothing is made up: no error, no band; the flux is as it was found."""
    told = json.loads(as_json(alert(facts=FOUND)))
    assert told["flux_density"] == pytest.approx(1e-23, rel=1e-9, abs=0)
    assert "not yet measured" in told["additional_info"]
    assert not told.keys() & {"flux_density_error", "ra_dec_error", "far", "spectral_band", "mission"}
    errors = {"ra_err": 4e-4, "dec_err": 1e-4, "dec": 60.0}  # as the table of events has them: cos 60 deg is a half
    told = json.loads(as_json(alert(facts=FOUND | errors)))
    wider = math.sqrt(2 * math.log(10))
    assert told["ra_dec_error"] == pytest.approx([2e-4 * wider, 1e-4 * wider, 90.0])
    apparent = json.loads(as_json(alert(facts=FACTS | {"corrected": None})))
    assert apparent["flux_density"] == pytest.approx(0.976e-23, rel=1e-9, abs=0)
    assert "apparent: no primary beam" in apparent["additional_info"]


@pytest.mark.parametrize("tense", ["injection", "test"])
def test_what_is_not_real_says_so_in_id_and_tense_and_words(tense: str) -> None:
    """Even if whoever has made the alert forgot it in the id."""
    made = alert(tense=tense)  # type: ignore[arg-type]
    for each in (made, replace(made, id=f"{EVENT}.1")):
        told = json.loads(as_json(each))
        assert (told["id"], told["alert_tense"]) == (f"{tense}-{EVENT}", tense)
        assert told["additional_info"].startswith("NOT REAL: ")


def test_what_is_taken_back_is_told_without_what_was_measured() -> None:
    """Nobody takes it for an event then; it has the id and time by which it is known."""
    told = json.loads(as_json(alert("retraction", number=3)))
    assert (told["alert_type"], told["id"], told["record_number"]) == ("retraction", EVENT, 3)
    assert told["additional_info"] == "it was a satellite."
    assert told["trigger_time"] == "2020-06-27T18:41:36.000000Z"
    assert not told.keys() & {"ra", "dec", "far", "flux_density", "image_snr"}


def test_whatever_a_person_has_written_is_text_for_all() -> None:
    """Half of a character is none."""
    written = as_json(alert("retraction", number=2, reason="a \x07 \ud800 \u03bb"))
    assert json.loads(written)["additional_info"] == "a \ufffd \ufffd \u03bb."
    assert "\u03bb".encode() in written


def test_a_summary_is_of_no_event() -> None:
    told = json.loads(as_json(summary()))
    assert told["id"] == "held-7"
    assert told["additional_info"] == "12 events are held: too many at once."
    assert not told.keys() & {"alert_type", "trigger_time", "ra"}


@pytest.mark.parametrize("each", alerts(), ids=IDS)
def test_the_same_alert_gives_the_same_sorted_bytes(each: Alert) -> None:
    """Whatever the order of its facts; a value that is not a number is left out, so that it is JSON."""
    facts = {**each.facts, "snr": math.nan, "far": math.inf}
    written = as_json(replace(each, facts=facts))
    assert written == as_json(replace(each, facts=dict(reversed(facts.items()))))
    told = json.loads(written)
    assert list(told) == sorted(told)
    assert not told.keys() & {"image_snr", "far"}


def test_all_kinds_of_alerts_are_by_the_schema_of_gcn(tmp_path: Path) -> None:
    """The schema is that of npm's package, with no other word allowed; and the check sees what is wrong."""
    faults = validator(packed(tmp_path))
    for each in alerts():
        told = json.loads(as_json(each))
        assert faults(told) == [], each.id
        for wrong in ({"alert_type": "first"}, {"ra": "10h"}, {"snr": 8.0}, {"spectral_band": [1.0]}, {"$schema": "x"}):
            assert faults(told | wrong), wrong
