"""`fip top`: the state of a pipeline, live in a terminal. It decides nothing: what it shows is in `PipelineState`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.coordinate import Coordinate
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static
from textual.worker import get_current_worker

from fip.client.follower import Follower, watched
from fip.config import Config
from fip.data.errors import FipError, UsageError
from fip.state.pipeline import PipelineState, WorkerView
from fip.state.words import WORKER_HEADS, clock, failure_line, incident_line, job_line, runs_of_interest, worker_row
from fip.terminal.drawing import (
    antenna_lines,
    antenna_page,
    list_page,
    run_line,
    stage_lines,
    verdict_lines,
    worker_page,
)
from fip.terminal.status import what_is_stored

RUNS_SHOWN = 3
REASONS_SHOWN = 3
NARROW = 100  # columns of a terminal below which a worker has fewer of its own
ALWAYS = ("worker", "state", "slice", "img/s", "p95", "busy")  # those that it has in any
COLOURS = {"running": "", "silent": "yellow", "hung": "bold red", "gone": "red"}  # others: cyan

Content = Callable[[PipelineState], Text]


def _p95(view: WorkerView) -> float:
    latency = view.status.latencies.get("image")
    return latency.p95 if latency else 0.0


ORDERS: dict[str, Callable[[WorkerView], float]] = {
    "name": lambda view: 0.0,
    "state": lambda view: float(view.state == "running"),
    "slice": lambda view: -view.working_for,
    "img/s": lambda view: -view.rate,
    "p95": lambda view: -_p95(view),
}
"""What workers may be sorted by, then by name: those that do not run, the longest at work, the fastest, the slowest
come first."""


class Top(App[None]):
    """Everything on one screen, and pages for what somebody asks about."""

    TITLE = "fip top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen, DataTable, Static { background: ansi_default; }
    Static { height: auto; padding: 0 1; margin-bottom: 1; }
    DataTable { height: 1fr; }
    DataTable > .datatable--header { background: ansi_default; color: ansi_default; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("s", "sort", "Sort"),
        Binding("d", "details", "Details"),
        Binding("f", "failures", "Failures"),
        Binding("e", "errors", "Errors"),
        Binding("a", "antennas", "Antennas"),
    ]

    def __init__(self, states: Callable[[], Iterator[PipelineState]], where: str) -> None:
        """`states` is iterated in a thread of its own; `where` says of what they are."""
        super().__init__(ansi_color=True)
        self.fault: FipError | None = None  # what ended it, if something did
        self._states, self._where = states, where
        self._state: PipelineState | None = None
        self._order = next(iter(ORDERS))
        self._heads: tuple[str, ...] = ()  # of the columns of the table
        self._names: list[str] = []  # of the workers in its rows

    def compose(self) -> ComposeResult:
        """The parts of the screen, from above."""
        yield Static(f"looking for {self._where} ...", id="verdict", markup=False)
        yield Static(id="runs")
        yield Static(id="stages")
        yield DataTable[Text](cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """Begins to listen."""
        self.query_one(DataTable).focus()
        self._listen()

    @work(thread=True)
    def _listen(self) -> None:
        worker = get_current_worker()
        try:
            for state in self._states():
                if worker.is_cancelled:
                    return
                self.call_from_thread(self.show, state)
        except FipError as error:
            self.fault = error
            self.call_from_thread(self.exit)

    def show(self, state: PipelineState) -> None:
        """Shows a state."""
        self._state = state
        title = Text(f"{self._where}  {clock(state.time)}  workers by {self._order}\n", "bright_black")
        self._part("verdict").update(title.append_text(verdict_lines(state, REASONS_SHOWN)))
        runs = runs_of_interest(state, RUNS_SHOWN)
        jobs = [job for job in state.jobs if not job.runs][-RUNS_SHOWN:]
        lines = [run_line(run, self.size.width - 2) for run in runs] + [Text(job_line(job)) for job in jobs]
        self._part("runs").update(Text("\n").join(lines))
        self._part("stages").update(self._stages(state))
        self._show_workers(state)
        if isinstance(self.screen, Page):
            self.screen.show(state)

    def on_resize(self, event: Resize) -> None:
        """Fits what is shown to the width."""
        if self._state:
            self.show(self._state)

    def action_sort(self) -> None:
        """Sorts the workers by the next of `ORDERS`."""
        names = list(ORDERS)
        self._order = names[(names.index(self._order) + 1) % len(names)]
        if self._state:
            self.show(self._state)

    def action_details(self) -> None:
        """All that is known of the worker under the cursor."""
        chosen = self._chosen()
        if chosen:
            self._open(lambda state: next(
                (worker_page(view) for view in state.workers if view.status.identity == chosen),
                Text(f"{chosen} is not known any more"),
            ))  # fmt: skip

    def action_failures(self) -> None:
        """The slices that failed for good."""
        self._open(lambda state: list_page(slices_that_failed=[*map(failure_line, reversed(state.failures))]))

    def action_errors(self) -> None:
        """What daemons logged, and the connections that they refused."""
        self._open(
            lambda state: list_page(
                errors_and_warnings=[*map(incident_line, state.errors)],
                refused_connections=[*map(incident_line, state.security)],
            )
        )

    def action_antennas(self) -> None:
        """How each antenna does."""
        self._open(antenna_page)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click, on a worker."""
        self.action_details()

    def _part(self, name: str) -> Static:
        return self.screen_stack[0].query_one(f"#{name}", Static)

    def _open(self, content: Content) -> None:
        if self._state and not isinstance(self.screen, Page):
            self.push_screen(Page(content, self._state))

    def _chosen(self) -> str | None:
        """The worker under the cursor."""
        row = self.screen_stack[0].query_one(DataTable).cursor_row
        return self._names[row] if row < len(self._names) else None

    def _stages(self, state: PipelineState) -> Text:
        """Source, workers, sink, and the antennas."""
        width = self.size.width - 2
        parts = [stage_lines(state, width), *([antenna_lines(state.antennas, width)] if state.antennas else [])]
        return Text("\n").join(parts)

    def _show_workers(self, state: PipelineState) -> None:
        """Workers in their order, written over those that were shown; the cursor stays on the one that it was on."""
        table: DataTable[Text] = self.screen_stack[0].query_one(DataTable)
        heads = WORKER_HEADS if self.size.width >= NARROW else ALWAYS
        chosen = self._chosen()
        if heads != self._heads:
            table.clear(columns=True)
            table.add_columns(*heads)
            self._heads = heads
        views = sorted(state.workers, key=ORDERS[self._order])
        for row, view in enumerate(views):
            cells = _cells(view, heads)
            if row == table.row_count:
                table.add_row(*cells, key=str(row))
            else:
                for column, cell in enumerate(cells):
                    table.update_cell_at(Coordinate(row, column), cell, update_width=True)
        for row in range(len(views), table.row_count):
            table.remove_row(str(row))
        self._names = [view.status.identity for view in views]
        if chosen in self._names:
            table.move_cursor(row=self._names.index(chosen), animate=False)


