"""A run that falls behind while its data are written: real daemons, some killed, and nothing is lost or twice."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fip.archive.ledger import Ledger
from fip.client.operator import new_job
from fip.data.ranges import contains, of
from fip.data.settings import asked
from fip.monitor.metrics import exposition
from fip.state.pipeline import pipeline_state
from fip.state.trends import remember
from fip.ventilator.pacing import MINIMUM_DEADLINE
from fip.wire.messages import Follow, PipelineStatus
from support.fip_command import images
from support.followed_images import recorded
from support.mesh import Mesh
from support.ms_writer import Writer

SLICES, BEFORE, MANY = 48, 4, 36
SMALL = asked(size=(64, 64), scale=float(np.radians(40 / 3600)))
SETTINGS = 'behind = "newest"\ndead_after = 60.0'
TRACE = 'keep = "all"\n[follower.trace]\nstep = "support.followed_images:trace"\nfolder = "{}"\ncheckpoint = 4'


def test_what_comes_is_imaged_first_and_the_backlog_when_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker stands still, the ventilator is killed when the run is behind, the follower in the midst of it."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    path, found = tmp_path / "live.ms", tmp_path / "found"
    mesh = Mesh(tmp_path / "mesh", workers=1, settings=SETTINGS, sink=TRACE.format(found))
    with Writer(path, SLICES) as writer, mesh:
        mesh.start("follower.trace")
        writer.write(BEFORE - 1)  # and the first, as it starts
        mesh.wait(lambda status: True)
        with mesh.operator() as operator:
            job = operator.submit(new_job([path], SMALL, follow=Follow(0.5, 600.0))).job
        mesh.wait(lambda status: stored(status) >= BEFORE - 1)
        mesh.kill("cpu0", signal.SIGSTOP)
        written, since = MANY, time.monotonic()
        writer.write(MANY - BEFORE)

        def falls_behind(status: PipelineStatus) -> bool:
            """Whether it has, by when one more was written after the others had waited for a while."""
            nonlocal written, since
            if total(status) < written:
                since = time.monotonic()
            elif written == MANY and time.monotonic() - since > 2 * MINIMUM_DEADLINE:
                writer.write(1)
                written += 1
            return behind(status) > 0

        mesh.wait(falls_behind)
        assert told(mesh) >= {"fip_run_lag_seconds", "fip_run_deadline_seconds", "fip_run_backlog_slices"}
        mesh.kill("ventilator")
        writer.write(SLICES - written)
        mesh.start("ventilator")
        mesh.wait(lambda status: total(status) == SLICES)
        mesh.kill("cpu0", signal.SIGCONT)
        mesh.wait(lambda status: stored(status) > SLICES // 2)
        mesh.kill("follower.trace")
        mesh.start("follower.trace")
        mesh.wait(lambda status: stored(status) == SLICES)
        with closing(Ledger(mesh.images / job, read_only=True)) as ledger:
            (run,) = ledger.runs()
            backlog, entries = ledger.backlogs.of(run.run), sorted(ledger.entries(), key=lambda entry: entry.sequence)
        mesh.wait(lambda status: decided(found / job) == SLICES)
    order = [entry.index for entry in entries]
    assert sorted(order) == list(range(SLICES))
    assert len(images(mesh.images / job)) == SLICES
    later = [index for index in order if contains(backlog, index)]
    series = {run.run: [index for index in range(SLICES) if index not in later], f"{run.run}-backlog": later}
    assert later == sorted(later), "oldest first"
    assert order.index(later[-1]) == SLICES - 1, "when nothing else waits"
    assert of(later) == backlog
    decisions = recorded(found / job)["decisions"]
    assert {(key, index, outcome) for _, key, index, outcome, _ in decisions} == {
        (key, index, "stored") for key, indices in series.items() for index in indices
    }
    for key, indices in series.items():
        assert [index for _, of_key, index, *_ in decisions if of_key == key] == indices


def stored(status: PipelineStatus) -> int:
    """Return the number of slices stored, of all jobs."""
    return sum(run.stored for job in status.jobs for run in job.runs)


def total(status: PipelineStatus) -> int:
    """Return the number of slices that are known, of all jobs."""
    return sum(run.total for job in status.jobs for run in job.runs)


def behind(status: PipelineStatus) -> int:
    """Return the number of slices that wait while newer ones are imaged."""
    return sum(run.backlog for job in status.jobs for run in job.runs)


def told(mesh: Mesh) -> set[str]:
    """Return what Prometheus reads of the runs of these daemons."""
    seen: list[PipelineStatus] = []
    mesh.wait(lambda status: not seen.append(status))  # type: ignore[func-returns-value]
    state = pipeline_state(remember(None, seen[0], seen[0].time), seen[0].time)
    families = text_string_to_metric_families(exposition(state).decode())
    return {each.name for family in families for each in family.samples if "run" in each.labels}


def decided(folder: Path) -> int:
    """Slices, by the follower, in both series."""
    with closing(sqlite3.connect(f"file:{folder}/follower.sqlite?mode=ro", uri=True)) as database:
        return int(next(database.execute("SELECT COUNT(*) FROM decisions"))[0])
