"""`fip status`: the state of a pipeline, or of a directory of which the run is over, printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.client.follower import Follower, watched
from fip.client.run_file import read_run_file
from fip.config import Config
from fip.data.errors import UsageError
from fip.state.pipeline import EXIT_CODES, PipelineState, state_json
from fip.state.words import (
    RUN_HEADS,
    WORKER_HEADS,
    clock,
    failure_line,
    headline,
    incident_line,
    job_line,
    run_row,
    runs_of_interest,
    worker_row,
)
from fip.terminal.drawing import antenna_lines, stage_lines, verdict_lines
from fip.terminal.progress import summary

RUNS_SHOWN = 10
LINES_SHOWN = 5  # of jobs without runs, of failures, of errors


def glance(
    directory: Path | None, ventilator: str | None, file: Path | None, console: Console, *, as_json: bool, watch: bool
) -> int:
    """Prints how a pipeline does, once or until it is interrupted; returns the exit code. Raises FipError.

    Of a directory in which nothing works it prints what is stored there.
    """
    config = watched(directory, ventilator, file)
    if config:
        code = _follow(config, directory, console, as_json, watch)
        if not (watch and directory and read_run_file(directory) is None):
            return code
    assert directory is not None
    return what_is_stored(directory, console, as_json)


def _follow(config: Config, directory: Path | None, console: Console, as_json: bool, watch: bool) -> int:
    """Prints states; with `watch` until it is interrupted, or the run into the directory is over."""
    code = EXIT_CODES["no pipeline"]
    with suppress(KeyboardInterrupt), Follower(config) as follower, _printer(console, as_json, watch) as show:
        for state in follower.states():
            code = state.exit_code
            show(state)
            if not watch or (directory and read_run_file(directory) is None):
                break
    return code


@contextmanager
def _printer(console: Console, as_json: bool, watch: bool) -> Iterator[Callable[[PipelineState], None]]:
    """What prints a state: as JSON, as a page that stays in place on a terminal, or as a line where that cannot be."""
    if as_json:
        yield lambda state: console.out(state_json(state).decode(), highlight=False)
    elif not watch:
        yield lambda state: console.print(page(state, console.width))
    elif console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False) as display:
            yield lambda state: display.update(page(state, console.width), refresh=True)
    else:
        yield lambda state: console.print(
            f"{clock(state.time)} {headline(state)}", highlight=False, markup=False, soft_wrap=True
        )


def page(state: PipelineState, width: int) -> RenderableType:
    """A pipeline at a glance."""
    parts: list[RenderableType] = [verdict_lines(state, reasons=LINES_SHOWN)]
    runs = runs_of_interest(state, RUNS_SHOWN)
    if runs:
        parts += ["", _table(RUN_HEADS, [run_row(run) for run in runs])]
    parts += [Text(job_line(job)) for job in state.jobs[-LINES_SHOWN:] if not job.runs]
    if state.ventilator:
        parts += ["", stage_lines(state, width)]
    if state.antennas:
        parts.append(antenna_lines(state.antennas, width))
    if state.workers:
        parts += ["", _table(WORKER_HEADS, [worker_row(view) for view in state.workers])]
    for title, lines in (
        ("failed slices", [failure_line(each) for each in state.failures[-LINES_SHOWN:]]),
        ("errors", [incident_line(each) for each in state.errors[:LINES_SHOWN]]),
        ("refused connections", [incident_line(each) for each in state.security[:LINES_SHOWN]]),
    ):
        parts += ["", Text(title, style="bold"), *(Text(f"  {line}") for line in lines)] if lines else []
    return Group(*parts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Columns without lines, the first on the left and numbers on the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for index, head in enumerate(heads):
        named = index == 0 or head == "state"
        table.add_column(head, justify="left" if named else "right", no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def what_is_stored(directory: Path, console: Console, as_json: bool) -> int:
    """Prints what is in a directory in which nothing works: all stored, some failed, or an interrupted run."""
    if not (directory / LEDGER).exists():
        raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it: there is no {LEDGER}")
    ledger = Ledger(directory, read_only=True)
    totals = ledger.totals()
    ledger.close()
    failed = sum(len(run.failed) for run in totals)
    left = sum(run.total - run.stored for run in totals) - failed
    verdict = "finished" if not failed and not left else "failing" if failed else "no pipeline"
    code = {"finished": 0, "failing": 1, "no pipeline": 3}[verdict]
    if as_json:
        content = {"verdict": verdict, "exit_code": code, "runs": [asdict(run) for run in totals]}
        console.out(json.dumps(content), highlight=False)
        return code
    text = summary(totals, seconds=0, new=0, observed=0, missed=0, output=directory)
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    if left:
        console.print(f"nothing works on the other {left}: run it again to resume", highlight=False, soft_wrap=True)
    return code
