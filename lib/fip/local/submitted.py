"""`fip submit`: what can be known of a job before it is queued, and what becomes of it after."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from fip.client.operator import Operator
from fip.data.arriving import Writing
from fip.data.errors import NotYetError
from fip.data.needs import sets_of
from fip.data.settings import Asked
from fip.source.child import in_child
from fip.source.requests import look
from fip.spool.layout import SETUP_FILE
from fip.terminal.jobs import outcome
from fip.wire.messages import JobStatus


def check_here(paths: Sequence[Path], asked: Asked, writing: Writing | None) -> None:
    """Look into the MeasurementSets that can be read from here as the ventilator will: so an option that does not fit
    is refused before the job is queued. The ventilator looks into those that only its host has.

    Raises InputError and UsageError.
    """
    for path in paths:
        if all(map(_readable, map(Path, sets_of(str(path), asked.source)))):
            with suppress(NotYetError):  # it is still being written
                in_child(look, path, asked, writing)


def _readable(path: Path) -> bool:
    begins = ("table.dat", SETUP_FILE)
    return os.access(path, os.R_OK | os.X_OK) and any(os.access(path / name, os.R_OK) for name in begins)


def wait(operator: Operator, job: JobStatus, console: Console, say: Callable[[str], None]) -> int:
    """Wait until a job is over, and say what became of it; return the exit code: 0 if every slice is stored.

    Call `say` with its name first. FipError if the ventilator is silent for long, or has forgotten the job. An
    interrupt leaves the job as it is, and says so as soon as its name is known.
    """
    try:
        say(job.job)
        ended = operator.wait(job.job, lambda text: console.print(text, style="yellow", soft_wrap=True))
    except KeyboardInterrupt:
        console.print(
            f"{job.job} goes on: `fip jobs` says how far it is, `fip cancel {job.job}` ends it", soft_wrap=True
        )
        return 130
    console.print(outcome(ended), soft_wrap=True)
    whole = all(run.stored == run.total and run.final for run in ended.runs)
    return 0 if ended.state == "done" and whole else 1
