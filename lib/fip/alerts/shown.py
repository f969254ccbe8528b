"""What became of alerts, beside what was found, for every view: read anew only if an outbox has changed."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from fip.alerts.listing import told_of_events
from fip.alerts.listing import view_of as read_view
from fip.alerts.outbox import OUTBOX
from fip.archive.stamps import Stamp, stamp_of_database
from fip.data.errors import FipError
from fip.events import shown
from fip.events.words import FOLDER
from fip.state.alerts import AlertsView, summed
from fip.state.pipeline import PipelineState
from fip.state.transients import TransientsView


def with_transients(state: PipelineState, root: Path) -> PipelineState:
    """Return the state with what was found in the images of the jobs that count now, and what was reported of it."""
    state = shown.with_transients(state, root)
    if state.transients is None:
        return state
    folders = sorted({job.directory for job in state.jobs_now} or {""})
    views = [view for folder in folders if (view := _alerts_of(root / folder))]
    return replace(state, transients=replace(state.transients, alerts=summed(views)))


def view_of(directory: Path) -> TransientsView | None:
    """The counts of the last search of a directory, and of its alerts; None if it was not searched."""
    found = shown.view_of(directory)
    return found and replace(found, alerts=_alerts_of(directory))


def told_by(directory: Path) -> Mapping[str, tuple[str, ...]]:
    """Return, for each event that is reported, a line for each target."""
    stamp = stamp_of_database(directory / FOLDER / OUTBOX)
    return _read(directory / FOLDER, stamp)[1] if stamp else {}


def _alerts_of(directory: Path) -> AlertsView | None:
    stamp = stamp_of_database(directory / FOLDER / OUTBOX)
    return _read(directory / FOLDER, stamp)[0] if stamp else None


@lru_cache(maxsize=64)
def _read(folder: Path, stamp: Stamp) -> tuple[AlertsView | None, Mapping[str, tuple[str, ...]]]:
    try:
        return read_view(folder), told_of_events(folder)
    except FipError as error:
        return AlertsView(fault=str(error)), {}
