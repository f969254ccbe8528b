"""`fip status`: print the state of a pipeline, or of a directory whose run is over."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live

from fip.alerts.shown import view_of, with_transients
from fip.archive.at_rest import read_totals, to_resume, verdict_of
from fip.client.follower import Follower, watched
from fip.client.run_file import read_run_file
from fip.config import Config
from fip.state.alerts import line as alerts_line
from fip.state.panels import headline, panels, state_json
from fip.state.pipeline import EXIT_CODES, PipelineState
from fip.state.transients import line
from fip.state.words import clock, printable
from fip.terminal.drawing import glance_at, lines, verdict_lines
from fip.terminal.progress import summary

REASONS_SHOWN = 5


def glance(
    directory: Path | None, ventilator: str | None, file: Path | None, console: Console, *, as_json: bool, watch: bool
) -> int:
    """Print how a pipeline does, once or until it is interrupted; return the exit code. Raises FipError.

    If nothing works in a directory, it prints what is stored there.
    """
    config = watched(directory, ventilator, file)
    if config:
        root = None if ventilator else directory or config.sink.directory
        code = _follow(config, directory, root, console, as_json, watch)
        if not (watch and directory and read_run_file(directory) is None):
            return code
    assert directory is not None
    return what_is_stored(directory, console, as_json)


def _follow(
    config: Config, directory: Path | None, root: Path | None, console: Console, as_json: bool, watch: bool
) -> int:
    """Print states; with `watch` until it is interrupted, or the run into the directory is over."""
    code = EXIT_CODES["no pipeline"]
    with suppress(KeyboardInterrupt), Follower(config) as follower, _printer(console, as_json, watch) as show:
        for state in follower.states():
            code = state.exit_code
            show(with_transients(state, root) if root else state)
            if not watch or (directory and read_run_file(directory) is None):
                break
    return code


@contextmanager
def _printer(console: Console, as_json: bool, watch: bool) -> Iterator[Callable[[PipelineState], None]]:
    """Yield a function that prints a state: as JSON, as a page that stays on a terminal, or if it cannot, as a line."""
    if as_json:
        yield lambda state: console.out(state_json(state).decode(), highlight=False)
    elif not watch:
        yield lambda state: console.print(page(state, console.width))
    elif console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False) as display:
            yield lambda state: display.update(page(state, console.width), refresh=True)
    else:
        yield lambda state: console.out(
            f"{clock(state.time, state.time)} {printable(headline(state))}", highlight=False
        )


def page(state: PipelineState, width: int) -> RenderableType:
    """A pipeline at a glance."""
    shown = panels(state)
    summed = [lines(shown, width)] if state.ventilator else []
    return Group(verdict_lines(state, REASONS_SHOWN), *summed, *glance_at(shown, width))


def what_is_stored(directory: Path, console: Console, as_json: bool) -> int:
    """Print what is in a directory in which nothing works: all stored, some failed, or an interrupted run."""
    totals = read_totals(directory)
    verdict = verdict_of(totals)
    code = EXIT_CODES[verdict]
    found = view_of(directory)
    if as_json:
        transients = {"transients": asdict(found)} if found else {}
        content = {"verdict": verdict, "exit_code": code, "runs": [asdict(run) for run in totals]} | transients
        console.out(json.dumps(content), highlight=False)
        return code
    text = summary(totals, seconds=0, new=0, observed=0, missed=0, output=directory)
    console.print(text, soft_wrap=True)
    if found:
        console.print(f"transients: {printable(line(found))}", soft_wrap=True)
        if found.alerts:
            console.print(f"alerts: {printable(alerts_line(found.alerts))}", soft_wrap=True)
    if left := to_resume(totals):
        console.print(left, soft_wrap=True)
    return code
