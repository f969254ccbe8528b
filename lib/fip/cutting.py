"""Cutting slices from an open MeasurementSet. A `Run` is used from the thread that opened it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fip.beam import fit_beam
from fip.data import Band, Beam, Block, Grid, ImagingSettings, Observation, Slice, Times
from fip.measurement_set import MeasurementSet, Rows
from fip.names import label
from fip.row_index import RowIndex
from fip.samples import SampleReader
from fip.subbands import split, totals
from fip.weighting import weigh


@dataclass(frozen=True, slots=True)
class SliceInfo:
    """What is known of a slice before it is read."""

    integration: int  # its number in the MS's field
    field: str  # the field's name, as in `Observation`
    time: float  # s UTC, mean of its TIMEs


@dataclass(frozen=True, slots=True, eq=False)
class _Dump:
    """The short columns of one integration's rows, all [row]."""

    rows: Rows
    window: NDArray[np.int32]  # DATA_DESC_ID
    cross: NDArray[np.bool_]  # a cross-correlation
    placed: NDArray[np.bool_]  # a cross-correlation with finite UVW
    usable: NDArray[np.bool_]  # and not flagged as a whole
    uvw: NDArray[np.float64]  # [row, 3] m


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The rows of one integration and one window."""

    reader: SampleReader
    rows: Rows
    mask: NDArray[np.bool_]  # picks them from all rows of the integration


@dataclass(frozen=True, eq=False)
class Run:
    """The slices of one MeasurementSet, in order of time, made by `fip.source.open_run`."""

    id: str  # the same for the same data, selection and settings, wherever the file lies
    name: str  # the MS's stem, for file names
    slices: Sequence[SliceInfo]
    settings: ImagingSettings
    grids: Mapping[str, Grid]  # by the field's name
    observations: Mapping[str, Observation]  # by the field's name
    bands: tuple[Band, ...]
    cadence: float | None  # s, the median of its integrations; None where nothing repeats
    notes: tuple[str, ...]  # what the log should say
    main: MeasurementSet
    index: RowIndex
    readers: Mapping[int, SampleReader]  # by DATA_DESC_ID

    def close(self) -> None:
        """Release the files."""
        self.main.close()

    def read(self, number: int) -> Slice:
        """Cut one slice. InputError where the MeasurementSet cannot be read."""
        info = self.slices[number]
        dump = self._dump(number)
        found = [block for part in self._parts(dump) if (block := _read_block(part, dump)) is not None]
        grid, natural = self.grids[info.field], [block for block, _ in found]
        blocks = tuple(part for block in weigh(natural, self.settings, grid) for part in split(block, self.bands))
        kept = np.concatenate([rows for _, rows in found]) if found else np.flatnonzero(dump.cross)
        sums, counts = totals(blocks, (len(self.settings.stokes), len(self.bands)))
        return Slice(
            run=self.id,
            index=number,
            attempt=1,
            integration=info.integration,
            label=label(info.field) if len(self.grids) > 1 else "",
            times=self._times(number, dump, kept, natural),
            grid=grid,
            bands=self.bands,
            observation=self.observations[info.field],
            settings=self.settings,
            blocks=blocks,
            sum_of_weights=sums,
            visibilities=counts,
            samples=self._samples(dump),
            nominal_beam=None if blocks else self._nominal_beam,
        )

    def _dump(self, number: int) -> _Dump:
        rows = self.main.rows(self.index.numbers(number))
        cross = rows.column("ANTENNA1") != rows.column("ANTENNA2")
        uvw = rows.column("UVW").astype(np.float64, copy=False)
        placed = cross & np.isfinite(uvw).all(axis=1)
        if len(self.readers) == 1:
            window = np.full(len(rows), next(iter(self.readers)), np.int32)
        else:
            window = rows.column("DATA_DESC_ID")
        return _Dump(rows, window, cross, placed, placed & ~rows.column("FLAG_ROW"), uvw)

    def _parts(self, dump: _Dump) -> Iterator[_Part]:
        for number, reader in self.readers.items():
            mask = dump.window == number
            if mask.all():
                yield _Part(reader, dump.rows, mask)
            elif mask.any():
                yield _Part(reader, dump.rows.where(mask), mask)

    def _samples(self, dump: _Dump) -> int:
        return sum(
            int(np.count_nonzero(dump.cross & (dump.window == number))) * reader.window.shape[0]
            for number, reader in self.readers.items()
        )

    def _times(self, number: int, dump: _Dump, kept: NDArray[np.intp], blocks: Sequence[Block]) -> Times:
        """Begin and end go by INTERVAL, or by the cadence where INTERVAL cannot be right."""
        time, exposure = dump.rows.column("TIME"), dump.rows.column("EXPOSURE")
        first = float(time[0])
        average = first + float((time[kept] - first).mean())
        weight = np.concatenate([block.weight.sum(axis=(0, 2), dtype=np.float64) for block in blocks] or [[]])
        used = exposure[kept]
        known = np.isfinite(used)
        weight = weight[known] if blocks else np.ones(np.count_nonzero(known))
        mean_exposure = float(np.average(used[known], weights=weight)) if known.any() else 0.0
        time = time[dump.cross]
        if self.index.trusted[number]:
            half = dump.rows.column("INTERVAL")[dump.cross] / 2
            return Times(float((time - half).min()), average, float((time + half).max()), mean_exposure)
        half_cadence = self.index.cadence[number] / 2
        if not np.isfinite(half_cadence):
            half_cadence = mean_exposure / 2
        middle = float(self.index.time[number])
        begin, end = min(middle - half_cadence, time.min()), max(middle + half_cadence, time.max())
        return Times(float(begin), average, float(end), mean_exposure)

    @cached_property
    def _nominal_beam(self) -> Beam | None:
        """The beam of the run's first integration as if nothing were flagged."""
        dump = self._dump(0)
        blocks = []
        for part in self._parts(dump):
            placed = dump.placed[part.mask]
            weight = part.reader.coverage(part.rows, placed)[:, placed]
            frequency = part.reader.window.frequency
            visibility = np.zeros(weight.shape, part.reader.complex)
            blocks.append(Block(0, dump.uvw[part.mask][placed], frequency, visibility, weight))
        return fit_beam(weigh(blocks, self.settings, self.grids[self.slices[0].field]))


def _read_block(part: _Part, dump: _Dump) -> tuple[Block, NDArray[np.intp]] | None:
    """The rows of one window that have a good sample, and which of the integration's rows they are."""
    usable = dump.usable[part.mask]
    if not usable.any():
        return None
    visibility, weight = part.reader.read(part.rows, usable)
    good = weight.any(axis=(0, 2))
    rows = np.flatnonzero(part.mask)
    if not good.all():
        visibility, weight, rows = visibility[:, good], weight[:, good], rows[good]
    if not rows.size:
        return None
    return Block(0, dump.uvw[rows], part.reader.window.frequency, visibility, weight), rows
