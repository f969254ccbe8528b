"""The ring on disk: what a writer commits is what a reader has, whoever is killed in between."""

import errno
import multiprocessing
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fip.data.errors import ConfigError, InputError, LeftTheRingError, NoRoomError, UnreadableError
from fip.spool.layout import ENDED_FILE, INDEX_FILE, RECORD, file_size, integration_file
from fip.spool.reading import Spool
from fip.spool.setup import SETUP as SETUP_JSON
from fip.spool.setup import Band, Product
from fip.spool.writing import SpoolWriter
from support.repository import ROOT
from support.spools import PRODUCTS, SETUP, START, fill, put, spool, writer


def test_what_is_committed_is_read_as_it_was(tmp_path: Path) -> None:
    """Numbers are those of what was committed: a dump that is lost takes none."""
    path = spool(tmp_path, (7, 8, 10))
    found = Spool(path)
    assert found.setup == SETUP
    assert found.ended
    assert found.records["number"].tolist() == [0, 1, 2]
    assert found.records["dump"].tolist() == [7, 8, 10]
    assert found.records["time"].tolist() == [START + 2.0 * dump for dump in (7, 8, 10)]
    again = writer(tmp_path)
    for number, dump in enumerate((7, 8, 10)):
        opened = again.begin(dump, 0.0, 0)
        fill(opened)
        arrays = found.integration(number)
        assert arrays.keys() == opened.arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, opened.arrays[name])


def test_what_nothing_came_for_is_nan_and_not_what_was_there_before(tmp_path: Path) -> None:
    """Memory is used again, and begun anew."""
    writing = writer(tmp_path, replace(SETUP, uvw=True))
    put(writing, [0])
    writing.commit(writing.begin(1, START + 2, 0), 0.0)
    arrays = Spool(writing.path).integration(1)
    assert np.isnan(arrays["0.visibility"]).all()
    assert np.isnan(arrays["uvw"]).all()
    assert not arrays["1.flag"].any()
    assert (arrays["1.weight"] == 1).all()
    assert (arrays["0.scale"] == 1).all()


def test_the_oldest_leave_and_stay_in_the_index(tmp_path: Path) -> None:
    """What is read has its memory; for what is asked for later, the error says when it left."""
    writing = writer(tmp_path, keep=3)
    put(writing, [0])
    reading = Spool(writing.path)
    before = reading.integration(0)["0.visibility"]
    kept = before.copy()
    put(writing, range(1, 8))
    assert (writing.committed, writing.oldest) == (8, 5)
    assert len([each for each in writing.path.iterdir() if each.suffix == ".int"]) == 3
    np.testing.assert_array_equal(before, kept)
    reading.refresh()
    assert (len(reading), reading.oldest()) == (8, 5)
    for number in (1, 4):
        with pytest.raises(LeftTheRingError, match=rf"{number:010d}\.int: left the ring [0-9]+\.[0-9] s before"):
            reading.integration(number)
    reading.integration(5)


def test_a_writer_that_begins_again_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """A torn record is cut off, what was half written goes, and what was kept leaves in its turn."""
    first = writer(tmp_path, keep=3)
    put(first, range(3))
    first.close()
    index = first.path / INDEX_FILE
    torn = index.read_bytes()[: RECORD.itemsize]
    index.write_bytes(index.read_bytes() + torn[:20])
    (first.path / "written.part").write_bytes(b"half")
    integration_file(first.path, 3).write_bytes(b"in place, and not in the index")
    again = writer(tmp_path, keep=3)
    assert (again.committed, again.oldest) == (3, 0)
    assert sorted(each.name for each in again.path.iterdir() if each.suffix in (".int", ".part")) == [
        f"{number:010d}.int" for number in range(3)
    ]
    put(again, [5])
    found = Spool(again.path)
    assert found.records["dump"].tolist() == [0, 1, 2, 5]
    assert found.oldest() == 1
    assert not found.ended


def test_a_torn_record_in_the_midst_of_a_look_is_seen_once_it_is_whole(tmp_path: Path) -> None:
    """Bytes of the index come in any pieces."""
    writing = writer(tmp_path)
    put(writing, range(2))
    index = writing.path / INDEX_FILE
    whole = index.read_bytes()
    index.write_bytes(whole[: RECORD.itemsize + 60])
    reading = Spool(writing.path)
    assert len(reading) == 1
    with index.open("r+b") as file:
        file.write(whole[:-4] + b"\0\0\0\0")
    reading.refresh()
    assert len(reading) == 1
    with index.open("r+b") as file:
        file.write(whole)
    reading.refresh()
    assert reading.records["dump"].tolist() == [0, 1]


def test_an_index_that_is_damaged_is_not_taken_for_one_that_is_torn(tmp_path: Path) -> None:
    """What comes after the damage is whole: nobody waits for it, and no writer cuts it off."""
    path = spool(tmp_path, range(4))
    octets = bytearray((path / INDEX_FILE).read_bytes())
    octets[RECORD.itemsize + 20] ^= 1
    (path / INDEX_FILE).write_bytes(octets)
    with pytest.raises(InputError, match=r"index: its record 1 is damaged: to have what is before it"):
        Spool(path)
    with pytest.raises(InputError, match=r"index: its record 1 is damaged: move the spool away"):
        writer(tmp_path)
    assert (path / INDEX_FILE).read_bytes() == octets


def test_the_end_is_seen_with_all_that_came_before_it(tmp_path: Path) -> None:
    """It is looked for before the index is; a stream that goes on takes it back."""
    writing = writer(tmp_path)
    put(writing, [0])
    reading = Spool(writing.path)
    put(writing, [1])
    writing.end()
    reading.refresh()
    assert (len(reading), reading.ended) == (2, True)
    put(writing, [2])
    reading.refresh()
    assert (len(reading), reading.ended) == (3, False)


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    """The second gets an error, and the folder is free when the first has let it go."""
    first = writer(tmp_path)
    with pytest.raises(InputError, match="another receiver writes to it"):
        writer(tmp_path)
    first.close()
    writer(tmp_path).close()


