"""The queue of jobs on a disk that is full, locked or gone: nothing stops for it, and it goes on by itself."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fip.data.errors import ConfigError, NoRoomError
from fip.data.settings import Asked
from fip.ventilator.job_queue import Queue
from fip.ventilator.jobs import Jobs
from fip.wire.messages import PipelineStatus, Submit
from support.fip_command import fip
from support.many_slices import OPTIONS, SELECTION
from support.mesh import Mesh
from support.small_disk import Disk


def job(name: str) -> Submit:
    """Return a job of this name."""
    return Submit(name, ("/a.ms",), Asked(), name)


def states(path: Path) -> dict[str, str]:
    """What is on disk, as the next ventilator would read it."""
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute("SELECT job, state FROM jobs"))


def fill(disk: Path) -> None:
    """Fill a disk to the last block."""
    with (disk / "filling").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))


def test_what_the_disk_does_not_take_is_kept_and_written_when_it_does(tmp_path: Path) -> None:
    """Another process has the file locked: a job ends all the same, and none is taken that is not on disk."""
    path = tmp_path / "jobs.sqlite"
    jobs = Jobs(Queue(path))
    for name in ("one", "two"):
        assert jobs.submit(job(name))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert jobs.cancel("one", 0.0)
        assert jobs.next_to_open(0.0) is not None  # "two" runs
        assert "database is locked" in jobs.trouble
        with pytest.raises(NoRoomError, match="locked"):
            jobs.submit(job("three"))
        other.execute("COMMIT")
        assert {each.job: each.state for each in jobs.statuses(0.0)} == {"one": "cancelled", "two": "running"}
        assert states(path) == {"one": "queued", "two": "queued"}
    jobs.save()
    assert jobs.trouble == ""
    assert states(path) == {"one": "cancelled", "two": "running"}
    assert jobs.submit(job("three"))
    assert states(path)["three"] == "queued"


def test_a_queue_that_cannot_be_opened_now_is_opened_later(tmp_path: Path) -> None:
    """The disk is full as the ventilator starts: it starts all the same, and has its jobs when there is room."""
    with Disk(tmp_path / "disk", "1m") as disk:
        path = tmp_path / "disk" / "jobs.sqlite"
        first = Queue(path)
        first.add(job("one"))
        first.close()
        kept = path.read_bytes()
        path.unlink()
        fill(tmp_path / "disk")
        jobs = Jobs(Queue(path))
        assert "cannot be opened: database or disk is full" in jobs.trouble
        with pytest.raises(NoRoomError, match="full"):
            jobs.submit(job("two"))
        jobs.save()
        assert jobs.trouble
        disk.resize("2m")
        path.write_bytes(kept)
        jobs.save()
        assert jobs.trouble == ""
        assert [each.job for each in jobs.statuses(0.0)] == ["one"]


def test_a_queue_that_cannot_be_read_now_is_read_later(tmp_path: Path) -> None:
    """A disk that fails for a moment as the ventilator starts is no damage: it has its jobs when it can be read."""
    path = tmp_path / "jobs.sqlite"
    first = Queue(path)
    first.add(job("one"))
    first.close()
    failing = True

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
            if failing and statement.startswith("SELECT"):
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return super().execute(statement, *values)  # type: ignore[arg-type]

    jobs = Jobs(Queue(path, partial(sqlite3.connect, factory=Connection)))
    assert "cannot be read: disk I/O error" in jobs.trouble
    failing = False
    jobs.save()
    assert jobs.trouble == ""
    assert [each.job for each in jobs.statuses(0.0)] == ["one"]


def test_a_damaged_queue_is_one_clear_line(tmp_path: Path) -> None:
    """Its tables are not what they were, or it is no such file at all: waiting would not help."""
    path = tmp_path / "jobs.sqlite"
    queue = Queue(path)
    for number in range(100):
        queue.add(job(f"job{number}"))
    queue.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    with pytest.raises(ConfigError, match="is damaged: database disk image is malformed; move it away"):
        Jobs(Queue(path))
    other = tmp_path / "other.sqlite"
    other.write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigError, match="cannot be used: file is not a database"):
        Queue(other)


def test_a_ventilator_outlives_a_full_disk(many_ms: Path, tmp_path: Path) -> None:
    """Cancel, submit, the next job: none ends it; submit is refused with the reason; given room, all is on disk."""
    with Disk(tmp_path / "disk", "1m") as disk, Mesh(
        tmp_path / "m", launchers={"ventilator": ["env", f"FIP__VENTILATOR__QUEUE={tmp_path}/disk/jobs.sqlite"]}
    ) as mesh:  # fmt: skip
        mesh.wait(lambda status: bool(status.sink and status.workers))
        few = replace(SELECTION, source=replace(SELECTION.source, interval=(0, 3)))
        mesh.kill("sink")
        running, queued, unwanted = (mesh.submit([many_ms], few) for _ in range(3))
        fill(tmp_path / "disk")
        with mesh.operator() as operator:
            assert operator.cancel(unwanted).state == "cancelled"
        refused = fip("submit", many_ms, *OPTIONS, "--ventilator", mesh.config.ventilator.control)
        assert refused.returncode == 1
        assert "database or disk is full; job" in refused.stderr
        assert "submit it again" in refused.stderr
        assert refused.stderr.count("\n") == 1
        mesh.start("sink")
        mesh.wait_for_job(queued)

        def told(status: PipelineStatus) -> str:
            return status.unsaved

        mesh.wait(lambda status: "cannot be written: database or disk is full" in told(status))
        assert states(tmp_path / "disk" / "jobs.sqlite")[queued] != "done"
        disk.resize("2m")
        mesh.wait(lambda status: not told(status))
        assert mesh.daemons["ventilator"].poll() is None
        mesh.kill("ventilator")
        assert states(tmp_path / "disk" / "jobs.sqlite") == {running: "done", queued: "done", unwanted: "cancelled"}
