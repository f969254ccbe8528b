"""What `fip run` shows: progress while images come, and a summary at the end."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from fip.archive.entries import RunTotals
from fip.data.antennas import told as antennas_told
from fip.state.panels import pulse as pulse_of
from fip.state.pipeline import obstacles, pipeline_state
from fip.state.trends import Heard, remember
from fip.state.words import printable
from fip.terminal.drawing import STYLES
from fip.wire.messages import PipelineStatus

SHOWN_FAILURES = 10
LINES = 10  # of progress, if no bar can be drawn


class RunProgress:
    """Images stored, images/s, time left or lag, failures, and what holds it up, of all runs of a pipeline's jobs.

    On a terminal that can draw, a bar; elsewhere a line for each tenth of the way.
    """

    def __init__(self, console: Console, slices: int, told: Callable[[int, int], None] | None = None) -> None:
        """The callback gets the number of stored images, and the number of all, when these have changed."""
        self._console, self._slices = console, slices
        self._told, self._last = told, (-1, -1)
        self._heard: Heard | None = None
        self._lines = 0  # printed so far
        self._obstacles: set[str] = set()  # that were said, without their numbers
        whole = Column(no_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False, table_column=whole),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            MofNCompleteColumn(table_column=whole),
            _Pulse(table_column=whole),
            console=console,
            expand=True,
            disable=not console.is_terminal or console.is_dumb_terminal,
        )
        self._task = self._progress.add_task("starting", total=slices, pulse=Text())

    def __enter__(self) -> "RunProgress":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def show(self, status: PipelineStatus) -> None:
        """Show how far it is, after one more word of the ventilator."""
        self._heard = remember(self._heard, status, time.time())
        state = pipeline_state(self._heard, time.time())
        self._say(obstacles(state))
        runs = [run for job in state.jobs for run in job.runs]
        stored = sum(run.stored for run in runs)
        current = next((run for run in runs if not run.over), None)
        name = printable((current or runs[-1]).name) if runs else "starting"
        total = max(self._slices, sum(run.total for run in runs))  # it grows while a MeasurementSet is being written
        if self._told and (stored, total) != self._last:
            self._last = stored, total
            self._told(stored, total)
        pulse = Text("  ").join(Text(printable(text), STYLES[level]) for text, level in pulse_of(state))
        if self._progress.disable:
            self._print(f"{name}: {stored} of {total} images", stored, pulse)
        else:
            self._progress.update(self._task, description=name, completed=stored, total=total, pulse=pulse)

    def _say(self, obstacles: Iterable[str]) -> None:
        """Say what is in the way, when it comes to be: a bar does not show why nothing moves."""
        now = {re.sub(r"[0-9]+", "", each): each for each in obstacles}
        for kind in now.keys() - self._obstacles:
            self._console.print(Text(printable(now[kind]), "yellow"), soft_wrap=True)
        self._obstacles = set(now)

    def _print(self, how_far: str, stored: int, pulse: Text) -> None:
        reached = LINES * stored // max(1, self._slices)
        if self._lines < reached < LINES:  # the summary says the last
            self._lines = reached
            self._console.print(Text(f"{how_far}  ").append_text(pulse), soft_wrap=True)


class _Pulse(ProgressColumn):
    """What changes from second to second."""

    def render(self, task: Task) -> Text:
        pulse: Text = task.fields["pulse"]
        return pulse


def summary(
    totals: Sequence[RunTotals],
    seconds: float,
    new: int,
    observed: float,
    missed: int,
    output: Path,
    oddities: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
) -> str:
    """The last words of `fip run`.

    `new` images were made in `seconds`, of `observed` seconds of data; `missed` of them after their deadline. Of sets
    that arrived in a folder `oddities` has, by the name of the run, how many were late, missing, and so on.
    """
    stored, empty = sum(run.stored for run in totals), sum(run.empty for run in totals)
    total, failed = sum(run.total for run in totals), sum(len(run.failed) for run in totals)
    expired = sum(run.expired for run in totals)
    apart = [f"{number} {what}" for number, what in ((empty, "without data"), (expired, "expired since")) if number]
    lines = [f"{stored} of {total} images are in {output}" + (f" ({', '.join(apart)})" if apart else "")]
    if new:
        times = f", {observed / seconds:.3g} x real time" if observed else ""
        lines.append(f"{new} made in {seconds:.1f} s: {new / seconds:.3g} images/s{times}")
    if missed:
        lines.append(f"stored after their deadline: {missed}; fewer slices a second, or more workers, would do")
    doubtful = Counter[str]()
    for run in totals:
        doubtful.update(dict(run.doubtful))
    if doubtful:
        kinds = ", ".join(f"{count} {quality}" for quality, count in sorted(doubtful.items()))
        lines.append(f"{doubtful.total()} are of doubtful quality: {kinds} (FIPQUAL, and quality in fip.sqlite)")
        named = [f"  {file}: {quality}" for run in totals for file, quality in run.first_doubtful]
        more = doubtful.total() - len(named)
        lines += [*named, *([f"  ... and {more} more"] if more else [])]
    for run in totals:
        if run.complete and run.complete.lacking:
            lines.append(f"{run.name}: {run.complete.words} (FIPCOMPL)")
    for name, odd in oddities.items():
        lines.append(f"{name}: of what arrived {', '.join(f'{often} {what}' for what, often in odd.items())} (fip.log)")
    for run in totals:
        for what, names in antennas_told(run.antennas, run.stored - run.empty).items():
            lines.append(f"{run.name}: antennas {what}: {names}")
    if failed:
        lines.append(f"{failed} slices failed:")
        faults = [f"  {run.name} slice {index}: {reason}" for run in totals for index, reason in run.failed]
        lines += faults[:SHOWN_FAILURES]
        if failed > SHOWN_FAILURES:
            lines.append(f"  ... and {failed - SHOWN_FAILURES} more, in fip.sqlite")
    return "\n".join(lines)
