"""A ventilator that runs as a daemon, and `fip submit`, `fip jobs` and `fip cancel`, as a person uses them."""

import json
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fip.archive.ledger import Ledger
from fip.data.errors import InputError
from fip.data.names import Attempt
from fip.data.settings import Asked, asked
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.source.tables.measurement_set import MeasurementSet
from fip.ventilator.active_run import ActiveRun
from fip.ventilator.job_queue import Queue
from fip.ventilator.jobs import MOST_WAITING, Jobs
from fip.ventilator.pacing import Pace
from fip.wire.codec import MAXIMUM_HEADER, encode_control
from fip.wire.messages import Failure, PipelineStatus, RunPlan, RunStored, Submit, WorkerBrief
from fip.wire.status import Status
from support import damaged_sets, small_ms
from support.casa_gains import write_gains
from support.fip_command import WITHIN, fip, images, started
from support.mesh import Mesh

SLICES = 20
GRID = ("--size", "64", "--scale", "40arcsec")
SMALL = asked(size=(64, 64), scale=float(np.radians(40 / 3600)))


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of some small slices."""
    path = tmp_path_factory.mktemp("some") / "some.ms"
    simulate(path, Simulation(antennas=8, channels=4, integrations=SLICES))
    return path


def fip_at(mesh: Mesh, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`fip`, pointed at this ventilator."""
    return fip(*arguments, "--ventilator", mesh.config.ventilator.control)


