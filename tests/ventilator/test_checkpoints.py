"""What a child knows of a set that is being written is kept: one that begins anew need not read all rows again."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from fip.data.arriving import Writing
from fip.data.settings import Asked, asked
from fip.source import growing
from fip.source.child import Child
from fip.source.pipe import Memory
from fip.source.requests import Held, RunFacts, look
from fip.ventilator import checkpoints
from fip.ventilator.checkpoints import Checkpoints
from support.ms_writer import Writer

SMALL, LIVE, MANY = asked(size=(64, 64), scale=2e-4), Writing(), 6


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Path]:
    """A set with some integrations, which is being written."""
    with Writer(tmp_path / "live.ms", MANY) as writer:
        writer.write(4)
        yield tmp_path / "live.ms"


@pytest.fixture
def kept(live: Path, tmp_path: Path) -> Checkpoints:
    """What a child knew of it, on disk."""
    found, file = Checkpoints(tmp_path / "arrivals"), tmp_path / "arrivals" / f"a{checkpoints.SUFFIX}"
    with Child.fork() as child:
        facts = child.call(look, live, SMALL, LIVE, False, False, 0, None, True)
    assert facts.handed
    found.write("a", facts.handed, len(facts.times))
    facts.handed.close()
    while not file.exists():
        time.sleep(0.01)
    return found


@contextmanager
def no_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Children that are forked meanwhile can index nothing."""
    with monkeypatch.context() as patch:
        patch.setattr(growing, "checked_chunks", None)
        yield


def seen(path: Path, kept: Checkpoints, what: Asked = SMALL) -> RunFacts:
    """What a new child finds that is given what is kept."""
    memory = kept.memory("a")
    assert memory
    with Child.fork() as child, closing(memory):
        return child.call(look, path, what, LIVE, False, False, 0, Held(memory))


def test_a_child_that_begins_anew_indexes_only_what_is_new(
    live: Path, kept: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checkpoint it reads all rows."""
    with no_rows(monkeypatch):
        assert len(seen(live, kept).times) == 4
        with Child.fork() as child, pytest.raises(RuntimeError, match="not callable"):
            child.call(look, live, SMALL, LIVE)


def test_what_was_kept_by_another_version_or_of_other_rows_is_thrown_away(
    live: Path, kept: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then all is indexed, as ever."""
    file = tmp_path / "arrivals" / f"a{checkpoints.SUFFIX}"
    before = file.read_bytes()
    file.write_bytes(b"?" + before[1:])
    with no_rows(monkeypatch), pytest.raises(RuntimeError, match="not callable"):
        seen(live, kept)
    assert len(seen(live, kept).times) == 4
    file.write_bytes(before)
    with no_rows(monkeypatch), pytest.raises(RuntimeError, match="not callable"):
        seen(live, kept, asked(size=(32, 32), scale=2e-4))
    later = shutil.copytree(live, tmp_path / "later.ms")
    with closing(table(str(later), readonly=False, ack=False)) as main:
        main.putcol("TIME", main.getcol("TIME") + np.float64(3600))
    with no_rows(monkeypatch), pytest.raises(RuntimeError, match="not callable"):
        seen(later, kept)


def test_a_file_that_another_user_could_have_written_is_not_opened(kept: Checkpoints, tmp_path: Path) -> None:
    """What is in it would be believed."""
    file = tmp_path / "arrivals" / f"a{checkpoints.SUFFIX}"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o620)
    assert kept.memory("a") is None
    file.chmod(0o600)
    memory = kept.memory("a")
    assert memory
    memory.close()
    if os.geteuid() == 0:
        os.chown(file, 1, 1)
        assert kept.memory("a") is None


def test_checkpoints_are_made_now_and_then_of_what_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of what is as it was, nor of what has only just begun."""
    fresh = Checkpoints(tmp_path)
    assert not fresh.due("a", 9)
    monkeypatch.setattr(checkpoints, "EVERY", -1.0)
    with closing(Memory(os.memfd_create("a"))) as memory:
        fresh.write("b", memory, 4)
    while not (tmp_path / f"b{checkpoints.SUFFIX}").exists():
        time.sleep(0.01)
    while not fresh.due("b", 5):  # the thread is gone in a moment
        time.sleep(0.01)
    assert not fresh.due("b", 4)
