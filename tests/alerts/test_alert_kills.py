"""A detector that is killed at any moment: every alert arrives under one id, and none of what was not committed."""

import random
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from fip.alerts.outbox import OUTBOX, Outbox
from fip.data.detecting import parse_budget
from fip.data.errors import StoreError
from fip.events.detector import written
from fip.events.findings import folded
from fip.events.listing import listed
from fip.events.words import FOLDER, Asked
from fip.follower.journal import JOURNAL, Journal
from support.followed_images import position, recorded
from support.follower_lives import FollowerLives
from support.searched_images import frontier
from support.webhook import Posted, Webhook

DETECTOR, SINK = "support.alerting_life", "support.searched_images"
WITHIN = 120.0  # s, for what a life is waited for
MOMENTS = {
    "events were published": ("after", "fip.events.publishing:Publisher.publish"),
    "alerts are to be entered": ("before", "fip.alerts.outbox:Outbox.enter"),
    "alerts are entered, and not committed": ("after", "fip.alerts.outbox:Outbox.enter"),
    "alerts were entered": ("after", "fip.alerts.reporter:Reporter.report"),
    "an alert is to be sent": ("before", "fip.alerts.outbox:Outbox.begin_try"),
    "a target may have it from now on": ("after", "fip.alerts.outbox:Outbox.begin_try"),
    "a target has it, and nobody has noted that": ("before", "fip.alerts.sender:Carrier._take"),
    "it is noted that a target has it": ("after", "fip.alerts.outbox:Outbox.settle"),
    "a statement of a transaction was run": ("after", "fip.archive.ledger_file:LedgerFile.write"),
}
CALLS = {"a statement of a transaction was run": 12}


def kill_often(tmp_path: Path, count: int, kills: int, webhook: Webhook) -> Counter[str]:
    """A detector is killed so often while so many images come; the moments at which lives ended."""
    chance = random.Random(count)
    directory, folder = tmp_path / "images", tmp_path / "images" / FOLDER
    configuration = tmp_path / "fip.toml"
    configuration.write_text(
        f'[ventilator]\ncontrol = "ipc://{tmp_path}/nobody"\n[sink]\ndirectory = "{directory}"\n'
        f'[detector]\nfalse_alarms = "1/min"\n[alerts.hub]\nurl = "{webhook.url}"\nper_hour = 3600\n'
    )
    moments: Counter[str] = Counter()

    def where() -> int:
        return position(folder) if (folder / JOURNAL).exists() else 0

    with FollowerLives(tmp_path / "log") as lives:

        def store(end: int) -> None:
            life = lives.start((directory, count, end), None, SINK)
            assert life.ended(WITHIN)
            life.kill()

        for number in range(kills):
            store(count * (number + 1) // kills)
            missing = [each for each in MOMENTS if not moments[each]]  # lives end too early for some
            names = [*MOMENTS] if number < len(MOMENTS) else missing or [*MOMENTS, "at random"]
            name = names[number] if number < len(MOMENTS) else chance.choice(names)
            point = (*MOMENTS[name], chance.randint(1, CALLS.get(name, 2))) if name in MOMENTS else None
            life = lives.start(("--config", configuration), point, DETECTOR)
            goal, give_up = frontier(directory, count), time.monotonic() + WITHIN
            while not life.ended(0.01):
                assert time.monotonic() < give_up, f"life {number}, to end {name}, stands still"
                if where() >= goal:
                    if not life.ended(chance.uniform(0.1, 0.7)):
                        name = "at random"
                    break
            moments[name] += 1
            life.kill()
        life = lives.start(("--config", configuration), None, DETECTOR)
        give_up = time.monotonic() + 5 * WITHIN  # which measures what the others had no time for
        while recorded(folder)["decisions"][-1][3] != "ended" or is_due(folder):
            assert not life.ended(0.05)
            assert time.monotonic() < give_up, "the last life stands still"
        life.kill()
    return moments


def is_due(folder: Path) -> bool:
    """Whether something is to be sent, or all is not entered yet."""
    try:
        with closing(Outbox(folder, read_only=True)) as box:
            return bool(box.counts().get("due")) or box.reached()[1] < 0 or not told(folder, box)
    except StoreError:  # it is written at this moment
        return True


def told(folder: Path, box: Outbox) -> bool:
    """Return whether everything to be sent is entered: what was found is published a moment later."""
    names, published = box.open_events(), listed([folder.parent])
    found = [each for each in published if not each["labels"] and each["kind"] != "moving"]
    return {each["id"] for each in published} == events_of(folder) and all(each["id"] in names for each in found)


def events_of(folder: Path) -> set[str]:
    """The ids of all events that the journal has."""
    with closing(Journal(folder, written(Asked(parse_budget("1/min"))))) as journal:
        return {each.id for each in folded(journal.findings_after(0)).found.values()}


def check(tmp_path: Path, count: int, kills: int) -> Counter[str]:
    """Kills, and looks at what has arrived."""
    folder, uncommitted = tmp_path / "images" / FOLDER, []

    def heard(posted: Posted) -> None:
        with closing(Outbox(folder, read_only=True)) as box:
            if (posted.id, posted.body) not in {(each.id, each.body) for each in box.deliveries()}:
                uncommitted.append(posted.id)

    with Webhook(heard=heard) as webhook:
        moments = kill_often(tmp_path, count, kills, webhook)
        posts = list(webhook.posts)
    assert uncommitted == []
    assert (folder / OUTBOX).exists()
    with closing(Outbox(folder, read_only=True)) as box:
        deliveries = list(box.deliveries())
        assert box.holds() == []
    assert {each.became for each in deliveries} <= {"sent", "dropped"}
    assert {(each.id, each.body) for each in posts} >= {(e.id, e.body) for e in deliveries if e.became == "sent"}
    assert len({each.id for each in posts}) == len({(each.id, each.body) for each in posts})
    assert {each.event for each in deliveries} <= events_of(folder)
    assert len({each.event for each in deliveries if each.became == "sent"}) >= 3
    return moments


@pytest.mark.timeout(240)
def test_alerts_survive_a_detector_that_is_killed(tmp_path: Path) -> None:
    """It is killed at every named moment once."""
    moments = check(tmp_path, 108, len(MOMENTS) + 1)
    assert moments.total() == len(MOMENTS) + 1


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_no_alert(tmp_path: Path) -> None:
    """The same, at length; every moment was one at which a life ended."""
    moments = check(tmp_path, 2000, 200)
    assert set(moments) == {*MOMENTS, "at random"}
