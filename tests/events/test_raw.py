"""What was received at the time of an event is set aside when the event is reported, before the ring drops it."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive import entries
from fip.archive.follow import Turn
from fip.archive.ledger import Ledger
from fip.events import raw
from fip.events.detector import detector_step
from fip.events.keeping import as_json
from fip.events.publishing import Publisher
from fip.events.raw import MARGIN, RAW, UNIX, Raw, window
from fip.events.words import FOLDER, Asked, Found, Series, Thresholds
from fip.follower.course import Course
from fip.search.words import Event, Peak
from fip.spool.reading import Spool
from support.followed_images import FollowedImages
from support.noise_fields import searched_field
from support.spools import SETUP, put, writer
from support.spools import START as FIRST
from support.stored_run import GRID, RUN

SERIES = Series(RUN, "night", "", "I", 0, 1, GRID, 128 * 128, searched_field(128, 5.0), Thresholds(6.5, 5.5))
CADENCE = SETUP.cadence


def found(number: int, first: int, last: int, snr: float = 9.0) -> Found:
    """An event in these integrations, or a candidate."""
    best = Peak(60.0, 60.0, first, last + 1 - first, snr, 1, snr, (first, last))
    event = Event(number, best, first, first, last, last, 1, closed=True)
    begin, end = (UNIX + FIRST + CADENCE * each for each in (first - 0.5, last + 0.5))
    return Found(SERIES, event, begin, end)


def images(folder: Path, of: Path) -> Path:
    """A directory of images of a spool."""
    made = FollowedImages(folder, 3, of=of)
    made.put(0)
    made.close()
    return folder


def dumps(event: Path) -> list[int]:
    """Return the dumps that are set aside."""
    found: list[int] = Spool(event / RAW).records["dump"].tolist()
    return found


def test_an_event_has_as_much_before_it_and_after_it_as_it_lasts() -> None:
    """It has some if the event is short; if the event does not end, it is bounded."""
    short, long, endless = (window(found(0, 5000, 5000 + last), CADENCE) for last in (0, 39, 100_000))
    first = FIRST + CADENCE * 4999.5
    assert short == pytest.approx((first - MARGIN * CADENCE, first + (MARGIN + 1) * CADENCE))
    assert long == pytest.approx((first - 40 * CADENCE, first + 80 * CADENCE))
    assert endless == pytest.approx((first - 1000 * CADENCE, first + 2000 * CADENCE))


def test_what_comes_after_an_event_is_set_aside_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ring drops what it will; once later integrations have come, nothing more is looked at."""
    monkeypatch.setattr(raw, "EVERY", 0.0)
    writing = writer(tmp_path, keep=15)
    put(writing, range(31))
    directory = images(tmp_path / "images", writing.path)
    keeping, event = Raw(directory, directory / FOLDER), found(0, 30, 30)
    folder = directory / FOLDER / event.id
    with closing(keeping):
        keeping.keep([replace(event, event=replace(event.event, closed=False))])
        assert dumps(folder) == list(range(20, 31))
        put(writing, range(31, 46))
        keeping.keep([event])
        assert dumps(folder) == list(range(20, 41))
        before = (folder / RAW).stat().st_ino
        put(writing, range(46, 80))
        keeping.keep([replace(event, end=event.end + 100 * CADENCE)])
        assert (folder / RAW).stat().st_ino == before


def test_a_run_of_anything_else_has_nothing_to_set_aside(tmp_path: Path) -> None:
    """No folder is made for it."""
    directory = images(tmp_path / "images", tmp_path / "night.ms")
    with closing(Raw(directory, directory / FOLDER)) as keeping:
        keeping.keep([found(0, 30, 30)])
    assert not (directory / FOLDER).exists()


def test_what_cannot_be_set_aside_is_said_once_and_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Here a file is in the place of a folder; the next event is kept."""
    monkeypatch.setattr(raw, "EVERY", 0.0)
    writing = writer(tmp_path)
    put(writing, range(60))
    directory = images(tmp_path / "images", writing.path)
    first, second = found(0, 20, 20), found(1, 40, 40)
    (directory / FOLDER).mkdir()
    (directory / FOLDER / first.id).touch()
    with closing(Raw(directory, directory / FOLDER)) as keeping:
        for _ in range(2):
            keeping.keep([first, second])
    assert dumps(directory / FOLDER / second.id) == list(range(30, 51))
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith(f"event {first.id}: its raw data are not set aside: ")


def test_a_detector_sets_aside_what_it_tells(tmp_path: Path) -> None:
    """Data are set aside for an event that pins its images; for a candidate, none are."""
    writing = writer(tmp_path)
    put(writing, range(40))
    directory = images(tmp_path / "images", writing.path)
    told, candidate = found(0, 20, 20), found(1, 25, 25, snr=6.0)
    with closing(Course(directory, directory / FOLDER, detector_step(Asked()))) as course:
        with closing(Ledger(directory, read_only=True)) as ledger:
            (series,) = map(entries.Series, ledger.runs())
        course.journal.position(series)
        entered = [{"what": "series", "key": "", "series": as_json(SERIES)}] + [
            {"what": "event", "key": "", "event": as_json(each.event), "begin": each.begin, "end": each.end}
            for each in (told, candidate)
        ]
        course.journal.record(Turn(series, 0, "stored"), "stored", "", list(map(json.dumps, entered)))
        with closing(Publisher(course, Asked())) as publisher:
            publisher.publish(idle=False)
    assert dumps(directory / FOLDER / told.id) == list(range(10, 31))
    assert not (directory / FOLDER / candidate.id / RAW).exists()
