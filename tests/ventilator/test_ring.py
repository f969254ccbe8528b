"""The ring of cut slices: what is in it comes out of it, or is cut again; what it cannot take costs nothing."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fip.archive.folder import Folder
from fip.data.names import SliceId
from fip.source.requests import Cut
from fip.ventilator import ring as module
from fip.ventilator.ring import Ring
from fip.ventilator.ring_entry import decode_entry, encode_entry
from fip.wire.messages import RingState
from support.kept_slices import cut
from support.kept_slices import ring as ring_in

KEY, OTHER = SliceId("0123456789abcdef", 7), SliceId("0123456789abcdef", 8)


def told(ring: Ring) -> RingState:
    """Return how full the ring is."""
    assert ring.state
    return ring.state


def put(ring: Ring, key: SliceId, made: Cut) -> None:
    """Put it there; whoever asked gets a notice."""
    ended: list[bool] = []
    ring.put(key, made, lambda: ended.append(True))
    assert ended == [True]


def taken(ring: Ring, key: SliceId) -> tuple[Cut | None, bool]:
    """What is taken out, or whether it may be later."""
    found: list[tuple[Cut | None, bool]] = []
    ring.take(key, lambda *what: found.append(what))
    return found[0]


def file_of(folder: Path, key: SliceId) -> Path:
    """Return the path of a slice."""
    return folder / "ring" / f"{key.run}.{key.slice:010d}.slice"


def test_a_slice_comes_out_as_it_was_put_in_also_by_the_next_ventilator(tmp_path: Path) -> None:
    """It comes with all that is said of it; and it stays until it is stored."""
    put(ring_in(tmp_path), KEY, cut())
    for _ in range(2):
        ring = ring_in(tmp_path)
        assert (ring.held(KEY.run), ring.holds(KEY), ring.holds(OTHER)) == (((7, 8),), True, False)
        found, _ = taken(ring, KEY)
        assert found
        assert [bytes(frame) for frame in found.frames] == [bytes(frame) for frame in cut().frames]
        assert (found.nbytes, found.seconds, found.ill, found.corrected) == (5000, 0.25, {"b": 2.0}, {"gains": 0.1})
        assert found.antennas.names == ("a", "b", "c")
        np.testing.assert_array_equal(found.antennas[1:], cut().antennas[1:])
    ring.drop(KEY.run, [6, 7])
    ring.close()
    assert list(tmp_path.iterdir()) == []


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda content: b"",
    "cut short": lambda content: content[:-1],
    "a bit": lambda content: content[:-200] + bytes([content[-200] ^ 1]) + content[-199:],
    "more": lambda content: content + b"x",
    "another's": lambda content: encode_entry(OTHER, cut()),
    "another run's": lambda content: encode_entry(SliceId("fedcba9876543210", 7), cut()),
    "another file": lambda content: b"SIMPLE  = " + 2870 * b" ",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_damaged_or_foreign_is_no_slice_and_goes(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported, and is to be cut again."""
    put(ring_in(tmp_path), KEY, cut())
    path = file_of(tmp_path, KEY)
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    ring = ring_in(tmp_path)
    assert taken(ring, KEY) == (None, False)
    assert not ring.holds(KEY)
    assert not path.exists()
    assert "slice 7 of run 0123456789abcdef is damaged in the ring of cut slices" in caplog.text


def test_a_slice_of_another_version_is_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames are sent as they are."""
    monkeypatch.setattr("fip.ventilator.ring_entry.PROTOCOL", 1)
    content = encode_entry(KEY, cut())
    assert decode_entry(content, KEY)
    monkeypatch.undo()
    assert decode_entry(content, KEY) is None


def test_what_was_being_written_goes_and_what_is_not_its_own_stays(tmp_path: Path) -> None:
    """A ventilator was killed as it wrote, and somebody has put a file there."""
    put(ring_in(tmp_path), KEY, cut())
    half, notes = Path(f"{file_of(tmp_path, OTHER)}.new"), tmp_path / "ring" / "notes.txt"
    half.write_bytes(b"FIPCUT1\n")
    notes.write_text("mine")
    ring = ring_in(tmp_path)
    assert told(ring).slices == 1
    assert not half.exists()
    assert notes.exists()


def test_it_takes_no_more_than_it_may_and_the_oldest_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Said once, until there is room for long."""
    size = len(encode_entry(KEY, cut()))
    ring = ring_in(tmp_path, most=3 * size + size // 2)
    for index in range(3):
        assert ring.takes
        put(ring, SliceId(KEY.run, index), cut())
    assert (told(ring).room, told(ring).size) == (0, 3 * size)
    assert not ring.takes
    assert not ring.takes
    put(ring, SliceId(KEY.run, 3), cut())
    assert ring.held(KEY.run) == ((0, 3),)
    assert sum("is full" in record.message for record in caplog.records) == 1
    ring.drop(KEY.run, [0])
    assert (ring.held(KEY.run), told(ring).room) == (((1, 3),), 1)


def test_a_disk_that_is_full_costs_nothing_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again now and then, and what was in it stays."""
    caplog.set_level(logging.INFO)
    full = False

    class Full(Folder):
        def write_new(self, name: str, content: bytes | memoryview) -> None:
            super().write_new(name, content)
            if full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    ring = ring_in(tmp_path, open_folder=Full)
    put(ring, KEY, cut())
    full = True
    for _ in range(2):
        put(ring, OTHER, cut())
        assert (ring.holds(OTHER), ring.takes) == (False, False)
    assert told(ring).trouble.endswith("cannot be written: No space left on device")
    assert sum("No space left" in record.message for record in caplog.records) == 1
    assert [each.name for each in (tmp_path / "ring").iterdir()] == [file_of(tmp_path, KEY).name]
    assert taken(ring, KEY)[0]
    full = False
    put(ring, OTHER, cut())
    assert (ring.holds(OTHER), told(ring).trouble) == (True, "")
    assert "can be written again" in caplog.text


def test_it_leaves_room_for_the_queue_of_jobs(tmp_path: Path) -> None:
    """Which is on the same disk."""

    class Nearly(Folder):
        def free(self) -> float:
            return 0.04

    ring = ring_in(tmp_path, open_folder=Nearly)
    put(ring, KEY, cut())
    assert not ring.holds(KEY)
    assert "less than 5% of its disk is free" in told(ring).trouble


def test_what_the_disk_does_not_give_now_may_come_later(tmp_path: Path) -> None:
    """After many times it is taken to be damaged."""

    class Gone(Folder):
        def read(self, name: str, most: int = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    put(ring_in(tmp_path), KEY, cut())
    ring = ring_in(tmp_path, open_folder=Gone)
    assert [taken(ring, KEY) for _ in range(module.MOST_READ)] == [(None, True)] * (module.MOST_READ - 1) + [
        (None, False)
    ]
    assert not ring.holds(KEY)


def test_one_that_is_not_needed_is_not_told_of(tmp_path: Path) -> None:
    """It is not made either."""
    ring = ring_in(tmp_path)
    ring.needed = False
    assert ring.state is None
    none = ring_in(tmp_path, most=module.NONE)
    assert (none.takes, none.state) == (False, None)
    assert list(tmp_path.iterdir()) == []