class Page(ModalScreen[None]):
    """A page over the screen, which goes on with the state; any of the keys that open one closes it."""

    CSS = """
    Page { align: center middle; }
    VerticalScroll { width: 92%; height: 84%; border: round ansi_cyan; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,d,f,e,a", "dismiss", "Back", key_display="esc")]

    def __init__(self, content: Content, state: PipelineState) -> None:
        super().__init__()
        self._content, self._first = content, state

    def compose(self) -> ComposeResult:
        """One text, that can be scrolled."""
        with VerticalScroll():
            yield Static(self._content(self._first))
        yield Footer()

    def show(self, state: PipelineState) -> None:
        """Shows what it is about, of a state."""
        self.query_one(Static).update(self._content(state))


def _cells(view: WorkerView, heads: tuple[str, ...]) -> list[Text]:
    style = COLOURS.get(view.state, "cyan")
    row = zip(WORKER_HEADS, worker_row(view), strict=True)
    return [
        Text(cell, style, justify="left" if head in ("worker", "state") else "right")
        for head, cell in row
        if head in heads
    ]


def live(directory: Path | None, ventilator: str | None, file: Path | None, console: Console) -> int:
    """Shows how a pipeline does until somebody has seen enough; returns the exit code. Raises FipError."""
    config = watched(directory, ventilator, file)
    if directory and not config:
        return what_is_stored(directory, console, as_json=False)
    assert config is not None
    if not console.is_terminal or console.is_dumb_terminal:
        raise UsageError("fip top: this is no terminal that it can draw on; `fip status --watch` needs none")
    top = Top(partial(_states, config), str(directory or config.ventilator.control))
    top.run()
    if top.fault:
        raise top.fault
    return top.return_code or 0


def _states(config: Config) -> Iterator[PipelineState]:
    with Follower(config) as follower:
        yield from follower.states()
