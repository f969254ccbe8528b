"""The draft of a circular."""

import re

import pytest

from fip.alerts.circular import as_text
from fip.alerts.words import Alert
from support.alert_facts import EVENT, FACTS, FOUND, alert, alerts, summary


def told(made: Alert) -> dict[str, str]:
    """What stands behind each title, in one line."""
    lines: dict[str, str] = {}
    title = ""
    for line in as_text(made).decode().splitlines():
        if found := re.match(r"([A-Za-z /]+):\s+(.*)", line):
            title, line = found[1], found[2]
            lines[title] = line
        elif not line:
            title = ""
        elif title:
            lines[title] += f" {line.strip()}"
    return lines


def test_all_that_a_circular_needs_is_drafted() -> None:
    """Place in hours and degrees with its error, times, flux over the primary beam, and how rare it is by noise."""
    draft = told(alert())
    assert draft["SUBJECT"] == "____: a radio transient found with MeerKAT"
    assert draft["AUTHORS"] == "____ (____), on behalf of ____"
    assert draft["Place"] == "ICRS 10h19m49.440s -45d00m57.60s (RA 154.95600, Dec -45.01600 deg)"
    assert draft["Its error"] == (
        "1.5 x 0.77 arcsec (semi-axes that hold 90 %, the major one 30 deg from N to E), by noise alone; astrometry: "
        "____"
    )
    assert draft["Time"] == "2020-06-27 18:41:36.000 to 2020-06-27 18:42:08.000 UTC (+- 0.2 s); 32 s, 4 images"
    assert draft["Flux density"] == (
        "1.25 +- 0.064 Jy, Stokes I; mean over its images, over the primary beam, unbiased"
    )
    assert draft["Band"] == "1175 to 1325 MHz"
    assert draft["S/N"] == ("20.0 (threshold 6.50); noise alone makes one that is as bright in 46.3 days (2.5e-07 Hz)")
    assert draft["Known nearby"].startswith("PSR J1020-4459 (pulsars), 12.5 arcsec away; by chance with")


def test_what_was_not_seen_before_and_after_is_a_limit() -> None:
    """Five standard deviations above the measured flux, over the primary beam as fluxes are; what was seen is given."""
    draft = told(alert())
    mean, each = (0.01 + 5 * 0.03) / 0.78, 5 * 0.1 / 0.78
    assert draft["Before"] == (
        f"below {mean:.2g} Jy in their mean, {each:.2g} Jy in each (2020-06-27 18:40:00.000 to 2020-06-27 18:41:36.000 "
        "UTC, 12 images; 5 sigma)"
    )
    assert draft["After"].startswith(f"below {5 * 0.028 / 0.78:.2g} Jy in their mean")
    apparent = FACTS | {"corrected": None, "flux_after": FACTS["flux_after"] | {"value": 0.3, "images": 1}}
    draft = told(alert(facts=apparent))
    assert draft["Before"].startswith("below 0.16 Jy in their mean, 0.5 Jy in each")
    assert draft["After"] == "0.3 +- 0.028 Jy (2020-06-27 18:42:08.000 to 2020-06-27 18:44:00.000 UTC, 1 image)"
    fainter = FACTS | {"stokes": "V", "corrected": None, "flux_after": FACTS["flux_after"] | {"value": -0.3}}
    assert told(alert(facts=fainter))["After"].startswith("-0.3 +- 0.028 Jy")


def test_of_what_is_not_known_nothing_is_made_up() -> None:
    draft = told(alert(facts=FOUND))
    assert draft["Flux density"].endswith("apparent: no primary beam; as it was found, not yet measured")
    assert not draft.keys() & {"Its error", "Band", "Spectral index", "Before", "After", "Known nearby"}
    assert draft["SUBJECT"] == "____: a radio transient found"
    assert "less than one that is as bright in 1000 years" in told(alert(facts=FACTS | {"far": 0.0}))["S/N"]


def test_what_is_not_to_be_sent_says_so_first() -> None:
    """What is not real in its first line; what something speaks against before its place."""
    draft = as_text(alert(tense="injection", facts=FACTS | {"labels": ["injection", "edge"]})).decode()
    assert draft.startswith("NOT REAL, NOT TO BE SENT: injection.\n")
    assert draft.index("AGAINST IT:     injection, edge") < draft.index("Place:")
    assert f"injection-{EVENT}" in draft


def test_what_is_taken_back_is_one_sentence() -> None:
    draft = as_text(alert("retraction", number=2)).decode()
    assert draft == f"SUBJECT: FIP: {EVENT} is retracted\n\nit was a satellite\n"
    assert as_text(summary()).decode() == "SUBJECT: FIP: held-7\n\n12 events are held: too many at once\n"


@pytest.mark.parametrize("each", alerts(), ids=[f"{each.kind}-{each.id}" for each in alerts()])
def test_lines_are_those_of_a_circular(each: Alert) -> None:
    """79 columns, and no space at an end."""
    lines = as_text(each).decode().splitlines()
    assert all(len(line) <= 79 and line == line.rstrip() for line in lines)
