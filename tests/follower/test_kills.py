"""A follower that is killed again and again, at random and at named moments, finds what an undisturbed one finds."""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fip.follower.course import Course, Habits
from fip.follower.journal import JOURNAL
from fip.follower.step import load_step
from support.followed_images import HANGS_AT, FollowedImages, position, recorded
from support.follower_lives import FollowerLives

STEP = "support.followed_images:trace"
CHECKPOINT = 16
WITHIN = 60.0  # s, for what a life is waited for
MOMENTS = {
    "the ledger was read": ("after", "fip.archive.follow:Follow._look"),
    "an image is to be read": ("before", "fip.follower.course:read_followed"),
    "an image was read, and no step called": ("before", "fip.follower.step:Step.__call__"),
    "a step was called, and nothing recorded": ("before", "fip.follower.journal:Journal.record"),
    "a statement of a transaction was run": ("after", "fip.archive.ledger_file:LedgerFile.write"),
    "a decision is on disk": ("after", "fip.follower.journal:Journal.record"),
    "a checkpoint is due": ("before", "fip.follower.checkpoints:Checkpoints.write"),
    "a checkpoint is written beside": ("after", "fip.archive.folder:Folder.write_from"),
    "a checkpoint has its name": ("after", "fip.archive.folder:Folder.replace"),
    "an old checkpoint is to go": ("before", "fip.archive.folder:Folder.unlink"),
    "a checkpoint is done": ("after", "fip.follower.checkpoints:Checkpoints.write"),
    "images were seen again": ("after", "fip.follower.course:Course._seen_again"),
}
ONCE = ("checkpoint", "images were seen again")  # in a life, or not at all


@dataclass
class Lives:
    """What a test of kills leaves."""

    images: Path
    folder: Path  # of the follower
    moments: Counter[str] = field(default_factory=Counter)  # at which lives ended

    @property
    def position(self) -> int:
        """How far the follower is."""
        return position(self.folder) if (self.folder / JOURNAL).exists() else 0


class Coming:
    """Slices become known a few at a time, some of them failed or expired, out of order."""

    def __init__(self, directory: Path, count: int, chance: random.Random) -> None:
        self.known, self.count, self._chance = 0, count, chance
        self._failed = set(chance.sample(range(count), count // 20))
        self._expired = set(chance.sample(sorted(set(range(count)) - self._failed), count // 20))
        self._images = FollowedImages(directory, count)

    def more(self, most: int) -> None:
        """The next slices, at most so many."""
        end = min(self.count, self.known + self._chance.randint(1, most))
        if self.known < end:
            self._images.put_all(range(self.known, end), self._failed, self._expired, self._chance)
        self.known = end

    def close(self) -> None:
        """Store all that are left, then close."""
        self.more(self.count)
        while self.known < self.count:
            self.more(self.count)
        self._images.close()


def kill_often(tmp_path: Path, count: int, kills: int) -> Lives:
    """A follower is killed so often while so many images come."""
    chance = random.Random(count)
    lived = Lives(tmp_path / "images", tmp_path / "found" / "images")
    configuration = tmp_path / "fip.toml"
    configuration.write_text(
        f'[ventilator]\ncontrol = "ipc://{tmp_path}/nobody"\n[sink]\ndirectory = "{lived.images}"\n'
        f'[follower.trace]\nstep = "{STEP}"\nfolder = "{lived.folder.parent}"\ncheckpoint = {CHECKPOINT}\n'
    )
    arguments = ("--config", configuration, "--name", "trace")
    coming = Coming(lived.images, count, chance)
    with FollowerLives(tmp_path / "log") as lives:
        for number in range(kills):
            name = "at random" if number % 2 else [*MOMENTS][number // 2 % len(MOMENTS)]
            calls = 1 if any(each in name for each in ONCE) else chance.randint(1, 8)
            life = lives.start(arguments, (*MOMENTS[name], calls) if name in MOMENTS else None)
            coming.more(6)
            target = chance.randint(lived.position, coming.known)
            give_up = time.monotonic() + WITHIN
            while not life.ended(0.002):
                assert time.monotonic() < give_up, f"life {number}, to end {name}, stands still"
                if name not in MOMENTS and lived.position >= target:
                    life.ended(0.02 * chance.random())
                    break
                if lived.position == coming.known == count:
                    name = "when all was seen"
                    break
                if lived.position == coming.known:
                    coming.more(4)
            lived.moments[name] += 1
            life.kill()
        coming.close()
        life = lives.start(arguments)
        give_up = time.monotonic() + WITHIN
        while lived.position < count:
            assert not life.ended(0.01)
            assert time.monotonic() < give_up, "the last life stands still"
        life.kill()
    return lived


def check(lived: Lives, kills: int) -> None:
    """What was found is what an undisturbed follower finds; every moment was one at which a life ended."""
    undisturbed = Course(lived.images, lived.folder.parent / "undisturbed", load_step(STEP), Habits(CHECKPOINT))
    while undisturbed.advance():
        pass
    undisturbed.close()
    found, expected = recorded(lived.folder), recorded(lived.folder.parent / "undisturbed")
    assert found == expected
    assert {outcome for *_, outcome, _ in expected["decisions"]} == {"stored", "failed", "expired"}
    assert not expected["cold starts"]
    assert lived.moments.total() == kills
    assert set(lived.moments) - {"when all was seen"} == {*MOMENTS, "at random"}


@pytest.mark.timeout(120)
def test_a_follower_that_is_killed_at_any_moment_finds_what_an_undisturbed_one_finds(tmp_path: Path) -> None:
    """Every named moment once, and as many at random."""
    kills = 2 * len(MOMENTS)
    check(kill_often(tmp_path, 12 * kills, kills), kills)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_hundred_kills_over_a_thousand_images(tmp_path: Path) -> None:
    """The same as above, with more kills and images."""
    lived = kill_often(tmp_path, 1000, 200)
    check(lived, 200)


@pytest.mark.timeout(120)
def test_an_image_at_which_a_step_hangs_is_given_up_by_the_next_life(tmp_path: Path) -> None:
    """The daemon notes it and feeds its watchdog no more; once it is started again, it goes on with the next image."""
    images = FollowedImages(tmp_path / "images", 5)
    images.put(*range(5))
    images.close()
    folder = tmp_path / "found" / "images"
    configuration = tmp_path / "fip.toml"
    configuration.write_text(
        f'[ventilator]\ncontrol = "ipc://{tmp_path}/nobody"\n[sink]\ndirectory = "{tmp_path}/images"\n'
        f'[follower.hang]\nstep = "support.followed_images:hang"\nfolder = "{folder.parent}"\nstep_within = 0.2\n'
    )
    arguments = ("--config", configuration, "--name", "hang")
    give_up = time.monotonic() + WITHIN
    with FollowerLives(tmp_path / "log") as lives:
        life = lives.start(arguments)
        while not (folder / "hung.json").exists():
            assert not life.ended(0.01)
            assert time.monotonic() < give_up, "nobody has noted that the step hangs"
        life.kill()
        life = lives.start(arguments)
        while position(folder) < 5:
            assert not life.ended(0.01)
            assert time.monotonic() < give_up, "the next life stands still"
        life.kill()
    outcomes = [(index, outcome) for _, _, index, outcome, _ in recorded(folder)["decisions"]]
    assert outcomes == [(0, "stored"), (1, "stored"), (HANGS_AT, "error"), (3, "stored"), (4, "stored")]
