"""What a reading child can be asked: to look into a MeasurementSet, to cut a slice of it, to forget it.

It reads in a process of its own, so that damage that kills casacore does not kill the ventilator. It keeps nothing that
matters: a child that died is replaced, and the new one opens again what it is asked for.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from fip.data.arriving import Arrivals, Writing
from fip.data.errors import InputError, NotYetError, UnreadableError
from fip.data.names import RunId
from fip.data.needs import another
from fip.data.settings import Asked
from fip.source.pipe import Memory
from fip.spool.layout import is_spool

Result = TypeVar("Result")

if TYPE_CHECKING:
    from fip.data.values import Fingerprint
    from fip.imaging.antennas import AntennaTally
    from fip.source.cutting import Run
    from fip.source.recording import Recording

STEADY_WITHIN = 5.0  # s: what is being written can be read again within this time
STEADY_EVERY = 0.05  # s
KEPT_OPEN = 3  # MeasurementSets: one that is imaged, one that is ending, one that is looked into


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run once its MeasurementSet was looked into."""

    run: RunId
    older: RunId | None  # the id that it had at 0c91216
    name: str  # the MeasurementSet's stem, for file names
    times: tuple[float, ...]  # s UTC, of its slices that were not known before
    cadence: float | None  # s from one slice to the next
    rows: int  # of the MeasurementSet
    final: bool  # whether no more slices will come
    notes: tuple[str, ...]  # what the log should say
    hints: str = ""  # of the files that hold its data: if they differ, the data may
    others: Mapping[str, tuple[RunId, ...]] = field(default_factory=dict)  # its ids, were another column imaged
    known: int = 0  # slices, before `times`, that whoever asked already knew
    ended: bool | None = None  # whether its writer says that no more comes; None if only silence shows it
    handed: Memory | None = None  # what the child knows of it, for others
    files: tuple[str, ...] = ()  # that corrections are read from
    arrivals: Arrivals | None = None  # of one that comes in parts
    passes: bool = False  # whether its integrations are there for a while only, as those of a spool

    @property
    def observed(self) -> float:
        """Return the seconds observed: a cadence a slice, or less if the next comes sooner; gaps do not count."""
        length, times = self.cadence or 0.0, sorted(self.times)
        return sum(min(length, after - before) for before, after in pairwise(times)) + (length if times else 0.0)


@dataclass(frozen=True, eq=False)
class Held:
    """What the ventilator has of a recording for its children, as files that they map or read."""

    index: Memory | None = None  # what one of them knows of it
    manifest: Memory | None = None  # the order of what arrived: lines; more are added

    def close(self) -> None:
        """Close the descriptors of both."""
        for each in (self.index, self.manifest):
            if each:
                each.close()


@dataclass(frozen=True, eq=False)
class Cut:
    """A slice as it goes over the wire; it can be passed on without a look into it."""

    frames: list[Any]  # as `fip.wire.codec.encode_slice` makes them
    nbytes: int  # of its samples
    antennas: "AntennaTally"
    seconds: float  # that it took to read it
    ill: dict[str, float] = field(default_factory=dict)  # antennas to look at, as the slice has them
    corrected: Mapping[str, float] = field(default_factory=dict)  # s of that, by correction: "gains", "model", ...


class Opened(Protocol):
    """An open MeasurementSet, whole or being written."""

    @property
    def rows(self) -> int:
        """Return how many rows it had when it was last looked into."""

    @property
    def ended(self) -> bool | None:
        """Return whether its writer has said that no more comes; None if it never says."""

    @property
    def recording(self) -> "Recording":
        """Return the recording itself, open."""

    @property
    def current(self) -> bool:
        """Return whether it is as it is on disk, or will be when it is looked into."""

    def fits(self, asked: Asked) -> bool:
        """Return whether what another process found out is of what is asked, and of what is on disk now."""

    def look(self, complete: bool = False, ended: bool = False) -> "Run":
        """Return its run as far as it is known: see `fip.source.growing`."""

    def up_to(self, index: int) -> "Run":
        """Return its run, with this slice."""

    def doubt(self) -> None:
        """Take note that something could not be read: open it again before the next read, if it may be half written."""

    def close(self) -> None:
        """Close the files of the recording."""


Key: TypeAlias = tuple[Path, Asked, Writing | None]
"""What is open, and how: two jobs may ask differently for one path, or one may take it as whole, one as growing."""

_opened: OrderedDict[Key, Opened] = OrderedDict()


