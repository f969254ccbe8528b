"""The ventilator's jobs as text, for `fip jobs`. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import PurePath

from fip.state.words import NONE, duration, printable
from fip.wire.messages import JobStatus

HEADS = ("JOB", "STATE", "IMAGES", "FAILED", "SUBMITTED", "TOOK", "USER", "DIRECTORY", "MEASUREMENTSETS")


def as_json(jobs: Sequence[JobStatus]) -> str:
    """A list of objects, as `fip.wire.messages.JobStatus` has them."""
    return json.dumps([asdict(job) for job in jobs], indent=1)


def as_table(jobs: Sequence[JobStatus], now: float) -> str:
    """A line for each job, of `HEADS`; then why it failed. `now` in s UTC, Unix: one that runs took so long so far.

    Directories are within that of the sink; times are UTC.
    """
    if not jobs:
        return "no jobs"
    rows = [HEADS, *(tuple(map(printable, _row(job, now))) for job in jobs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for place, job in reversed(list(enumerate(jobs, 1))):
        if job.reason:
            lines.insert(place + 1, f"  {job.reason}")
    return "\n".join(lines)


def outcome(job: JobStatus) -> str:
    """What became of a job, in a line; and a second one, if it failed, that says why."""
    images, failed = _counts(job)
    apart = f", {failed} failed" if failed not in ("0", NONE) else ""
    took = f" in {duration(job.ended - job.began)}" if job.began and job.ended else ""
    where = f": {job.directory}" if job.directory else ""
    return f"{job.job} is {job.state}, {images} images{apart}{took}{where}" + (
        f"\n  {job.reason}" if job.reason else ""
    )


def _row(job: JobStatus, now: float) -> tuple[str, ...]:
    begun = f"{datetime.fromtimestamp(job.submitted, UTC):%Y-%m-%dT%H:%M:%S}"
    took = duration((job.ended or now) - job.began) if job.began else NONE
    names = ", ".join(PurePath(path).name for path in job.paths)
    return job.job, job.state, *_counts(job), begun, took, job.user or NONE, job.directory or NONE, names


def _counts(job: JobStatus) -> tuple[str, str]:
    """Images of how many, and slices that failed."""
    if not job.runs:
        return NONE, NONE
    stored, failed = sum(run.stored for run in job.runs), sum(run.failed for run in job.runs)
    open_ended = len(job.runs) < len(job.paths) or not all(run.final for run in job.runs)
    return f"{stored}/{sum(run.total for run in job.runs)}{'+' if open_ended else ''}", str(failed)
