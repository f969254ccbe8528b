"""A detector that is killed again and again, and the sink beside it, finds what an undisturbed one finds."""

import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from fip.events.words import FOLDER, Asked
from fip.follower.journal import JOURNAL
from fip.local.detecting import search
from support.followed_images import position, recorded
from support.follower_lives import FollowerLives
from support.searched_images import PERIOD, frontier

DETECTOR, SINK = "support.detector_life", "support.searched_images"
WITHIN = 120.0  # s, for what a life is waited for
MOMENTS = {
    "an image was read, and not searched": ("before", "fip.follower.step:Step.__call__"),
    "an image was searched, and nothing recorded": ("before", "fip.follower.journal:Journal.record"),
    "a statement of a transaction was run": ("after", "fip.archive.ledger_file:LedgerFile.write"),
    "a decision is on disk": ("after", "fip.follower.journal:Journal.record"),
    "a file is written beside": ("after", "fip.archive.folder:Folder.write_new"),
    "a file has its name": ("after", "fip.archive.folder:Folder.replace"),
    "a checkpoint is done": ("after", "fip.follower.checkpoints:Checkpoints.write"),
    "images were seen again": ("after", "fip.follower.course:Course._seen_again"),
    "events are to be published": ("before", "fip.events.publishing:Publisher.publish"),
    "events were published": ("after", "fip.events.publishing:Publisher.publish"),
}
SINKS = {
    "a file is written beside": ("after", "fip.archive.folder:Folder.write_new"),
    "a file has its name": ("after", "fip.archive.folder:Folder.link"),
    "an image is to be entered": ("before", "fip.archive.ledger:Ledger.add"),
    "an image was entered": ("after", "fip.archive.ledger:Ledger.add"),
}
ONCE = ("checkpoint", "seen again", "published")  # in a life, or not at all


def kill_often(tmp_path: Path, count: int, kills: int) -> Counter[str]:
    """A detector, and a sink, are killed so often while so many images come; the moments at which lives ended."""
    chance = random.Random(count)
    directory, folder = tmp_path / "images", tmp_path / "images" / FOLDER
    configuration = tmp_path / "fip.toml"
    configuration.write_text(f'[ventilator]\ncontrol = "ipc://{tmp_path}/nobody"\n[sink]\ndirectory = "{directory}"\n')
    moments: Counter[str] = Counter()
    known = 0

    def where() -> int:
        return position(folder) if (folder / JOURNAL).exists() else 0

    with FollowerLives(tmp_path / "log") as lives:

        def store(most: int, name: str = "") -> None:
            """The sink stores some more, and is perhaps killed; it has ended then."""
            nonlocal known
            known = min(count, known + most)
            point = (*SINKS[name], chance.randint(1, 4)) if name else None
            life = lives.start((directory, count, known), point, SINK)
            assert life.ended(WITHIN)
            life.kill()

        store(8)
        for number in range(kills):
            name = "at random" if number % 2 else [*MOMENTS][number // 2 % len(MOMENTS)]
            calls = 1 if any(each in name for each in ONCE) else chance.randint(1, 8)
            life = lives.start(
                ("--config", configuration), (*MOMENTS[name], calls) if name in MOMENTS else None, DETECTOR
            )
            store(chance.randint(1, 12), [*SINKS][number % len(SINKS)])
            target = chance.randint(where(), frontier(directory, count))
            give_up = time.monotonic() + WITHIN
            while not life.ended(0.005):
                assert time.monotonic() < give_up, f"life {number}, to end {name}, stands still"
                if name not in MOMENTS and where() >= target:
                    life.ended(0.05 * chance.random())
                    break
                if where() == count:
                    name = "when all was seen"
                    break
                if where() == frontier(directory, count):
                    store(8)
            moments[name] += 1
            life.kill()
        while frontier(directory, count) < count:
            store(count)
        store(count)
        life = lives.start(("--config", configuration), None, DETECTOR)
        give_up = time.monotonic() + WITHIN
        while recorded(folder)["decisions"][-1][3] != "ended":
            assert not life.ended(0.02)
            assert time.monotonic() < give_up, "the last life stands still"
        life.kill(signal.SIGTERM)
    return moments


def published(folder: Path) -> dict[str, bytes]:
    """All that people read of what was found."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith((JOURNAL, "state-", "."))
    }


def check(tmp_path: Path, count: int, moments: Counter[str], kills: int) -> None:
    """What was found is what an undisturbed detector finds; every moment was one at which a life ended."""
    undisturbed = tmp_path / "undisturbed" / "images"
    shutil.copytree(tmp_path / "images", undisturbed, ignore=shutil.ignore_patterns(FOLDER))
    assert search(undisturbed, undisturbed / FOLDER, Asked(), lambda *said: None) == 0
    found, expected = (recorded(each / FOLDER) for each in (tmp_path / "images", undisturbed))
    assert found == expected
    assert {outcome for *_, outcome, _ in expected["decisions"]} == {"stored", "failed", "ended"}
    assert len(expected["decisions"]) == count + 1
    assert not expected["cold starts"]
    files = published(undisturbed / FOLDER)
    assert published(tmp_path / "images" / FOLDER) == files
    assert files["events.ecsv"].count(b" transient ") >= 3 * count // PERIOD
    assert moments.total() == kills
    assert set(moments) - {"when all was seen"} == {*MOMENTS, "at random"}


@pytest.mark.timeout(240)
def test_a_detector_that_is_killed_at_any_moment_finds_what_an_undisturbed_one_finds(tmp_path: Path) -> None:
    """Every named moment once, and as many at random; the sink, each time."""
    kills = 2 * len(MOMENTS)
    check(tmp_path, 12 * kills, kill_often(tmp_path, 12 * kills, kills), kills)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_hundred_kills_of_the_detector_over_two_thousand_images(tmp_path: Path) -> None:
    """The same as above, with more kills and images."""
    check(tmp_path, 2000, kill_often(tmp_path, 2000, 200), 200)
