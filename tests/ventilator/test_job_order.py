"""Jobs are done, and forgotten, in the order in which they were submitted."""

from pathlib import Path

import pytest

from fip.client.operator import new_job
from fip.data.settings import Asked
from fip.ventilator.job_queue import REMEMBERED, Queue


def test_jobs_keep_their_order_though_utc_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are remembered, by the order in which they came."""
    queue = Queue(tmp_path / "jobs.sqlite")
    names = []
    for number in range(REMEMBERED + 3):
        monkeypatch.setattr("time.time", lambda number=number: 1e9 - 60.0 * number)
        job = new_job([Path(f"/data/{number}.ms")], Asked())
        queue.add(job)
        queue.set(job.job, "done", "")
        names.append(job.job)
    assert [submit.job for submit, *_ in queue.jobs()] == names[2:]
    queue.close()
