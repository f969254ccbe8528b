"""What a search has found in a directory, as plain values for every view of it: read anew only if its files changed."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.catalogues.told import listed_matches
from fip.data.errors import FipError, UsageError
from fip.data.names import is_label
from fip.events.words import CUTOUT, EVENTS, FACTS, FOLDER, INJECTION, LIGHT, PICTURE, RATES
from fip.state.pipeline import PipelineState
from fip.state.transients import TransientsView, summed

_TEXTS = ("id", "kind", "begin", "end", "stokes", "field", "run")
_NUMBERS: dict[str, type[int] | type[float]] = {
    **dict.fromkeys(("ra", "dec", "ra_err", "dec_err", "snr", "flux", "threshold", "x", "y"), float),
    **dict.fromkeys(("first", "last", "width", "sign"), int),
}
_BEAM = "beam"  # deg; older tables do not have it
_RATES = (
    *("run", "slices", "threshold", "predicted"),
    *("threshold_candidates", "predicted_candidates", "candidates", "negative"),
)  # `injected` and `injected_found`, too, if FIP injects
Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search has found."""

    events: tuple[dict[str, Any], ...]  # as `fip events --json`, less verdicts; x, y (pixel), width, sign, threshold
    rates: tuple[dict[str, str], ...] = field(repr=False)  # the rows of rates.ecsv

    def of(self, run: str) -> "Searched":
        """The part of it that belongs to one run."""
        return Searched(
            tuple(each for each in self.events if each["run"] == run),
            tuple(each for each in self.rates if each["run"] == run),
        )

    @property
    def view(self) -> TransientsView:
        """The counts of what was found."""
        return _view(self.events, self.rates)


def searched(directory: Path) -> Searched | None:
    """What the last search of a directory has found; None if there was none. FipError if it cannot be read.

    Events come newest first, those that nothing speaks against before the others, and what FIP injected last.
    """
    return found_in(directory / FOLDER)


def found_in(folder: Path) -> Searched | None:
    """The same of the folder of a search."""
    stamp = _stamp(folder)
    return _read(folder, stamp) if stamp else None


def how_to_search(directory: Path) -> str:
    """One line for a directory that was not searched."""
    if (directory / FOLDER).is_dir():
        return "The search has told nothing yet."
    return f"Not searched for transients: `fip detect {directory}` does that, `fip run --detect` while it images."


def view_of(directory: Path) -> TransientsView | None:
    """The counts of the last search of a directory, or why they cannot be read; None if there was none."""
    try:
        found = searched(directory)
    except FipError as error:
        return TransientsView(fault=str(error))
    return found.view if found else None


def with_transients(state: PipelineState, root: Path) -> PipelineState:
    """The state, and what was found in the images of the jobs that count now, whose folders are in `root`."""
    folders = {job.directory for job in state.jobs_now} or {""}
    views = [view for folder in sorted(folders) if (view := view_of(root / folder))]
    return replace(state, transients=summed(views)) if views else state


def files_of(directory: Path, identity: str) -> dict[str, Path]:
    """The files of an event that are there, by name; nothing is followed that leads elsewhere."""
    folder = directory / FOLDER / identity
    if not is_label(identity) or identity.startswith(".") or folder.is_symlink():
        return {}
    found = {name: folder / name for name in (PICTURE, CUTOUT, LIGHT, FACTS)}
    return {name: path for name, path in found.items() if path.is_file() and not path.is_symlink()}


def _stamp(folder: Path) -> Stamp:
    """Return a stamp that changes when the tables change; () if one of them is not there."""
    try:
        told = [(folder / name).stat() for name in (EVENTS, RATES)]
    except OSError:
        return ()
    return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in told)


@lru_cache(maxsize=16)
def _read(folder: Path, stamp: Stamp) -> Searched:
    rows, injected = _rows(folder / EVENTS, (*_TEXTS, "labels", *_NUMBERS)), _injected(folder.parent)
    events = [_event(folder / EVENTS, row, injected) for row in rows]
    events.sort(key=lambda each: (each["begin"], each["snr"] or 0.0), reverse=True)
    events.sort(key=lambda each: (bool(each["labels"]), INJECTION in each["labels"]))
    rates = tuple(_rows(folder / RATES, _RATES))
    found = Searched(tuple(events), rates)
    try:
        _ = found.view
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(folder / RATES, error) from None
    return found


def _rows(path: Path, needed: Iterable[str]) -> Iterator[dict[str, str]]:
    """The rows of an ECSV table by name, as text. By hand, as astropy takes half a second to be there."""
    try:
        with path.open(newline="") as file:
            rows = csv.DictReader((line for line in file if not line.startswith("#")), delimiter=" ", strict=True)
            for name in needed:
                if name not in (rows.fieldnames or ()):
                    raise KeyError(name)
            yield from rows
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise _unreadable(path, error) from None


def _event(path: Path, row: Mapping[str, str], injected: frozenset[str]) -> dict[str, Any]:
    try:
        numbers = {name: kind(row[name]) for name, kind in _NUMBERS.items()} | {_BEAM: float(row.get(_BEAM) or 0)}
    except (TypeError, ValueError) as error:
        raise _unreadable(path, error) from None
    labels = row["labels"].split()
    if row["run"] in injected and INJECTION not in labels:
        labels.append(INJECTION)
    try:
        matches = listed_matches(row.get("matches") or "")  # an older FIP knew of none
    except ValueError as error:
        raise _unreadable(path, error) from None
    known: dict[str, Any] = {name: row[name] for name in _TEXTS} | numbers
    known |= {"labels": labels, "matches": matches, "directory": str(path.parent.parent)}
    return {name: None if isinstance(each, float) and not math.isfinite(each) else each for name, each in known.items()}


def _injected(directory: Path) -> frozenset[str]:
    """The runs of a directory of data to which `fip inject` has added sources."""
    if not (directory / LEDGER).is_file():
        return frozenset()
    with closing(Ledger(directory, read_only=True)) as ledger:
        return ledger.injected_runs()


def _unreadable(path: Path, error: Exception) -> UsageError:
    said = f"no column {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None) or error
    return UsageError(f"{path}: cannot be read: {said}; `fip detect` writes it anew")


def _view(events: Iterable[Mapping[str, Any]], rates: Iterable[Mapping[str, str]]) -> TransientsView:
    events, rates = list(events), list(rates)

    def total(name: str) -> float:
        known = [float(each[name] or 0) for each in rates]
        return sum(each for each in known if math.isfinite(each))

    def highest(name: str) -> float | None:
        known = [float(each[name] or 0) for each in rates]
        return max((each for each in known if math.isfinite(each)), default=None)

    injects = any("injected" in each for each in rates)
    return TransientsView(
        dict(Counter(each["kind"] for each in events if not each["labels"])),
        dict(Counter(label for each in events for label in each["labels"])),
        sum(bool(each["labels"]) and INJECTION not in each["labels"] for each in events),
        total("predicted"),
        sum(int(each["slices"]) for each in rates if (each.get("average") or "1") == "1"),
        highest("threshold"),
        round(total("candidates")),
        highest("threshold_candidates"),
        total("predicted_candidates"),
        round(total("negative")),
        round(total("injected")) if injects else None,
        round(total("injected_found")) if injects else 0,
    )
