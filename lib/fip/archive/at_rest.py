"""A directory of images in which nothing works, as a state: every view shows it as it shows a pipeline."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from fip.archive.entries import RunTotals
from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.data.errors import UsageError
from fip.state.pipeline import EXIT_CODES, SHOWN, JobView, PipelineState, RunView, Verdict
from fip.state.words import number
from fip.wire.messages import Failure, JobState


def has_images(directory: Path) -> None:
    """Raise UsageError if FIP has stored no images in this directory."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory; give the one that `fip run` stored images in")
    if not (directory / LEDGER).exists():
        raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it: there is no {LEDGER}")


def read_totals(directory: Path) -> list[RunTotals]:
    """What is stored of each run in a directory. Raises UsageError and StoreError."""
    has_images(directory)
    with closing(Ledger(directory, read_only=True)) as ledger:
        return ledger.totals()


def at_rest(directory: Path, now: float) -> PipelineState:
    """What is stored in a directory in which nothing works, as of now (s UTC, Unix). Raises UsageError, StoreError."""
    has_images(directory)
    with closing(Ledger(directory, read_only=True)) as ledger:
        totals, opened, failures = ledger.totals(), [row.opened for row in ledger.runs()], ledger.failures(SHOWN)
    return stored_state(directory.resolve().name, totals, min(opened, default=now), failures, now)


def verdict_of(totals: Sequence[RunTotals]) -> Verdict:
    """Return the verdict if no pipeline works on these runs: all stored, some failed, or a run was interrupted."""
    if any(run.failed for run in totals):
        return "failing"
    return "no pipeline" if to_resume(totals) else "finished"


def to_resume(totals: Sequence[RunTotals]) -> str:
    """Return what to say about slices that nobody images; "" if there are none."""
    left = sum(run.total - run.stored - len(run.failed) for run in totals)
    return f"nothing works on the other {left}: run it again to resume" if left else ""


def stored_state(
    name: str, totals: Sequence[RunTotals], opened: float, failures: Sequence[Failure], now: float
) -> PipelineState:
    """The state of runs that are at rest, as one job. Pure."""
    verdict, runs = verdict_of(totals), tuple(map(_run, totals))
    failed = sum(run.failed for run in runs)
    reasons = (f"{number(failed)} slices failed" if failed else "", to_resume(totals))
    state: JobState = "done" if all(run.over for run in runs) else "cancelled"
    job = JobView(name, state, "", tuple(run.measurement_set for run in runs), opened, runs)
    return PipelineState(
        now,
        verdict=verdict,
        exit_code=EXIT_CODES[verdict],
        reasons=tuple(filter(None, reasons)),
        jobs=(job,),
        failures=tuple(failures),
    )


def _run(totals: RunTotals) -> RunView:
    return RunView(
        run=totals.run, name=totals.name, measurement_set=totals.measurement_set, total=totals.total,
        stored=totals.stored, failed=len(totals.failed), leased=0, rate=0.0, lag=None, missed=0, final=totals.final,
        complete=totals.complete,
    )  # fmt: skip
