"""Which images are pinned for which events, when that is on disk, and what is shown of them."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive import entries
from fip.archive.folder import Folder
from fip.archive.follow import Turn
from fip.archive.ledger import Ledger
from fip.archive.pins import MOST, PINS, Pin, pins_text, read_pins
from fip.data.vetting import parse_said
from fip.events.describing import as_lines, event_of
from fip.events.detector import detector_step
from fip.events.keeping import as_json
from fip.events.pinning import pins_of, repin
from fip.events.publishing import Publisher
from fip.events.vetting import enter
from fip.events.words import EVENTS, FOLDER, Asked, Found, Series, Thresholds
from fip.follower.course import Course
from fip.local.detecting import forget
from fip.search.words import Event, Peak
from support.followed_images import FollowedImages
from support.found_events import event as row
from support.found_events import write_found
from support.noise_fields import searched_field
from support.stored_run import GRID, RUN

SERIES = Series(RUN, "night", "", "I", 0, 1, GRID, 128 * 128, searched_field(128, 5.0), Thresholds(6.5, 5.5))


def found(number: int, first: int, last: int, snr: float = 9.0, labels: tuple[str, ...] = ()) -> Found:
    """An event, or a candidate, in these slices."""
    best = Peak(60.0, 60.0, first, last + 1 - first, snr, 1, snr, (first, last))
    return Found(
        SERIES, Event(number, best, first, first, last, last, 1, closed=True), float(first), last + 1.0, labels
    )


def test_what_is_told_or_called_real_is_pinned_and_the_latter_first() -> None:
    """Then the newest; what speaks against an event, or somebody said, takes its images free."""
    old, new = found(0, 100, 103), found(1, 300, 300)
    edge, satellite = found(2, 200, 201, labels=("edge",)), found(3, 220, 221)
    candidate, rescued = found(4, 240, 240, snr=6.0), found(5, 50, 50, labels=("unsteady",))
    verdicts = {satellite.id: "satellite", rescued.id: "real", old.id: "real"}
    pins = pins_of([old, new, edge, satellite, candidate, rescued], verdicts)
    assert pins == (
        Pin(old.id, RUN, "", 100, 104, 64), Pin(rescued.id, RUN, "", 50, 51, 64), Pin(new.id, RUN, "", 300, 301, 64)
    )  # fmt: skip
    assert [list(each.slices)[:: len(each.slices) - 1] for each in pins[:2]] == [[36, 167], [0, 114]]


def test_the_images_of_means_are_as_many_times_more() -> None:
    """Each image of a mean counts: the margin is 32 times larger here."""
    mean = replace(found(0, 64, 127), series=replace(SERIES, average=32, label="far"))
    assert pins_of([mean], {}) == (Pin(mean.id, RUN, "far", 64, 128, 64 * 32),)


def test_what_somebody_says_of_an_event_pins_it_or_takes_it_free_at_once(tmp_path: Path) -> None:
    """The table alone does it: no detector need be there. What is the same is not written again."""
    folder = tmp_path / FOLDER
    rows = [row("old", "", (4, 6), (5, 5)), row("edge", "edge", (7, 7), (1, 5)), row("new", "", (8, 9), (9, 9))]
    write_found(tmp_path, rows, folders=False)
    repin(folder, {})
    assert read_pins(tmp_path) == (Pin("new", RUN, "", 8, 10, 64), Pin("old", RUN, "", 4, 7, 64))
    repin(folder, {"edge": "real", "new": "rfi"})
    assert [each.event for each in read_pins(tmp_path)] == ["edge", "old"]
    before = (folder / PINS).stat().st_ino
    repin(folder, {"edge": "real", "new": "satellite"})
    assert (folder / PINS).stat().st_ino == before


def test_no_more_are_written_than_are_read(tmp_path: Path) -> None:
    """The last ones are left out."""
    (tmp_path / FOLDER).mkdir()
    pins = [Pin(str(number), RUN, "", number, number + 1, 64) for number in range(MOST + 1)]
    (tmp_path / FOLDER / PINS).write_bytes(pins_text(pins))
    assert read_pins(tmp_path) == tuple(pins[:MOST])


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Course]:
    """A detector's in a directory of images, with an event that it has just entered."""
    images = FollowedImages(tmp_path / "images", 3)
    images.put(0)
    images.close()
    with closing(Course(images.directory, images.directory / FOLDER, detector_step(Asked()))) as opened:
        with closing(Ledger(images.directory, read_only=True)) as ledger:
            (series,) = map(entries.Series, ledger.runs())
        opened.journal.position(series)
        flare = found(0, 0, 0)
        told = [
            {"what": "series", "key": "", "series": as_json(SERIES)},
            {"what": "event", "key": "", "event": as_json(flare.event), "begin": 0.0, "end": 1.0},
        ]
        opened.journal.record(Turn(series, 0, "stored"), "stored", "", list(map(json.dumps, told)))
        yield opened


def test_the_images_of_an_event_are_pinned_before_it_is_told(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that is killed between leaves no event whose images may go."""
    placed: list[str] = []

    def replacing(folder: Folder, name: str, to: str) -> None:
        placed.append(to)
        if to == EVENTS:
            raise OSError("killed")

    monkeypatch.setattr(Folder, "replace", replacing)
    monkeypatch.setattr(Folder, "sync", lambda folder: placed.append("on disk"))
    with pytest.raises(Exception, match="cannot be written"):
        Publisher(course, Asked()).publish(idle=False)
    assert placed == [PINS, "on disk", EVENTS]


def test_a_verdict_takes_images_free_and_the_detector_leaves_it_so(course: Course) -> None:
    """Whoever enters the verdict; and once it is taken back they are pinned again."""
    write_found(course.directory, [], folders=False)  # which has the table of rates, too
    publisher, flare = Publisher(course, Asked()), found(0, 0, 0)
    for said, pinned in (("rfi", []), ("none", [flare.id]), ("satellite", []), ("real", [flare.id])):
        publisher.publish(idle=False)
        enter(course.folder, flare.id, parse_said(said), "somebody", said)
        assert [each.event for each in read_pins(course.directory)] == pinned
        publisher.publish(idle=False)
        assert [each.event for each in read_pins(course.directory)] == pinned


def test_what_is_pinned_stays_so_while_a_directory_is_searched_anew(tmp_path: Path) -> None:
    """They are pinned until the new search writes its list."""
    write_found(tmp_path, [row("flare", "", (4, 4), (5, 5))])
    repin(tmp_path / FOLDER, {})
    forget(tmp_path)
    assert [path.name for path in (tmp_path / FOLDER).iterdir() if not path.name.startswith(".")] == [PINS]


def test_what_is_kept_of_an_event_is_told(tmp_path: Path) -> None:
    """How many images of its time there are, which, and how many have expired."""
    images = FollowedImages(tmp_path, 8)
    images.put(*range(8))
    images.expire(1, 2)
    images.close()
    write_found(tmp_path, [row("flare", "", (4, 4), (5, 5))], folders=False)
    kept = {"images": 6, "expired": 2, "pinned": False, "slices": [[0, 0], [3, 7]]}
    assert event_of(tmp_path, "flare")["kept"] == kept
    (tmp_path / FOLDER / PINS).write_bytes(pins_text([Pin("flare", RUN, "", 4, 5, 64)]))
    event = event_of(tmp_path, "flare")
    assert event["kept"] == {**kept, "pinned": True}
    assert (
        "  kept        6 images of its time, slices 0, 3 to 7; 2 have expired; those that find room in a tenth of "
        "the ring do not expire"
    ) in as_lines(event)
