"""What a ledger says about runs, images and files: rows of its tables as values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from fip.archive.file_names import AFTER_RUN
from fip.data.antennas import IllAntenna
from fip.data.complete import Complete
from fip.data.values import Beam
from fip.fits.identity import Identity


@dataclass(frozen=True)
class RunTotals:
    """One run as the ledger has it."""

    run: str
    name: str
    measurement_set: str
    total: int
    stored: int  # those that have expired since among them
    empty: int
    failed: tuple[tuple[int, str], ...]  # (slice, reason)
    doubtful: tuple[tuple[str, int], ...] = ()  # images of each quality but "good" and "empty"
    final: bool = True  # whether `total` is; while a MeasurementSet is being written, it grows
    expired: int = 0
    first_doubtful: tuple[tuple[str, str], ...] = ()  # (file, quality) of the first images that are doubtful
    antennas: tuple[IllAntenna, ...] = ()  # those that should be looked at
    complete: Complete | None = None  # how much was there of its slices; None if that was noted of none


@dataclass(frozen=True)
class Aged:
    """A stored image, as one of the oldest."""

    run: str
    index: int
    files: tuple[str, ...]
    size: int  # bytes of all of them


@dataclass(frozen=True)
class Listed:
    """A file of a stored image."""

    name: str
    run: str
    index: int  # of the slice in its run
    identity: Identity  # as its header has it
    size: int  # bytes
    digest: str  # xxh3-64 of its content


@dataclass(frozen=True)
class RunRow:
    """A run as it was opened."""

    run: str
    name: str
    measurement_set: str
    total: int  # slices that are known of
    final: bool  # whether that is all; while a MeasurementSet is being written, more come
    opened: float  # s UTC, Unix


@dataclass(frozen=True)
class Series:
    """Slices of a run that are followed in order, with a state of their own."""

    row: RunRow
    backlog: bool | None = None  # True: those of its backlog; False: all others; None: all, those of a backlog, too

    @property
    def key(self) -> str:
        """Its name among all series of a directory: that of its run, if it has no other."""
        return f"{self.row.run}{AFTER_RUN}" if self.backlog else self.row.run

    @property
    def name(self) -> str:
        """The beginning of the names of files that show it."""
        return f"{self.row.name}{AFTER_RUN}" if self.backlog else self.row.name


@dataclass(frozen=True)
class Entry:
    """What the ledger says of one stored image."""

    run: str
    index: int  # of the slice in its run
    file: str
    size: int  # bytes
    integration: int
    label: str  # of the field; "" if its MeasurementSet has one field
    empty: bool
    quality: str  # as `fip.data.quality` says
    begin: float  # s UTC since MJD 0, here and in the next two
    average: float
    end: float
    attempt: int
    worker: str  # HOST/NAME
    seconds: dict[str, float]  # in the worker, by stage
    rms: float | None  # Jy/beam, here and in the next two; None for an empty image
    minimum: float | None
    maximum: float | None
    beam: Beam | None
    recorded: float  # s UTC, Unix
    frequency: float | None = None  # Hz, the weighted mean of what was imaged; None if that was not noted
    data_weight: float | None = None  # of its samples the sum of w, here of w |V|^2 in the next, and their number
    data_power: float | None = None
    data_used: float | None = None
    complete: float | None = None  # share of the expected samples that was there, 0 to 1; None: not noted
    sequence: int = 0  # the order in which they were entered: 1, 2, ...; 0 from before that was noted


NAMED = 3  # doubtful images that are named in a run's totals
ENTRY = (
    "run, slice AS 'index', file, bytes AS size, integration, label, empty, quality, begin, average, end, attempt, "
    "worker, seconds, rms, minimum, maximum, major, minor, angle, recorded"
)
"""The columns of `slices` that `entry_of` takes."""

OF_SLICE = "FROM files WHERE files.run = slices.run AND files.slice = slices.slice"
"""Part of a query on `slices`: the files of further kinds of each slice."""

SIZE = f"bytes + COALESCE(psf_bytes, 0) + COALESCE((SELECT SUM(files.bytes) {OF_SLICE}), 0)"
"""Bytes of all files of a slice, likewise."""

_ENTRIES, _RUNS = TypeAdapter(Entry), TypeAdapter(RunRow)


def entry_of(row: Mapping[str, Any]) -> Entry:
    """An image, from the columns `ENTRY` and those of the fields after them. ValueError if it cannot be one."""
    values = dict(row)
    major, minor, angle = (values.pop(name) for name in ("major", "minor", "angle"))
    values["beam"] = None if major is None else Beam(major, minor, angle)
    return _ENTRIES.validate_python(values | {"seconds": json.loads(values["seconds"])})


def run_of(row: tuple[Any, ...]) -> RunRow:
    """A run, from columns in the order of its fields. ValueError if it cannot be one."""
    return _RUNS.validate_python(dict(zip(RunRow.__dataclass_fields__, row, strict=True)))
