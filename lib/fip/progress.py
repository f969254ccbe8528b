"""What `fip run` shows: a progress bar while images come, and a summary at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from fip.ledger import RunTotals
from fip.messages import JobStatus

SHOWN_FAILURES = 10


class RunProgress:
    """A bar for all runs of a job: images stored, images/s, time left or lag, failures."""

    def __init__(self, console: Console, slices: int) -> None:
        self._slices = slices
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _Pulse(),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task("starting", total=slices, rate=0.0, lag=None, failed=0)

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def show(self, job: JobStatus) -> None:
        """Shows a job's status."""
        stored, failed = sum(run.stored for run in job.runs), sum(run.failed for run in job.runs)
        current = next((run for run in job.runs if run.stored + run.failed < run.total), None)
        self._progress.update(
            self._task,
            description=current.name if current else "imaging",
            completed=stored,
            failed=failed,
            rate=current.rate if current else self._progress.tasks[0].fields["rate"],
            lag=current.lag if current else None,
        )


class _Pulse(ProgressColumn):
    """Images/s, then the lag where slices are due at given times, else the time left, then failures."""

    def render(self, task: Task) -> Text:
        rate, lag, failed = task.fields["rate"], task.fields["lag"], task.fields["failed"]
        left = (task.total or 0) - task.completed - failed
        text = Text(f"{rate:.1f} images/s" if rate else "-- images/s", style="cyan")
        if lag is not None:
            text.append(f"  lag {lag:.1f} s", style="red" if lag > 1 else "green")
        elif rate and left:
            text.append(f"  {_duration(left / rate)} left", style="green")
        if failed:
            text.append(f"  {failed} failed", style="bold red")
        return text


def summary(totals: Sequence[RunTotals], seconds: float, new: int, observed: float, missed: int, output: Path) -> str:
    """The last words of `fip run`.

    `new` images were made in `seconds`, of `observed` seconds of data; `missed` of them after their deadline.
    """
    stored, empty = sum(run.stored for run in totals), sum(run.empty for run in totals)
    total, failed = sum(run.total for run in totals), sum(len(run.failed) for run in totals)
    lines = [f"{stored} of {total} images are in {output}" + (f" ({empty} without data)" if empty else "")]
    if new:
        times = f", {observed / seconds:.3g} x real time" if observed else ""
        lines.append(f"{new} made in {seconds:.1f} s: {new / seconds:.3g} images/s{times}")
    if missed:
        lines.append(f"{missed} were stored after their deadline: fewer slices a second, or more workers, would do")
    doubtful = Counter[str]()
    for run in totals:
        doubtful.update(dict(run.doubtful))
    if doubtful:
        kinds = ", ".join(f"{count} {quality}" for quality, count in sorted(doubtful.items()))
        lines.append(f"{doubtful.total()} are of doubtful quality: {kinds} (FIPQUAL, and quality in fip.sqlite)")
    if failed:
        lines.append(f"{failed} slices failed:")
        faults = [f"  {run.name} slice {index}: {reason}" for run in totals for index, reason in run.failed]
        lines += faults[:SHOWN_FAILURES]
        if failed > SHOWN_FAILURES:
            lines.append(f"  ... and {failed - SHOWN_FAILURES} more, in fip.sqlite")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
