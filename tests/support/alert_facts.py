"""Alerts of an event whose facts are as `event.json` has them."""

from typing import Any, get_args

from fip.alerts.told import alert_id
from fip.alerts.words import Alert, Kind, Tense

EVENT = "89aabbcc-I-000012-3"
ISSUED = 5100000113.25  # s UTC since MJD 0: 2020-06-27T18:41:53.250000

FACTS: dict[str, Any] = {
    "id": EVENT, "kind": "transient", "labels": [],
    "ra": 154.956, "dec": -45.016, "ra_err": 2e-4, "dec_err": 1e-4,
    "begin": "2020-06-27T18:41:36.000000", "end": "2020-06-27T18:42:08.000000", "time_err": 0.2, "duration": 32.0,
    "closed": True, "first": 12, "last": 15, "width": 4, "average": 1, "snr": 20.0, "threshold": 6.5, "flux": 1.0,
    "stokes": "I", "field": "", "run": "89aabbccddeeff001122334455667788", "name": "flare", "x": 60.37, "y": 41.68,
    "forced": {"value": 0.98, "error": 0.05}, "unbiased": {"value": 0.976, "error": 0.05},
    "corrected": {"value": 1.25, "error": 0.064}, "primary_beam": 0.78, "steady": None,
    "spectrum": [{"frequency": 1.2e9, "value": 1.3, "error": 0.1}, {"frequency": 1.3e9, "value": 1.2, "error": 0.1}],
    "spectrum_of": "corrected", "spectral_index": {"value": -1.5, "error": 0.4},
    "images": 29, "images_on": 4, "window": 64, "left_out": [], "looks": [],
    "far": 2.5e-7, "ellipse": {"major": 2e-4, "minor": 1e-4, "angle": 30.0}, "telescope": "MeerKAT",
    "band": [1.175e9, 1.325e9], "window_begin": "2020-06-27T18:40:00.000000",
    "window_end": "2020-06-27T18:44:00.000000",
    "flux_before": {
        "images": 12, "begin": "2020-06-27T18:40:00.000000", "end": "2020-06-27T18:41:36.000000",
        "value": 0.01, "error": 0.03, "each": 0.1,
    },
    "flux_after": {
        "images": 13, "begin": "2020-06-27T18:42:08.000000", "end": "2020-06-27T18:44:00.000000",
        "value": -0.01, "error": 0.028, "each": 0.1,
    },
    "matches": [{"name": "PSR J1020-4459", "of": "pulsars", "separation": 12.5, "chance": 0.003}],
}  # fmt: skip

FOUND = {
    name: FACTS[name]
    for name in ("id", "kind", "labels", "ra", "dec", "begin", "end", "first", "last", "snr", "flux", "stokes", "field")
}
"""What is known of an event before it was measured."""


def alert(kind: Kind = "initial", tense: Tense = "current", number: int = 1, **changes: Any) -> Alert:
    """One of `EVENT`, which cites those before it."""
    cites = tuple(alert_id(EVENT, each, tense) for each in range(1, number))
    given = {"facts": FACTS, "cites": cites, "reason": "it was a satellite" if kind == "retraction" else ""}
    return Alert(alert_id(EVENT, number, tense), EVENT, kind, tense, ISSUED, **(given | changes))


def alerts() -> list[Alert]:
    """One of each kind, of each tense, measured and not."""
    tenses, kinds = get_args(Tense), [each for each in get_args(Kind) if each != "summary"]
    made = [alert(kind, tense, number) for tense in tenses for number, kind in enumerate(kinds, 1)]
    return [*made, alert(facts=FOUND), alert("retraction", number=2, facts={}), summary()]


def summary() -> Alert:
    """Return the alert that says that many events are held back."""
    return Alert("held-7.1", "held-7", "summary", "current", ISSUED, {}, reason="12 events are held: too many at once")
