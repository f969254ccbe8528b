"""The ventilator's jobs as text, for `fip jobs`. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePath

from fip.wire.messages import JobStatus


def as_json(jobs: Sequence[JobStatus]) -> str:
    """A list of objects, as `fip.wire.messages.JobStatus` has them."""
    return json.dumps([asdict(job) for job in jobs], indent=1)


def as_table(jobs: Sequence[JobStatus]) -> str:
    """A line for each job: name, state, images stored, failures, MeasurementSets; then why it failed."""
    if not jobs:
        return "no jobs"
    rows = [("JOB", "STATE", "IMAGES", "FAILED", "MEASUREMENTSETS"), *map(_row, jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4])) for row in rows
    ]
    for place, job in reversed(list(enumerate(jobs, 1))):
        if job.reason:
            lines.insert(place + 1, f"  {job.reason}")
    return "\n".join(lines)


def _row(job: JobStatus) -> tuple[str, str, str, str, str]:
    stored, failed = sum(run.stored for run in job.runs), sum(run.failed for run in job.runs)
    open_ended = len(job.runs) < len(job.paths) or not all(run.final for run in job.runs)
    total = f"{sum(run.total for run in job.runs)}{'+' if open_ended else ''}"
    names = ", ".join(PurePath(path).name for path in job.paths)
    return job.job, job.state, f"{stored}/{total}" if job.runs else "-", str(failed) if job.runs else "-", names
