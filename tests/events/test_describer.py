"""Events are measured and drawn in a process apart, so that images go on being searched meanwhile."""

import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fip.data.errors import UsageError
from fip.events import describer as describing
from fip.events.describer import Describer
from fip.events.detector import detector_step
from fip.events.publishing import TRIES, Publisher
from fip.events.words import Asked
from fip.follower.course import Course, Habits
from support.fip_command import WITHIN
from support.followed_images import FollowedImages
from support.stored_run import GRID, NOISE, RUN, stored_image

SMALL = replace(GRID, width=64, height=48)
COUNT, ON, PLACE = 40, (20, 24), (20, 30)
ASKED = Asked(reference="none", inject=False)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, with a source of S/N 20 in four images."""
    folder = tmp_path_factory.mktemp("images")
    coming = FollowedImages(folder, COUNT)
    x, y = np.meshgrid(np.arange(SMALL.width), np.arange(SMALL.height))
    source = 10 * NOISE * np.exp(-4 * np.log(2) * (((x - PLACE[0]) / 3) ** 2 + ((y - PLACE[1]) / 4) ** 2))
    for index in range(COUNT):
        coming.store.put(stored_image(RUN, index, grid=SMALL, add=source * (ON[0] <= index < ON[1])))
    coming.close()
    return folder


@pytest.fixture
def course(night: Path, tmp_path: Path) -> Iterator[Course]:
    """A search that is over; nothing of what it found is written."""
    images = shutil.copytree(night, tmp_path / "night", copy_function=os.link)
    with closing(Course(images, images / "transients", detector_step(ASKED), Habits())) as course:
        while course.advance():
            pass
        yield course


@pytest.fixture
def describer() -> Iterator[Describer]:
    """One that is ended with the test."""
    made = Describer()
    yield made
    made.end()


def publish_until(done: Callable[[], bool], publisher: Publisher) -> None:
    """Publish as a detector does that has nothing else to do."""
    give_up = time.monotonic() + WITHIN
    while not done():
        publisher.publish(idle=True)
        assert time.monotonic() < give_up, "it was not described"
        time.sleep(0.02)


def folders(course: Course) -> dict[str, bytes]:
    """The files in the folders of events."""
    return {path.parent.name + path.name: path.read_bytes() for path in course.folder.glob("*/*")}


def test_images_are_not_kept_waiting_while_an_event_is_described(course: Course, describer: Describer) -> None:
    """The process apart stands still; the tables are there, and nobody waits for the rest, which comes after."""
    publisher = Publisher(course, ASKED, describer=describer)
    assert not publisher.publish(idle=False)
    os.kill(describer.pid, signal.SIGSTOP)
    for idle in (False, True, True):
        assert not publisher.publish(idle)
    (event,) = publisher.found()
    assert event.id in (course.folder / "events.ecsv").read_text()
    assert folders(course) == {}
    os.kill(describer.pid, signal.SIGCONT)
    publish_until(lambda: publisher.publish(idle=True), publisher)
    apart = folders(course)
    assert [name.removeprefix(event.id) for name in sorted(apart)] == [
        "cutout.fits", "event.json", "event.png", "index.html", "light.ecsv",
    ]  # fmt: skip


def test_a_detector_that_ends_waits_for_what_is_in_work(course: Course, describer: Describer) -> None:
    """Without loading what draws itself; if the process apart has died, it is made here."""
    publisher = Publisher(course, ASKED, describer=describer)
    publisher.publish(idle=False)
    by = describer.pid
    publisher.finish()
    made = folders(course)
    assert (len(made), describer.pid, describer.free()) == (5, by, True)
    shutil.rmtree(course.folder / publisher.found()[0].id)
    another = Publisher(course, ASKED, describer=describer)
    another.publish(idle=False)
    os.kill(by, signal.SIGKILL)
    another.finish()
    assert (folders(course), describer.pid) == (made, 0)


def test_an_event_of_which_the_describer_dies_is_given_up_in_the_end(
    course: Course, describer: Describer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the tables, and the other things are done."""
    publisher = Publisher(course, ASKED, describer=describer)
    for _ in range(TRIES):
        publisher.publish(idle=False)
        os.kill(dying := describer.pid, signal.SIGKILL)
        publish_until(lambda dying=dying: describer.pid != dying, publisher)  # type: ignore[misc]
    assert publisher.publish(idle=True)
    (event,) = publisher.found()
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    died = f"{event.id}: the process that describes events died of it"
    assert told == [f"{died}; trying again", f"{died}; it has no folder"]
    assert folders(course) == {}
    assert event.id in (course.folder / "events.ecsv").read_text()


def test_one_that_takes_too_long_is_ended(
    course: Course, describer: Describer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "WITHIN", 0.0)
    publisher = Publisher(course, ASKED, describer=describer)
    publisher.publish(idle=False)
    os.kill(describer.pid, signal.SIGSTOP)
    with pytest.raises(ChildProcessError, match="was not described within 0 s"):
        describer.answer()
    assert describer.pid == 0


def test_what_cannot_be_read_is_told(course: Course, describer: Describer) -> None:
    """The words are the same as if the detector itself reads."""
    publisher = Publisher(course, ASKED, describer=describer)
    publisher.publish(idle=False)
    describer.end()
    (event,) = publisher.found()
    describer.ask(course.directory / "gone", event)
    give_up = time.monotonic() + WITHIN
    with pytest.raises(UsageError, match=r"gone: no fip\.sqlite in it"):
        while describer.answer() is None:
            assert time.monotonic() < give_up
            time.sleep(0.02)


STARTS = """
import os, signal, sys, time
from pathlib import Path
from fip.events.describer import Describer
describer = Describer()
describer.ask(Path("/nowhere"), None)
print(describer.pid, flush=True)
sys.stdin.read()
"""


def test_the_process_apart_ends_with_the_detector() -> None:
    """Whatever it is doing. To load what it needs takes seconds; here it stands still in the midst of that."""
    with subprocess.Popen([sys.executable, "-c", STARTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as detector:
        assert detector.stdout
        pid = int(detector.stdout.readline())
        with os.fdopen(os.pidfd_open(pid)) as apart:
            while "numpy" not in Path(f"/proc/{pid}/maps").read_text():
                time.sleep(0.005)
            os.kill(pid, signal.SIGSTOP)
            detector.kill()
            ended, _, _ = select.select([apart], [], [], 20)
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(apart.fileno(), signal.SIGKILL)
    assert ended
