"""What a search finds is entered as it is to be sent: real images, the real search, a real outbox."""

import json
from contextlib import closing
from pathlib import Path

import pytest

import fip.events.folder
from fip.alerts.entries import Delivery
from fip.alerts.outbox import Outbox
from fip.alerts.policy import RECENT, STANDS
from fip.alerts.taking_back import release_hold
from fip.config import AlertTarget
from support.alerting_night import AlertingNight, Source
from support.entered_alerts import became
from support.stored_run import RUN

HERE = {"hub": AlertTarget(url="http://127.0.0.1:9")}
TOLD: Source = (12.3, 20.6, 18, 5, 6.0)
EVENT = f"{RUN[:8]}-I-000018-0"


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the drawing of pictures: it takes a while."""
    monkeypatch.setattr(fip.events.folder, "_picture", lambda *given: b"a picture")


def deliveries(folder: Path) -> list[Delivery]:
    """Return all deliveries of the outbox."""
    with closing(Outbox(folder, read_only=True)) as box:
        return list(box.deliveries())


def entered(folder: Path) -> list[tuple[str, str]]:
    """The kind and the id of each alert."""
    return [(each.kind, each.id) for each in deliveries(folder)]


def first_due(box: Outbox, now: float) -> str:
    """The kind of what the target is sent next; "" if nothing is."""
    due = box.next_due("hub", now)
    return due.kind if due else ""


def test_an_event_is_told_when_it_has_stood(tmp_path: Path) -> None:
    """It has what was measured, and is reported once, however often it is looked at, and whoever looks."""
    with closing(AlertingNight(tmp_path, 60, HERE, (TOLD,))) as night:
        night.images(0, 22 + STANDS)
        assert entered(night.folder) == []
        night.images(22 + STANDS, 40)
        [(kind, identity)] = entered(night.folder)
        assert kind == "initial"
        [delivery] = deliveries(night.folder)
        measured = json.loads((night.folder / delivery.event / "event.json").read_text())
        assert measured["id"] == delivery.facts["id"] == delivery.event
        assert delivery.facts["forced"] == measured["forced"]
        assert json.loads(delivery.body)["image_snr"] == pytest.approx(measured["snr"])
        night.forget()
        night.images(40, 60)
        assert entered(night.folder) == [(kind, identity)]
        with closing(Outbox(night.folder, read_only=True)) as box:
            assert box.reached()[0] > 18


def test_an_event_that_gets_a_label_is_taken_back(tmp_path: Path) -> None:
    """It turned out to move: others follow on a line."""
    line: tuple[Source, ...] = tuple((6.0 + 10 * number, 20.0, 20 + 14 * number, 1, 12.0) for number in range(4))
    with closing(AlertingNight(tmp_path, 80, HERE, line)) as night:
        night.images(0, 33)
        assert [kind for kind, _ in entered(night.folder)] == ["initial"]
        night.images(33, 80)
        said = [(each.kind, each.became, each.said) for each in deliveries(night.folder)]
    assert {became for _, became, _ in said} == {"dropped"}  # nobody had heard of them
    assert {each for _, _, each in said} <= {
        "taken back: it moves, as satellites and aircraft do",
        "taken back: it has turned out to be part of another event",
    }


def test_a_storm_is_held_with_one_summary(tmp_path: Path) -> None:
    """Until it is released by name: then what it brought waits, and what comes later is sent."""
    storm = tuple((6.0 + 9 * number, 8.0 + 30 * (number % 2), 20, 1, 14.0) for number in range(5))
    later: Source = (24.0, 24.0, 60, 2, 12.0)
    with closing(AlertingNight(tmp_path, 110, HERE, (*storm, later))) as night:
        night.images(0, 40)
        with closing(Outbox(night.folder)) as box:
            hold = box.hold()
            assert hold is not None
            assert (hold.cause, hold.name) == ("slice", f"{RUN[:8]}-slice-1")
            assert first_due(box, night.clock) == "summary"
        assert entered(night.folder) == [("summary", f"{RUN[:8]}-slice-1.1")]
        release_hold(night.folder, hold.name)
        night.images(40, 80)
        assert [kind for kind, _ in entered(night.folder)] == ["summary", "initial"]
        with closing(Outbox(night.folder)) as box:
            assert box.hold() is None


def test_bad_gains_hold_all_with_one_summary(tmp_path: Path) -> None:
    """If half of the last images say so: an event among them is not sent."""
    with closing(AlertingNight(tmp_path, 60, HERE, (TOLD,))) as night:
        for index in range(60):
            night.image(index, "calibration" if index >= 15 else "good")
        with closing(Outbox(night.folder)) as box:
            assert [each.cause for each in box.holds()] == ["gains"]
            assert first_due(box, night.clock) == "summary"
    assert [kind for kind, _ in entered(night.folder)] == ["summary", "initial"]


def test_what_is_old_is_not_told_unless_that_is_asked_for(tmp_path: Path) -> None:
    """By the clock of whoever looks; if it is asked for, it is sent as archival."""
    with closing(AlertingNight(tmp_path, 60, HERE, (TOLD,))) as night:
        night.late = RECENT
        night.images(0, 60)
        assert entered(night.folder) == []
        night.archival = True
        night.forget()
        assert [(each.kind, each.tense, each.became) for each in deliveries(night.folder)] == [
            ("initial", "archival", "due")
        ]


def test_what_fip_put_in_is_not_told(tmp_path: Path) -> None:
    """But to who asks for it, under a name that says so."""
    targets = {**HERE, "trial": AlertTarget(url="http://127.0.0.1:9", injections=True)}
    with closing(AlertingNight(tmp_path, 240, targets, inject=True)) as night:
        for index in range(240):
            night.image(index, look=index >= 205)
        found = became(night.folder)
    assert found
    assert all(identity.startswith("injection-") and target == "trial" for identity, target in found)