def test_what_comes_out_of_order_is_refused(tmp_path: Path) -> None:
    """Both dump and time are checked: nearer than half a cadence two would be imaged together."""
    writing = writer(tmp_path)
    put(writing, [4])
    for dump, time in ((4, 20.0), (3, 20.0), (5, 8.9), (5, 1.0)):
        with pytest.raises(ValueError, match=f"dump {dump} at .* is not after dump 4"):
            writing.commit(writing.begin(dump, START + time, 0), 1.0)
    writing.commit(writing.begin(5, START + 9.1, 0), 1.0)
    assert writing.committed == 2
    writing.close()
    with pytest.raises(ValueError, match="is not after dump 5"):
        put(writer(tmp_path), [5])


@pytest.mark.parametrize("call", ["write", "posix_fallocate"])
def test_a_disk_that_is_full_costs_the_integration_alone(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is left, and the next one has its number; whether it is full at once or in the midst of it."""
    writing = writer(tmp_path)
    put(writing, [0])
    real = os.write

    def full(file: int, octets: memoryview) -> int:
        if len(octets) < file_size(SETUP) - 4096:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, octets[:4096])

    def no_room(file: int, begin: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(f"fip.spool.writing.os.{call}", full if call == "write" else no_room)
        with pytest.raises(NoRoomError, match="integration 1 cannot be written: No space left on device"):
            put(writing, [1])
    assert sorted(each.name for each in writing.path.iterdir()) == ["0000000000.int", "index", "spool.json"]
    put(writing, [2])
    assert Spool(writing.path).records["dump"].tolist() == [0, 2]


def write_for_ever(folder: Path) -> None:
    """Write integrations until it is killed."""
    writing = writer(folder, keep=4)
    dump = 0 if writing.last is None else int(writing.last["dump"][0]) + 1
    while True:
        put(writing, [dump])
        dump += 1


def test_a_writer_that_is_killed_leaves_whole_integrations(tmp_path: Path) -> None:
    """Whenever that is: what the index has is there, with what was written, and the next one goes on."""
    path, seen = spool(tmp_path, [0], keep=4), 1
    for more in (1, 2, 5, 8):
        child = multiprocessing.get_context("fork").Process(target=write_for_ever, args=(tmp_path,))
        child.start()
        while (path / INDEX_FILE).stat().st_size < (seen + more) * RECORD.itemsize:
            assert child.is_alive()
            child.join(0.001)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        found = Spool(path)
        seen = len(found)
        assert found.records["dump"].tolist() == list(range(seen))
        check = writer(tmp_path, keep=4)
        assert check.committed == seen
        for number in range(check.oldest, seen):
            opened = check.begin(number, 0.0, 0)
            fill(opened)
            np.testing.assert_array_equal(found.integration(number)["0.visibility"], opened.arrays["0.visibility"])
        check.close()


def test_what_cannot_be_a_spool_is_said_in_one_line(tmp_path: Path) -> None:
    """Too little room, a folder of another set-up, an index that was written anew, a disk that went."""
    with pytest.raises(ConfigError, match=r"\[receiver\] keep = 5 bytes: an integration of block-1 has [0-9]+: give 2"):
        SpoolWriter(tmp_path, SETUP, 5)
    path = spool(tmp_path, range(2))
    reading = Spool(path)
    integration_file(path, 1).write_bytes(b"")
    with pytest.raises(InputError, match=r"0000000001\.int: has 0 of [0-9]+ bytes"):
        reading.integration(1)
    path.rename(tmp_path / "away")
    with pytest.raises(UnreadableError, match="is its disk there"):
        reading.refresh()
    with pytest.raises(UnreadableError, match="is its disk there"):
        reading.integration(0)
    spool(tmp_path, range(1))
    with pytest.raises(InputError, match="is another spool than when it was opened"):
        reading.refresh()
    (path / "spool.json").write_text((path / "spool.json").read_text().replace("block 1", "block 2"))
    with pytest.raises(InputError, match="is the spool of another set-up than block-1"):
        writer(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"products": (*PRODUCTS, Product(0, 5, "XX"))}, "products.60: .* names an antenna that is not one of the 5"),
        ({"products": (*PRODUCTS, PRODUCTS[3])}, "one of them is named twice"),
        ({"products": (*PRODUCTS, Product(3, 0, "RR"))}, "some are of linear feeds, and some of circular"),
        ({"bands": (Band(1e9, -1e8, 11),)}, "bands.0: its last channel is at 0 Hz"),
        ({"bands": (Band(1e9, 0.0, 2),)}, "bands.0: .* each needs a frequency of its own"),
    ],
)
def test_parts_of_a_set_up_fit_each_other(changes: dict[str, object], says: str) -> None:
    """The error comes to whoever makes one."""
    with pytest.raises(ValueError, match=says):
        replace(SETUP, **changes)  # type: ignore[arg-type]


def test_the_page_about_spools_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its block of Python, as it stands there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.json").write_bytes(SETUP_JSON.dump_json(SETUP))
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "spool.md").read_text(), re.DOTALL)
    names: dict[str, Spool] = {}
    exec(compile(block, "spool.md", "exec"), names)
    assert names["spool"].records["dump"].tolist() == [7]
    assert (names["spool"].integration(0)["0.visibility"] == 1).all()


def test_an_ended_spool_has_its_marker(tmp_path: Path) -> None:
    """It is the one file whose name says it."""
    assert (spool(tmp_path, [0]) / ENDED_FILE).exists()