def look(
    path: Path,
    asked: Asked,
    writing: Writing | None = None,
    complete: bool = False,
    ended: bool = False,
    known: int = 0,
    held: Held | None = None,
    hand_over: bool = False,
) -> RunFacts:
    """Look into a recording, as it is now, for slices as they are asked for; `writing` if it is being written.

    `complete` and `ended` are those of `fip.source.growing`. If the first `known` slices of a run are known, only what
    is new is returned. What is `held` of it is not looked for again; `hand_over` if others are to know what this
    process knows. Raises InputError and UsageError; a NotYetError says what has arrived, too.
    """
    from fip.source.handing_over import handed_over

    before = _opened.get((path, asked, writing))
    if before and not before.current:
        forget(path, asked, writing)
    opened = _open(path, asked, writing, held)
    try:
        run = opened.look(complete, ended)
    except NotYetError as error:
        error.arrivals, error.ended = opened.recording.arrivals(), opened.ended
        raise
    facts = RunFacts(
        run.id, run.older, run.name, tuple(each.time for each in run.slices[known:]), run.cadence, opened.rows,
        final=writing is None, notes=run.notes_since(known), known=known, ended=opened.ended,
        handed=handed_over(opened) if hand_over else None, arrivals=opened.recording.arrivals(),
        passes=is_spool(path),
    )  # fmt: skip
    files = run.corrections.files if run.corrections else ()
    return facts if known else replace(facts, hints=run.hints, others=run.others, files=files)


def cut(path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int, held: Held | None = None) -> Cut:
    """Cut a slice of a run, as it is sent. InputError if it cannot be read."""
    from fip.wire.codec import encode_slice

    begun = time.monotonic()
    values, antennas, corrected = _steadily(
        path, asked, writing, lambda: run_with(path, asked, writing, run, index, held).read_with_antennas(index, True)
    )
    values = replace(values, run=run)
    header, *arrays = encode_slice(values)
    return Cut(
        [header, *map(PickleBuffer, arrays)], values.nbytes, antennas, time.monotonic() - begun, values.ill, corrected
    )


def fingerprint(
    path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int, held: Held | None = None
) -> "Fingerprint":
    """Return the fingerprint of a slice of a run, as it would be cut now. InputError if it cannot be read."""
    return _steadily(path, asked, writing, lambda: run_with(path, asked, writing, run, index, held).fingerprint(index))


def forget(path: Path, asked: Asked, writing: Writing | None) -> None:
    """Close a MeasurementSet that is open."""
    opened = _opened.pop((path, asked, writing), None)
    if opened:
        opened.close()


def _steadily(path: Path, asked: Asked, writing: Writing | None, read: Callable[[], Result]) -> Result:
    """Return what `read` returns; if a recording that is being written cannot be read, try again for a while."""
    until = time.monotonic() + STEADY_WITHIN
    while True:
        try:
            return read()
        except (UnreadableError, NotYetError):
            if writing is None or time.monotonic() >= until:
                raise
            opened = _opened.get((path, asked, writing))
            if opened:
                opened.doubt()
            time.sleep(STEADY_EVERY)


def run_with(path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int, held: Held | None) -> "Run":
    """Return the open run, with this slice. InputError if it is another run now."""
    found = _open(path, asked, writing, held).up_to(index)
    if run not in (found.id, found.older):
        raise InputError(another(path, asked.source, "when the run began"))
    if index >= len(found.slices):
        raise InputError(f"{path}: slice {index} is no longer there")
    for reader in found.readers:  # a directory that was begun when zeros were values keeps them
        reader.keep_zeros = asked.source.keep_zeros or run == found.older
    return found


def _open(path: Path, asked: Asked, writing: Writing | None, held: Held | None) -> Opened:
    from fip.source.growing import Growing, Whole
    from fip.source.handing_over import taken_over
    from fip.source.sources import open_joined, open_recording

    def open_it() -> "Recording":
        if writing is None:
            return open_joined(path, asked.source.join)
        manifest = held.manifest if held else None
        return open_recording(path, writing, manifest.descriptor if manifest else None)

    key = path, asked, writing
    if key not in _opened:
        while len(_opened) >= KEPT_OPEN:
            forget(*next(iter(_opened)))
        taken = taken_over(held.index, open_it) if held and held.index else None
        if taken and not taken.fits(asked):  # it was written since
            taken.close()
            taken = None
        _opened[key] = taken or (Growing(path, asked, open_it) if writing else Whole(path, asked))
    _opened.move_to_end(key)
    return _opened[key]
