"""Reading has a limit, and says for what: a disk that is dead, or a child that is stopped, holds up one job at most."""

import os
import shutil
import signal
from functools import partial
from pathlib import Path

import psutil
import pytest

from fip.data.errors import StoodStillError
from fip.source import child
from fip.source.child import Child
from fip.source.info import describe
from fip.source.patience import Patience
from fip.wire.messages import PipelineStatus
from support import small_ms
from support.fip_command import fip, images
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh

PATIENT = "read_within = 10000"  # s: what goes on in a test does so for another reason
BRIEF = "read_within = 3"
WITHIN = 90.0  # s, for anything that a test waits for


def dead(measurement_set: Path, file: str = "table.lock") -> Path:
    """Have whoever opens a file of the set wait for ever, as a network disk does whose server is gone."""
    (measurement_set / file).unlink()
    os.mkfifo(measurement_set / file)
    return measurement_set


def reading_child(mesh: Mesh) -> psutil.Process:
    """The process that reads for the ventilator."""
    (found,) = psutil.Process(mesh.daemons["ventilator"].pid).children()
    return found


def dead_by_now(process: psutil.Process) -> bool:
    """Whether a process is gone, or only its number is left, for its parent to take."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def stop_once_imaging(mesh: Mesh, job: str) -> psutil.Process:
    """Stop the reading child when some images of a job are stored."""

    def some(status: PipelineStatus) -> bool:
        return any(run.stored >= 5 for run in mesh.job(status, job).runs)

    mesh.wait(some)
    stopped = reading_child(mesh)
    stopped.send_signal(signal.SIGSTOP)
    return stopped


def test_a_reading_child_that_stands_still_is_told_and_replaced(
    many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """The status says what is waited for and since when, and `fip status` is 1; the run becomes whole."""
    with Mesh(tmp_path / "m", settings=f"pace = 120\n{BRIEF}", within=WITHIN) as mesh:
        job = mesh.submit([many_ms], SELECTION)
        stopped = stop_once_imaging(mesh, job)
        mesh.wait(lambda status: f"reading {many_ms} stands still, begun at " in status.waits)
        mesh.wait_for_job(job)
        assert dead_by_now(stopped)
        assert f"WARNING reading {many_ms} stands still" in mesh.log
        assert f"{many_ms}: the process that reads it stood still for" in mesh.log
        mesh.wait(lambda status: not status.waits)
        assert_whole(mesh.images / job, undisturbed)


def test_reading_that_stands_still_is_failing(ms: Path, tmp_path: Path) -> None:
    """Both `fip status` and the line for systemctl say so."""
    dead(ms)
    with Mesh(tmp_path / "m", workers=1, settings=PATIENT, within=WITHIN) as mesh:
        mesh.submit([ms], SELECTION)
        mesh.wait(lambda status: bool(status.waits))
        said = fip("status", "--json", "--config", mesh.configuration)
        assert said.returncode == 1, said.stdout + said.stderr
        assert f"reading {ms} stands still, begun at" in said.stdout


def test_a_set_on_a_dead_disk_fails_its_job_and_the_next_is_done(ms: Path, tmp_path: Path) -> None:
    """It fails after two tries, with a reason."""
    whole = small_ms.copy(ms, tmp_path / "whole.ms")
    dead(ms)
    with Mesh(tmp_path / "m", workers=1, settings=BRIEF, within=WITHIN) as mesh:
        first, second = mesh.submit([ms], SELECTION), mesh.submit([whole], SELECTION)
        mesh.wait_for_job(second)
        failed = mesh.job_now(first)
        assert failed.state == "failed"
        assert failed.reason.startswith(f"{ms}: reading it stood still and was given up after ")
        assert mesh.log.count("the process that reads it stood still for") == 1
        assert len(images(mesh.images / second)) == 3


def test_a_disk_that_dies_in_the_midst_fails_its_job_and_the_next_is_done(many_ms: Path, tmp_path: Path) -> None:
    """Not slice by slice: two of them, one after the other, are enough."""
    dying = shutil.copytree(many_ms, tmp_path / "dying.ms")
    next_one = small_ms.write(tmp_path / "next.ms", small_ms.rows())
    with Mesh(tmp_path / "m", workers=1, settings=f"pace = 120\n{BRIEF}", within=WITHIN) as mesh:
        first, second = mesh.submit([dying], SELECTION), mesh.submit([next_one], SELECTION)
        stop_once_imaging(mesh, first)
        dead(dying)
        mesh.wait(lambda status: mesh.job(status, second).state == "done")
        failed = mesh.job_now(first)
        assert (failed.state, failed.runs[0].failed) == ("failed", 0)
        assert "reading it stood still and was given up" in failed.reason


def test_after_a_job_on_a_dead_disk_is_cancelled_the_next_begins(ms: Path, tmp_path: Path) -> None:
    """Whatever its limit: nobody waits for what nobody wants."""
    whole = small_ms.copy(ms, tmp_path / "whole.ms")
    dead(ms)
    with Mesh(tmp_path / "m", workers=1, settings=PATIENT, within=WITHIN) as mesh:
        first, second = mesh.submit([ms], SELECTION), mesh.submit([whole], SELECTION)
        mesh.wait(lambda status: mesh.job(status, first).state == "running")
        with mesh.operator() as operator:
            operator.cancel(first)
        mesh.wait_for_job(second)
        assert len(images(mesh.images / second)) == 3


def test_after_a_job_whose_child_is_stopped_is_cancelled_the_next_begins(
    many_ms: Path, ms: Path, tmp_path: Path
) -> None:
    """The next job is read by another child."""
    with Mesh(tmp_path / "m", workers=1, settings=f"pace = 120\n{PATIENT}", within=WITHIN) as mesh:
        first = mesh.submit([many_ms], SELECTION)
        stopped = stop_once_imaging(mesh, first)
        with mesh.operator() as operator:
            operator.cancel(first)
        second = mesh.submit([ms], SELECTION)
        mesh.wait_for_job(second)
        assert len(images(mesh.images / second)) == 3
        assert dead_by_now(stopped)


def test_a_command_that_waits_for_a_disk_says_so_and_gives_up(
    ms: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`fip info` and `fip run` look by such a child."""
    monkeypatch.setattr(child, "Patience", partial(Patience, within=2.0))
    dead(ms)
    with Child.fork() as reader, pytest.raises(StoodStillError, match="reading it stood still and was given up after"):
        reader.call(describe, ms)
    assert f"reading {ms} stands still, begun at" in caplog.text
    assert not psutil.pid_exists(reader.pid)
