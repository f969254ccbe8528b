"""What a reading child can be asked: to look into a MeasurementSet, to cut a slice of it, to forget it.

It reads in a process of its own, so that damage that kills casacore does not kill the ventilator. It keeps nothing that
matters: one that died is replaced, and opens again what it is asked for.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, Protocol

from fip.data.errors import InputError
from fip.data.names import RunId
from fip.data.settings import Asked

if TYPE_CHECKING:
    from fip.imaging.antennas import AntennaTally
    from fip.source.cutting import Run

KEPT_OPEN = 3  # MeasurementSets: one that is imaged, one that is ending, one that is looked into


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run once its MeasurementSet was looked into."""

    run: RunId
    older: RunId | None  # the id that it had at 0c91216
    name: str  # the MeasurementSet's stem, for file names
    times: tuple[float, ...]  # s UTC, of its slices
    cadence: float | None  # s from one slice to the next
    rows: int  # of the MeasurementSet
    final: bool  # whether no more slices will come
    notes: tuple[str, ...]  # what the log should say

    @property
    def observed(self) -> float:
        """Seconds that were observed: a cadence a slice, or less if the next one comes sooner; gaps do not count."""
        length, times = self.cadence or 0.0, sorted(self.times)
        return sum(min(length, after - before) for before, after in pairwise(times)) + (length if times else 0.0)


@dataclass(frozen=True, eq=False)
class Cut:
    """A slice as it goes over the wire; whoever passes it on need not look into it."""

    frames: list[Any]  # as `fip.wire.codec.encode_slice` makes them
    nbytes: int  # of its samples
    antennas: "AntennaTally"
    seconds: float  # that it took to read it
    ill: dict[str, float] = field(default_factory=dict)  # antennas to look at, as the slice has them


class Opened(Protocol):
    """An open MeasurementSet, whole or being written."""

    @property
    def rows(self) -> int:
        """How many it had when it was last looked into."""

    @property
    def current(self) -> bool:
        """Whether it is as it is on disk, or will be when it is looked into."""

    def look(self, complete: bool = False, ended: bool = False) -> "Run":
        """Its run as far as it is known: see `fip.source.growing`."""

    def up_to(self, index: int) -> "Run":
        """Its run, with this slice."""

    def close(self) -> None:
        """Release the files."""


_opened: OrderedDict[tuple[Path, Asked, bool], Opened] = OrderedDict()


def look(path: Path, asked: Asked, follow: bool, complete: bool = False, ended: bool = False) -> RunFacts:
    """Looks into a MeasurementSet, as it is now, for slices as they are asked for; `follow` if it is being written.

    `complete` and `ended` are those of `fip.source.growing`. Raises InputError and UsageError.
    """
    known = _opened.get((path, asked, follow))
    if known and not known.current:
        forget(path, asked, follow)
    opened = _open(path, asked, follow)
    run = opened.look(complete, ended)
    times = tuple(each.time for each in run.slices)
    return RunFacts(run.id, run.older, run.name, times, run.cadence, opened.rows, not follow, run.notes)


def cut(path: Path, asked: Asked, follow: bool, run: RunId, index: int) -> Cut:
    """A slice of a run as it is sent. InputError if it cannot be read."""
    from fip.imaging.compression import compress
    from fip.wire.codec import encode_slice

    begun = time.monotonic()
    found = _open(path, asked, follow).up_to(index)
    if run not in (found.id, found.older):
        raise InputError(f"{path}: is another one than when the run began")
    for reader in found.readers:  # a directory that was begun when zeros were values goes on so
        reader.keep_zeros = asked.source.keep_zeros or run == found.older
    values, antennas = found.read_with_antennas(index)
    values = replace(compress(values), run=run)
    header, *arrays = encode_slice(values)
    return Cut([header, *map(PickleBuffer, arrays)], values.nbytes, antennas, time.monotonic() - begun, values.ill)


def forget(path: Path, asked: Asked, follow: bool) -> None:
    """Closes a MeasurementSet."""
    opened = _opened.pop((path, asked, follow), None)
    if opened:
        opened.close()


def _open(path: Path, asked: Asked, follow: bool) -> Opened:
    from fip.source.growing import Growing, Whole

    key = path, asked, follow
    if key not in _opened:
        while len(_opened) >= KEPT_OPEN:
            forget(*next(iter(_opened)))
        _opened[key] = Growing(path, asked) if follow else Whole(path, asked)
    _opened.move_to_end(key)
    return _opened[key]
