"""`fip top`: the state of a pipeline, live in a terminal. It decides nothing: what it shows is in `PipelineState`."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.console import Console, Group
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

from fip.alerts.shown import with_transients
from fip.client.follower import Follower, watched
from fip.config import Config
from fip.data.errors import FipError, UsageError
from fip.state.daemons import WORKER_HEADS, daemon_panel
from fip.state.panel import Head, Panel, Table
from fip.state.panels import panels
from fip.state.pipeline import PipelineState
from fip.state.views import WorkerView
from fip.state.words import clock, printable
from fip.terminal.drawing import cells_of, drawn, lines, verdict_lines, whole
from fip.terminal.status import what_is_stored

RUNS_SHOWN = 3
REASONS_SHOWN = 3
Content = Callable[[PipelineState], Sequence[Panel]]

ORDERS: dict[str, Callable[[WorkerView], float]] = {
    "name": lambda view: 0.0,
    "state": lambda view: float(view.state == "running"),
    "slice": lambda view: -view.working_for,
    "images/s": lambda view: -view.rate,
    "p95": lambda view: -view.status.latencies["image"].p95 if "image" in view.status.latencies else 0.0,
}
"""The orders of workers; equal ones are ordered by name. Those that do not run, the longest at work, the fastest, the
slowest come first."""


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
        Binding("f", "panels('failures')", "Failures"),
        Binding("e", "panels('errors connections')", "Errors"),
        Binding("a", "panels('antennas')", "Antennas"),
        Binding("r", "panels('receivers')", "Streams"),
        Binding("p", "panels", "All"),
    ]

    def __init__(self, states: Callable[[], Iterator[PipelineState]], where: str) -> None:
        """`states` is iterated in a thread of its own. The second argument says whose states they are."""
        super().__init__(ansi_color=True)
        self.fault: FipError | None = None  # what ended it, if something did
        self._states, self._where = states, where
        self._state: PipelineState | None = None
        self._order = next(iter(ORDERS))
        self._heads: tuple[Head, ...] = ()  # of the columns of the table
        self._names: list[str] = []  # of the workers in its rows

    def compose(self) -> ComposeResult:
        """Yield the parts of the screen, from above."""
        yield Static(f"looking for {self._where} ...", id="verdict", markup=False)
        yield Static(id="jobs")
        yield Static(id="lines")
        yield DataTable[Text](cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """Focus the table and begin to listen."""
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
        """Show a state in all parts of the screen."""
        self._state = state
        shown, width = panels(state), self.size.width - 2
        when = clock(state.time, state.time)
        title = Text(f"{self._where}  {when}  workers by {self._order}\n", "bright_black")
        self._part("verdict").update(title.append_text(verdict_lines(state, REASONS_SHOWN)))
        tables = {panel.name: panel.tables for panel in shown}
        self._part("jobs").update(Group(*(drawn(table, width, RUNS_SHOWN) for table in tables["jobs"])))
        self._part("lines").update(lines(shown, width))
        self._show_workers(state.workers, tables["workers"])
        if isinstance(self.screen, Page):
            self.screen.show(state)

    def on_resize(self, event: Resize) -> None:
        """Fit what is shown to the width."""
        if self._state:
            self.show(self._state)

    def action_sort(self) -> None:
        """Sort the workers by the next of `ORDERS`."""
        names = list(ORDERS)
        self._order = names[(names.index(self._order) + 1) % len(names)]
        if self._state:
            self.show(self._state)

    def action_details(self) -> None:
        """All that is known of the worker under the cursor."""
        chosen = self._chosen()
        if chosen:
            self._open(lambda state: [
                daemon_panel(chosen, chosen, view, state.time)
                for view in state.workers if view.status.identity == chosen
            ] or [Panel(chosen, chosen, nothing="It is not known any more.")])  # fmt: skip

    def action_panels(self, names: str = "") -> None:
        """All that there is to say of these subjects; of every one, if none is named."""
        self._open(lambda state: [each for each in panels(state) if not names or each.name in names.split()])

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

    def _show_workers(self, workers: Sequence[WorkerView], tables: Sequence[Table]) -> None:
        """Workers in their order, written over those that were shown; the cursor stays on the one that it was on."""
        shown: DataTable[Text] = self.screen_stack[0].query_one(DataTable)
        chosen, width = self._chosen(), self.size.width
        heads = tuple(head for head in WORKER_HEADS if head.width <= width)
        if heads != self._heads:
            shown.clear(columns=True)
            shown.add_columns(*(head.name for head in heads))
            self._heads = heads
        rows = zip(workers, tables[0].rows if tables else (), strict=True)
        ordered = [row for _, row in sorted(rows, key=lambda each: ORDERS[self._order](each[0]))]
        for place, row in enumerate(ordered):
            cells = cells_of(row, WORKER_HEADS, width)
            if place == shown.row_count:
                shown.add_row(*cells, key=str(place))
            else:
                for column, cell in enumerate(cells):
                    shown.update_cell_at(Coordinate(place, column), cell, update_width=True)
        for place in range(len(ordered), shown.row_count):
            shown.remove_row(str(place))
        self._names = [row.key for row in ordered]
        if chosen in self._names:
            shown.move_cursor(row=self._names.index(chosen), animate=False)


class Page(ModalScreen[None]):
    """A page over the screen, which goes on with the state; any of the keys that open one closes it."""

    CSS = """
    Page { align: center middle; }
    VerticalScroll { width: 92%; height: 84%; border: round ansi_cyan; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,d,f,e,a,r,p", "dismiss", "Back", key_display="esc")
    ]

    def __init__(self, content: Content, state: PipelineState) -> None:
        super().__init__()
        self._content, self._first = content, state

    def compose(self) -> ComposeResult:
        """What it is about, which can be scrolled."""
        with VerticalScroll():
            yield Static(self._drawn(self._first))
        yield Footer()

    def show(self, state: PipelineState) -> None:
        """Show what it is about, of a state."""
        self.query_one(Static).update(self._drawn(state))

    def _drawn(self, state: PipelineState) -> Group:
        return whole(self._content(state), round(0.92 * self.app.size.width) - 4)


def live(directory: Path | None, ventilator: str | None, file: Path | None, console: Console) -> int:
    """Show how a pipeline does until somebody has seen enough; return the exit code. Raises FipError."""
    config = watched(directory, ventilator, file)
    if directory and not config:
        return what_is_stored(directory, console, as_json=False)
    assert config is not None
    if not console.is_terminal or console.is_dumb_terminal:
        raise UsageError("fip top: this is no terminal that it can draw on; `fip status --watch` needs none")
    root = None if ventilator else directory or config.sink.directory
    top = Top(partial(_states, config, root), printable(str(directory or config.ventilator.control)))
    top.run()
    if top.fault:
        raise top.fault
    return top.return_code or 0


def _states(config: Config, root: Path | None) -> Iterator[PipelineState]:
    with Follower(config) as follower:
        for state in follower.states():
            yield with_transients(state, root) if root else state