def submitted(mesh: Mesh, *arguments: object) -> str:
    """The name of a job that is submitted."""
    done = fip_at(mesh, "submit", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def jobs(mesh: Mesh) -> dict[str, Any]:
    """What `fip jobs --json` says, by the job's name."""
    done = fip_at(mesh, "jobs", "--json")
    assert done.returncode == 0, done.stderr
    return {job["job"]: job for job in json.loads(done.stdout)}


def test_bad_jobs_fail_with_their_reason_and_the_next_goes_on(some: Path, tmp_path: Path) -> None:
    """Missing, or killing casacore: that job fails; its other sets and the next job are imaged, by one ventilator."""
    deadly = small_ms.write(tmp_path / "deadly.ms", small_ms.rows())
    damaged_sets.deadly(deadly)
    gone = tmp_path / "gone.ms"
    with Mesh(tmp_path / "mesh") as mesh:
        refused = fip_at(mesh, "submit", deadly, *GRID)  # who submits may look into it; not so on another host
        names = [submitted(mesh, gone, *GRID), mesh.submit([deadly], SMALL)]
        both = mesh.submit([deadly, some], SMALL)
        last = submitted(mesh, some, "--interval", "0~3", *GRID)
        mesh.wait_for_job(last)
        mesh.wait(lambda status: all(mesh.job(status, name).state == "failed" for name in (*names, both)))
        told = jobs(mesh)
        assert mesh.daemons["ventilator"].poll() is None
        table = fip_at(mesh, "jobs").stdout.splitlines()
    assert refused.returncode == 2
    assert "is damaged: casacore crashes" in refused.stderr
    assert [told[name]["reason"] for name in names] == [
        f"{gone}: no such file or folder",
        f"{deadly}: is damaged: casacore crashes when it reads its tables",
    ]
    assert told[both]["reason"] == f"{deadly}: is damaged: casacore crashes when it reads its tables"
    assert len(images(mesh.images / both)) == SLICES
    assert len(images(mesh.images / last)) == 3
    assert [last, "done", "3/3", "0", last, "some.ms"] in [[*line.split()[:4], *line.split()[-2:]] for line in table]


def test_jobs_survive_the_ventilator(some: Path, tmp_path: Path) -> None:
    """Killed with one job under way and one queued, it goes on with both; one that is cancelled stays so."""
    with Mesh(tmp_path / "mesh", workers=1) as mesh:
        mesh.kill("cpu0", signal.SIGSTOP)
        first, second, third = (submitted(mesh, some, *GRID) for _ in range(3))
        mesh.wait(lambda status: mesh.job(status, first).state == "running")
        assert fip_at(mesh, "cancel", third).stdout == f"{third}: cancelled\n"
        mesh.kill("ventilator")
        mesh.start("ventilator")
        mesh.kill("cpu0", signal.SIGCONT)
        mesh.wait_for_job(second)
        before = jobs(mesh)
        mesh.kill("ventilator")
        mesh.start("ventilator")
        mesh.wait(lambda status: True)
        told = jobs(mesh)
        assert told == before, "what became of jobs that are over is known after a restart"
        assert f"{SLICES}/{SLICES}" in fip_at(mesh, "jobs").stdout
    assert all(told[name]["submitted"] <= told[name]["began"] <= told[name]["ended"] for name in (first, second))
    assert {name: job["state"] for name, job in told.items()} == {first: "done", second: "done", third: "cancelled"}
    for name in (first, second):
        assert len(images(mesh.images / name)) == SLICES
    assert not (mesh.images / third).exists()


def test_a_ventilator_takes_measurement_sets_from_its_roots_alone(some: Path, tmp_path: Path) -> None:
    """Others, and links that lead out of them, are refused at once, with the root that would do."""
    root = tmp_path / "root"
    root.mkdir()
    shutil.copytree(some, root / "inside.ms")
    (root / "link.ms").symlink_to(some)
    with Mesh(tmp_path / "mesh", settings=f'[source]\nroots = ["{root}"]') as mesh:
        for path in (some, root / "link.ms", root / ".." / "absent.ms"):
            done = fip_at(mesh, "submit", path, *GRID)
            assert done.returncode == 2, done.stdout
            assert f"taken from {root} only" in done.stderr
        mesh.wait_for_job(submitted(mesh, root / "inside.ms", *GRID))
        library = root / "gains.txt"
        library.write_text(f"caltable='{_unit_gains(tmp_path / 'outside.G')}'\n")
        leads_out = submitted(mesh, root / "inside.ms", *GRID, "--gains", library)
        mesh.wait(lambda status: mesh.job(status, leads_out).state == "failed")
        assert f"outside.G: data are taken from {root} only" in mesh.job_now(leads_out).reason


def _unit_gains(path: Path) -> Path:
    simulation = Simulation(antennas=8, channels=4, integrations=SLICES)
    names, numbers = [f"m{number:03d}" for number in range(8)], np.arange(8)
    values, frequency = np.ones((8, 1, 2), np.complex64), np.array([simulation.frequency])
    return write_gains(path, "G Jones", names, np.full(8, simulation.time(0)), numbers, values, [frequency])


def test_nobody_answers(tmp_path: Path) -> None:
    """One line that names the place without a ventilator."""
    done = fip("jobs", "--ventilator", f"ipc://{tmp_path}/nobody")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"no ventilator answers at ipc://{tmp_path}/nobody" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read")
def test_what_may_not_be_read_is_refused_with_user_and_remedy(some: Path, shared: Path) -> None:
    """A folder on the way, or a file of the table, that is closed to the user is named, with what would open it."""
    path = shared / "some.ms"
    shutil.copytree(some, path)
    for closed, mode in ((path / "table.f1", 0o600), (path, 0o700)):
        path.chmod(0o755)
        closed.chmod(mode)
        os.seteuid(65534)
        try:
            with pytest.raises(
                InputError, match=rf"user nobody may not read {closed}: .*setfacl -R -m u:nobody:rX {path}"
            ):
                MeasurementSet(path)
        finally:
            os.seteuid(0)


def test_a_job_that_is_stored_is_in_a_folder_of_its_own(some: Path, tmp_path: Path) -> None:
    """The same MeasurementSet twice, with other settings: two folders, two ledgers."""
    with Mesh(tmp_path / "mesh") as mesh:
        names = [submitted(mesh, some, "--interval", "0~2", "--size", size, "--scale", "40arcsec") for size in (32, 64)]
        for name in names:
            mesh.wait_for_job(name)
    for name in names:
        ledger = Ledger(mesh.images / name, read_only=True)
        (totals,) = ledger.totals()
        ledger.close()
        assert (totals.stored, totals.total, totals.final) == (2, 2, True)


def test_the_queue_has_a_bound_and_its_status_fits_into_a_message(tmp_path: Path) -> None:
    """More MeasurementSets than may wait fail at once; of very many jobs that are over the oldest are not listed."""
    jobs = Jobs(Queue(tmp_path / "jobs.sqlite"))
    many = tuple(f"/data/{number:0100d}.ms" for number in range(MOST_WAITING))
    for number in range(30):
        name = f"job{number}"
        assert jobs.submit(Submit(name, many, Asked(), name))
        refused = Submit(f"late{number}", many[:1], Asked(), "late")
        assert jobs.submit(refused)
        (late,) = [job for job in jobs.statuses(0.0) if job.job == refused.job]
        assert (late.state, late.reason[:32]) == ("failed", f"{MOST_WAITING} MeasurementSets are waiting")
        assert jobs.cancel(name, 0.0)
    assert jobs.submit(Submit("last", many, Asked(), "last"))
    told = jobs.statuses(0.0)
    assert [job.job for job in told] == ["late29", "last"]
    status = PipelineStatus(0.0, Status("ventilator", "h", "v", 1, "running"), told, (), None)
    assert len(encode_control(status)) < MAXIMUM_HEADER


def test_a_slice_that_was_held_and_then_failed_is_given_up(tmp_path: Path) -> None:
    """Each of its attempts counts, also of an image that takes longer than a worker's next word."""
    work = Jobs(Queue(tmp_path / "jobs.sqlite"))
    asked = Submit("job", ("/a.ms",), Asked(), "folder")
    work.submit(asked)
    opened = work.next_to_open(0.0)
    assert opened is not None
    plan = RunPlan("run", "a", 1, "/a.ms", Asked(), "folder")
    active = ActiveRun(plan, Pace(0.0, [0.0]), None, 1, 0.0)
    work.begin(opened[0], active, 0.0)
    active.sink_says(RunStored("run", (), (), ""), max_attempts=3, now=0.0)
    assert active.leases is not None
    brief = WorkerBrief("host", "cpu0", "boot", "lane", "sink", (), (), (), (), None, 0.0, False)
    for number in (1, 2, 3):
        active.leases.lease(0, "host/cpu0", float(number))
        attempt = Attempt("run", 0, number)
        assert not work.worker_says(replace(brief, holds=(attempt,), ages=(0.0,), working=attempt), number + 0.2)
        failure = Failure("run", 0, number, "ValueError: wrong")
        assert work.worker_says(replace(brief, failed=(failure,)), number + 0.4) == [failure]
    assert active.leases.failed == {0: "ValueError: wrong"}


def test_what_does_not_fit_is_refused_before_it_is_queued(some: Path, tmp_path: Path) -> None:
    """`fip run` refuses it, too: no job comes of it."""
    with Mesh(tmp_path / "mesh", workers=1) as mesh:
        mesh.wait(lambda status: True)
        for options, said in (
            (("--column", "CORECTED_DATA"), "but DATA, MODEL_DATA"),
            (("--field", "nowhere"), "--field nowhere: "),
            (("--spw", "7"), "no such window with data"),
            (("--size", "63"), "even"),
        ):
            done = fip_at(mesh, "submit", some, *options)
            assert done.returncode == 2
            assert said in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
        assert jobs(mesh) == {}


def test_one_who_waits_hears_what_became_of_it(some: Path, tmp_path: Path) -> None:
    """Also if the ventilator is killed meanwhile: the exit code says whether every slice is stored."""
    with Mesh(tmp_path / "mesh", workers=1) as mesh:
        mesh.wait(lambda status: True)
        place = ("--ventilator", mesh.config.ventilator.control)
        with started("submit", some, *GRID, "--pace", 80, "--wait", *place) as waiting:
            assert waiting.stdout
            name = waiting.stdout.readline().strip()
            mesh.wait(lambda status: any(run.stored for run in mesh.job(status, name).runs))
            mesh.kill("ventilator")
            mesh.start("ventilator")
            said, _ = waiting.communicate(timeout=WITHIN)
            assert waiting.returncode == 0, said
            assert f"{name} is done, {SLICES}/{SLICES} images in " in said
        with started("submit", some, *GRID, "--size", 128, "--pace", 10, "--wait", *place) as waiting:
            assert waiting.stdout
            name = waiting.stdout.readline().strip()
            with mesh.operator() as operator:
                operator.cancel(name)
            said, _ = waiting.communicate(timeout=WITHIN)
            assert waiting.returncode == 1
            assert f"{name} is cancelled" in said
        with started("submit", some, *GRID, "--size", 256, "--pace", 1, "--wait", *place) as waiting:
            assert waiting.stdout
            name = waiting.stdout.readline().strip()
            waiting.send_signal(signal.SIGINT)
            said, _ = waiting.communicate(timeout=WITHIN)
            assert waiting.returncode == 130
            assert f"{name} goes on" in said
            told = jobs(mesh)[name]
            assert told["state"] in ("queued", "running")
            assert (told["user"], told["directory"]) == (pwd.getpwuid(os.getuid()).pw_name, name)
