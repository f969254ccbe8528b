"""Runs of MeasurementSets that are still being written: their slices come to be known one after the other.

An integration is complete when a later one has begun. What all slices share is settled by the first one that is
complete, so that a run that is resumed, later and with more data there, is the same run.
"""

import os
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from fip.data.errors import InputError, NotYetError, UsageError
from fip.data.settings import Asked
from fip.source.cutting import Run
from fip.source.index.row_index import CHUNK, Indexer, RowIndex
from fip.source.open_run import checked, checked_chunks, grid_about, list_slices, one_band, open_run, settle
from fip.source.selecting.chosen import Chosen, choose
from fip.source.selecting.phase_centres import Rephasing
from fip.source.tables.measurement_set import MeasurementSet


class Whole:
    """The run of a MeasurementSet that is whole."""

    def __init__(self, path: Path, asked: Asked) -> None:
        """Opens the MeasurementSet. Raises InputError and UsageError."""
        self._path, self._files = path, _files(path)
        self._run = open_run(path, asked)
        self.rows = self._run.picked.index.rows

    def close(self) -> None:
        """Release the files."""
        self._run.close()

    @property
    def current(self) -> bool:
        """Whether its files are as they were when it was opened."""
        return _files(self._path) == self._files

    def look(self, complete: bool = False, ended: bool = False) -> Run:
        """The run; there is nothing to wait for."""
        return self._run

    def up_to(self, index: int) -> Run:
        """The run, with this slice."""
        return self._run


def _files(path: Path) -> list[tuple[str, int, int]]:
    """The files of a table: name, bytes, and when each was written; not the one in which its readers leave marks."""
    with suppress(OSError):
        found = [(each.name, each.stat()) for each in os.scandir(path) if each.name != "table.lock"]
        return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)
    return []


class Growing:
    """The run of a MeasurementSet that is being written, in order of time; used from the thread that opened it."""

    def __init__(self, path: Path, asked: Asked) -> None:
        """Opens the MeasurementSet; NotYetError where it is not there yet, or not whole enough to be opened."""
        self._asked = asked
        try:
            self._main = MeasurementSet(path, growing=True)
        except InputError as error:
            raise NotYetError(str(error)) from None
        self._indexer = Indexer()  # of whole chunks
        self._indexed = 0  # rows that it was fed
        self._end = 0  # of the rows of complete integrations
        self._run: Run | None = None
        self._taken = np.zeros(0, bool)  # [integration] whether it is in a slice

    @property
    def current(self) -> bool:
        """It looks again by itself."""
        return True

    @property
    def rows(self) -> int:
        """How many rows were there when it was last looked into."""
        return len(self._main)

    def close(self) -> None:
        """Release the files."""
        self._main.close()

    def look(self, complete: bool = False, ended: bool = False) -> Run:
        """The run with all slices that are known now.

        With `complete` the last integration counts as complete, too; with `ended` so do the last integrations that
        are averaged together. NotYetError where there is nothing yet; InputError where rows were put before others.
        """
        self._main.refresh()
        self._end = self._complete_rows(complete)
        index = self._index(self._end)
        if self._run is None:
            self._run = self._settled(index)
        elif (index.field[: self._taken.size] != self._run.picked.index.field[: self._taken.size]).any():
            raise InputError(
                f"{self._main.path}: rows were put before others, and --follow needs them in order of time"
            )
        self._taken = np.append(self._taken, np.zeros(len(index) - self._taken.size, bool))
        self._run = self._grown(self._run, index, ended)
        return self._run

    def up_to(self, index: int) -> Run:
        """The run, with this slice: one that was known of before, if not to this object."""
        for ended in (False, True):
            if self._run is None or index >= len(self._run.slices):
                self.look(complete=True, ended=ended)
        if self._run is None or index >= len(self._run.slices):
            raise InputError(f"{self._main.path}: slice {index} is no longer there")
        return self._run

    def _complete_rows(self, complete: bool) -> int:
        """Up to which row all is there that there will be."""
        if len(self._main) <= self._end:
            return self._end
        rows = self._main.rows(range(self._end, len(self._main)))
        time, interval = rows.column("TIME"), rows.column("INTERVAL")
        written = time.size if (time > 0).all() else int(np.argmin(time > 0))  # rows are added before they are filled
        time, interval = time[:written], interval[:written]
        if complete or not written:
            return self._end + written
        half = np.median(interval[interval > 0]) / 2 if (interval > 0).any() else 0.0
        last = time > time.max() - half if half else time == time.max()
        return self._end + int(np.argmax(last))

    def _index(self, end: int) -> RowIndex:
        """The index of the first rows."""
        while self._indexed + CHUNK <= end:
            self._indexer.feed(checked_chunks(self._main, self._indexed, self._indexed + CHUNK))
            self._indexed += CHUNK
        if not end:
            raise NotYetError(f"{self._main.path}: no integration is complete yet")
        index = (
            deepcopy(self._indexer)
            .feed(checked_chunks(self._main, self._indexed, end))
            .index(partial(one_band, self._main))
        )
        try:
            return checked(self._main, index)
        except InputError as error:
            raise NotYetError(str(error)) from None

    def _settled(self, index: RowIndex) -> Run:
        """The run, without slices yet, by the first integration that is selected."""
        try:
            first = choose(self._main, index, self._asked).integrations[0]
        except UsageError as error:
            raise NotYetError(str(error)) from None
        rows, _ = index.rows_of([first])
        fed = Indexer().feed(checked_chunks(self._main, 0, int(rows[-1]) + 1))
        early = checked(self._main, fed.index(partial(one_band, self._main)))
        return replace(settle(choose(self._main, early, self._asked)), slices=())

    def _grown(self, run: Run, index: RowIndex, ended: bool) -> Run:
        """The run with the slices that can be cut now."""
        try:
            chosen = choose(self._main, index, self._asked, ~self._taken)
        except UsageError:  # none of them is selected
            return replace(run, picked=replace(run.picked, index=index))
        closed = chosen.slices if ended else _closed(chosen)
        for together in closed:
            self._taken[list(together)] = True
        grid = next(iter(run.grids.values()))
        fields = [each for each in chosen.fields if each.name not in run.grids]
        known, targets = run.picked.rephasing, chosen.rephasing.targets
        rephasing = Rephasing(known.centres, {**chosen.rephasing.fields, **known.fields}, {**targets, **known.targets})
        about = {each.name: grid_about((grid.width, grid.height), grid.scale, targets[each.number]) for each in fields}
        observation = next(iter(run.observations.values()))
        return replace(
            run,
            picked=replace(run.picked, index=index, rephasing=rephasing),
            slices=(*run.slices, *list_slices(replace(chosen, slices=closed))),
            grids={**run.grids, **about},
            observations={**run.observations, **{each.name: replace(observation, field=each.name) for each in fields}},
        )


def _closed(chosen: Chosen) -> tuple[tuple[int, ...], ...]:
    """Of the integrations imaged together the first groups, up to one that may still grow."""
    index = chosen.index
    if chosen.asked.source.average is None:
        return chosen.slices
    for place, together in enumerate(chosen.slices):
        last = together[-1]
        others = index.series[last + 1 :] == index.series[last]
        if index.last_time - index.time[last] < 1.5 * index.cadence[last] and not others.any():
            return chosen.slices[:place]
    return chosen.slices
