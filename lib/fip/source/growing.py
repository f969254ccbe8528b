"""Runs of MeasurementSets that are still being written: their slices become known one after the other.

An integration is complete when a later one has begun. What all slices share is settled by the first one that is
complete, so that a run that is resumed, later and with more data there, is the same run.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fip.data.arriving import Writing
from fip.data.directions import Direction
from fip.data.errors import InputError, NotYetError, UnreadableError, UsageError
from fip.data.needs import sets_of
from fip.data.settings import Asked
from fip.source.cutting import Run
from fip.source.index.indexer import Indexer
from fip.source.index.row_index import RowIndex
from fip.source.joined.recording import Joined
from fip.source.open_run import checked, checked_chunks, grid_about, list_slices, one_band, open_run, settle
from fip.source.recording import Recording
from fip.source.selecting.centring import centre_notes
from fip.source.selecting.chosen import Chosen, choose
from fip.source.sources import open_recording
from fip.source.tables.subtables import Field

MOST_LATER = 9  # notes of fields that become known while a recording is written


class Whole:
    """The run of a MeasurementSet that is whole."""

    def __init__(self, path: Path, asked: Asked) -> None:
        """Open the MeasurementSet. Raises InputError and UsageError, also if its writer says that more may come."""
        self._paths = [*map(Path, sets_of(str(path), asked.source))]
        self._files = [*map(_files, self._paths)]
        self._run = open_run(path, asked)
        if self.recording.ended() is False:
            self.close()
            raise InputError(f"{path}: is not over, and more may come: give --follow")
        self.rows = self._run.picked.index.rows

    def close(self) -> None:
        """Close the files of the run."""
        self._run.close()

    @property
    def current(self) -> bool:
        """Return whether its files are as they were when it was opened."""
        return [*map(_files, self._paths)] == self._files

    def fits(self, asked: Asked) -> bool:
        """Return whether its files are as they were for whoever opened it."""
        return self.current

    @property
    def recording(self) -> Recording:
        """Return the MeasurementSet that is open."""
        return self._run.picked.main

    @property
    def ended(self) -> bool | None:
        """Return True: no more comes."""
        return True

    def doubt(self) -> None:
        """Do nothing: what cannot be read of it is damaged."""

    def look(self, complete: bool = False, ended: bool = False) -> Run:
        """Return the run; there is nothing to wait for."""
        return self._run

    def up_to(self, index: int) -> Run:
        """Return the run, which has this slice."""
        return self._run


def _files(path: Path) -> list[tuple[str, int, int]]:
    """Return the files of a recording: name, bytes, and time of change; not the file in which readers leave marks."""
    with suppress(OSError):
        if path.is_file():
            return [(path.name, path.stat().st_size, path.stat().st_mtime_ns)]
        found = [(each.name, each.stat()) for each in os.scandir(path) if each.name != "table.lock"]
        return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)
    return []


class Growing:
    """The run of a recording that is being written, in order of time; used from the thread that opened it.

    While its writer is at work it may not be readable, and what was seen of it then is of no use. That raises
    NotYetError, and the next look opens it again.
    """

    def __init__(self, path: Path, asked: Asked, open_it: Callable[[], Recording] | None = None) -> None:
        """Open it, by `open_it`; NotYetError if it is not there yet, or not whole enough to be opened."""
        self._asked, self._table = asked, _has_table(path)
        try:
            self._main = open_it() if open_it else open_recording(path, Writing())
        except InputError as error:
            raise NotYetError(str(error)) from None
        self.rows = len(self._main)
        self.ended: bool | None = None  # as `Recording.ended`
        self._indexer = Indexer()  # of the rows of complete integrations, all but those that came since the last look
        self._end = 0  # of the rows of complete integrations
        self._run: Run | None = None
        self._taken = np.zeros(0, bool)  # [integration] whether it is in a slice
        self._fields: dict[int, Field] = {}  # as they were when they were imaged first
        self._looked: object = None  # what the last look saw; None if that was not all
        self._doubted = False  # whether the recording is to be opened again before it is read
        self._known: list[float] | None = None  # `_some_times` of the process that made this

    @property
    def recording(self) -> Recording:
        """Return the recording that is being written."""
        return self._main

    @property
    def current(self) -> bool:
        """Return whether it can look again by itself: not if a folder without a table has become a MeasurementSet."""
        return self._table or not _has_table(self._main.path)

    def fits(self, asked: Asked) -> bool:
        """Return whether it is of what is asked, and the recording has the rows that were seen, by a check of some."""
        return asked == self._asked and self._known is not None and self._known == self._some_times()

    def _some_times(self) -> list[float] | None:
        """Return TIME of the first, a middle and the last row that are indexed; None if that cannot be read now.

        For members it is the time at which they begin: they may have been removed since.
        """
        some = [0, self._end // 2, self._end - 1] if self._end else []
        if self._end > len(self._main):
            return None
        if isinstance(self._main, Joined):
            return [self._main.began(each) for each in some]
        with suppress(InputError):
            return [float(self._main.rows(range(each, each + 1)).column("TIME")[0]) for each in some]
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, or for later, with times that show if the recording is the same."""
        return self.__dict__ | {"_known": self._some_times()}

    def close(self) -> None:
        """Close the files of the recording."""
        self._main.close()

    def doubt(self) -> None:
        """Take note that something could not be read: it may have been written at that moment."""
        self._doubted = True

    def look(self, complete: bool = False, ended: bool = False) -> Run:
        """Return the run with all slices that are known now; it is the same object if there is nothing new.

        With `complete` the last integration counts as complete, too; with `ended` so do the last integrations that
        are averaged together. If the recording itself says whether it has ended, that is believed instead. NotYetError
        if there is nothing yet, or nothing can be read now; InputError if rows were put before others.
        """
        try:
            self._main.refresh()
            self._doubted = False
            self.rows, self.ended = len(self._main), self._main.ended()
            if self.ended is not None:
                complete = ended = self.ended
            there = self.rows, self._main.complete_rows(), complete, ended
            if self._run is None or there != self._looked:
                self._looked = None
                self._end, written = self._complete_rows(complete)
                self._run = self._extended(self._index(self._end), ended)
                self._looked = there if written else None
        except UnreadableError as error:
            self.doubt()
            raise NotYetError(str(error)) from None
        return self._run

    def _extended(self, index: RowIndex, ended: bool) -> Run:
        """Return the run with the slices of this index."""
        run = self._settled(index) if self._run is None else self._run
        if (index.field[: self._taken.size] != run.picked.index.field[: self._taken.size]).any():
            raise InputError(
                f"{self._main.path}: rows were put before others, and --follow needs them in order of time"
            )
        self._taken = np.append(self._taken, np.zeros(len(index) - self._taken.size, bool))
        return self._grown(run, index, ended)

    def up_to(self, index: int) -> Run:
        """Return the run with this slice: it was known before, if not to this object.

        What was complete then has been followed by others since, or by nothing for a while.
        """
        if self._doubted:
            self.look()
        for complete, ended in ((False, False), (True, False), (True, True)):
            if self._run is None or index >= len(self._run.slices):
                with suppress(NotYetError):
                    self.look(complete, ended)
        if self._run is None or index >= len(self._run.slices):
            raise NotYetError(f"{self._main.path}: slice {index} is not there")
        return self._run

    def _complete_rows(self, complete: bool) -> tuple[int, bool]:
        """Return up to which row everything is there, and whether all rows that are there were filled."""
        said = self._main.complete_rows()
        if said is not None:
            return max(self._end, min(said, self.rows)), True
        if self.rows <= self._end:
            return self._end, True
        rows = self._main.rows(range(self._end, self.rows))
        time, interval = rows.column("TIME"), rows.column("INTERVAL")
        written = time.size if (time > 0).all() else int(np.argmin(time > 0))  # rows are added before they are filled
        whole = written == time.size
        time, interval = time[:written], interval[:written]
        if complete or not written:
            return self._end + written, whole
        half = np.median(interval[interval > 0]) / 2 if (interval > 0).any() else 0.0
        last = time > time.max() - half if half else time == time.max()
        return self._end + int(np.argmax(last)), whole

    def _index(self, end: int) -> RowIndex:
        """Return the index of the first rows; those that it had before are not read again."""
        if not end:
            raise NotYetError(f"{self._main.path}: no integration is complete yet")
        while (first := self._indexer.stretches.rows) < end:
            for chunk in checked_chunks(self._main, first, min(end, first + self._indexer.room)):
                self._indexer.extend(chunk)
        try:
            return checked(self._main, self._indexer.so_far(partial(one_band, self._main)))
        except UnreadableError:
            raise
        except InputError as error:
            raise NotYetError(str(error)) from None

    def _settled(self, index: RowIndex) -> Run:
        """Return the run, without slices yet, by the first integration that is selected."""
        try:
            first = choose(self._main, index, self._asked).integrations[0]
        except UnreadableError:
            raise
        except UsageError as error:
            raise NotYetError(str(error)) from None
        rows, _ = index.rows_of([first])
        fed = Indexer().feed(checked_chunks(self._main, 0, int(rows[-1]) + 1))
        early = checked(self._main, fed.index(partial(one_band, self._main)))
        return replace(settle(choose(self._main, early, self._asked)), slices=())

    def _grown(self, run: Run, index: RowIndex, ended: bool) -> Run:
        """Return the run with the slices that can be cut now."""
        try:
            chosen = choose(self._main, index, self._asked, ~self._taken)
        except UnreadableError:
            raise
        except UsageError:  # none of them is selected
            return replace(run, picked=replace(run.picked, index=index))
        self._check_fields(chosen)
        closed = chosen.slices if ended else _closed(chosen)
        for together in closed:
            self._taken[list(together)] = True
        grid = next(iter(run.grids.values()))
        fields = [each for each in chosen.fields if each.name not in run.grids]
        known, targets = run.picked.rephasing, dict(chosen.rephasing.targets)
        if isinstance(run.settings.phase_centre, Direction):  # in the frame that was settled first
            targets = dict.fromkeys(targets, next(iter(known.targets.values())))
        moved = {**chosen.rephasing.fields, **known.fields}
        rephasing = replace(known, fields=moved, targets={**targets, **known.targets})
        about = {each.name: grid_about((grid.width, grid.height), grid.scale, targets[each.number]) for each in fields}
        observation = next(iter(run.observations.values()))
        return replace(
            run,
            picked=replace(run.picked, index=index, rephasing=rephasing),
            slices=(*run.slices, *list_slices(replace(chosen, slices=closed))),
            grids={**run.grids, **about},
            observations={**run.observations, **{each.name: replace(observation, field=each.name) for each in fields}},
            later=(*run.later, *((len(run.slices), note) for note in self._later_notes(run, chosen, fields))),
        )

    def _later_notes(self, run: Run, chosen: Chosen, fields: Sequence[Field]) -> Iterator[str]:
        """Yield what the log should say of fields that came now; at most `MOST_LATER` such notes in a run."""
        room = MOST_LATER - len(run.later)
        if fields and room > 0 and self._asked.imaging.phase_centre is None:  # else all have the first one's centre
            notes = list(centre_notes(self._main, chosen.index, fields, chosen.rephasing, None, integrations=0))
            yield from notes[:room]
            if len(notes) >= room:
                yield "and so for fields that come later"

    def _check_fields(self, chosen: Chosen) -> None:
        """Raise InputError if a field's phase centre is not what it was when it was imaged first.

        Nothing says which of its rows belong to which centre, and the existing images would be of another place.
        """
        for field in chosen.fields:
            was = self._fields.setdefault(field.number, field)
            if (was.frame, was.polynomial, was.epoch) != (field.frame, field.polynomial, field.epoch):
                raise InputError(
                    f"{self._main.path}: field {field.number} ({field.name}): PHASE_DIR was {_told(was)} when it was "
                    f"imaged first, and is {_told(field)} now, and nothing tells which rows are of which: a target "
                    "that changes needs a row of FIELD of its own; what was imaged before stays"
                )


def _told(field: Field) -> str:
    longitude, latitude = np.degrees(field.polynomial[0])
    moves = ", ..." if len(field.polynomial) > 1 else ""
    return f"({longitude:.6f}, {latitude:.6f}{moves}) deg in {field.frame}"


def _has_table(path: Path) -> bool:
    return (path / "table.dat").exists()


def _closed(chosen: Chosen) -> tuple[tuple[int, ...], ...]:
    """Return the first groups of integrations that are imaged together, up to one that may still grow."""
    index = chosen.index
    if chosen.asked.source.average is None:
        return chosen.slices
    for place, together in enumerate(chosen.slices):
        last = together[-1]
        others = index.series[last + 1 :] == index.series[last]
        if index.last_time - index.time[last] < 1.5 * index.cadence[last] and not others.any():
            return chosen.slices[:place]
    return chosen.slices
