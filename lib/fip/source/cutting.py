"""Cutting slices from an open MeasurementSet. A `Run` is used from the thread that opened it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from fip.corrections.corrections import Corrections
from fip.corrections.observed import Observed
from fip.corrections.tally import Tally
from fip.data.errors import InputError, UnreadableError
from fip.data.names import RunId
from fip.data.quality import FLAGGED_SHARE, TOTAL_INTENSITY, UNCALIBRATED
from fip.data.rotations import about_w, icrs_axes, rephase, turned
from fip.data.settings import Imaging
from fip.data.values import Band, Beam, Block, Fingerprint, Grid, KnownSource, Observation, Slice
from fip.fits.header import effective_band
from fip.imaging.antennas import AntennaTally, BaselineSums, health, may_be_ill, tally
from fip.imaging.beam import fit_beam
from fip.imaging.compression import compress_blocks
from fip.imaging.noise import expected_noise
from fip.imaging.subbands import effective_bands, parts, split, sub_bands, totals
from fip.imaging.summed import Summed, effective_of, fingerprint_of, totals_of
from fip.imaging.weighting import is_natural, weigh
from fip.source.corrected import cards_of, known_sources, numbers_of
from fip.source.dumped import Dump, Part, coverage_of, middles, samples_selected, short, times_of
from fip.source.feeds import feed_angles, of_baselines, unknown
from fip.source.index.expected import rounded
from fip.source.recording import Rows
from fip.source.samples import SampleReader, Samples, Seen, observed_of
from fip.source.selecting.chosen import Picked
from fip.source.selecting.matching import baselines, within
from fip.source.tables.subtables import Window, band
from fip.state.antennas import LEAST_FACTOR, antennas_view, ill


@dataclass(frozen=True, slots=True)
class SliceInfo:
    """What is known of a slice before it is read."""

    integrations: tuple[int, ...]  # of the MeasurementSet, imaged together, in order of time
    number: int  # of the first of them in the MS's field
    field: str  # the field's name, as in `Observation`
    label: str  # of the field, for file names; "" if the MS has one field
    time: float  # s UTC, mean of its TIMEs


@dataclass(frozen=True, eq=False)
class Run:
    """The slices of one MeasurementSet, in order of time, made by `fip.source.open_run.open_run`."""

    id: RunId  # the same for the same data and what was asked, wherever the file lies
    older: RunId | None  # the id that it had at 0c91216: a directory that has this id goes on with it
    others: Mapping[str, tuple[RunId, ...]]  # the ids that it would have if another column were the one to image
    hints: str  # of the files of its columns, when it was opened: see `fip.source.tables.hints`
    name: str  # the MS's stem, for file names
    slices: Sequence[SliceInfo]
    settings: Imaging
    grids: Mapping[str, Grid]  # by the field's name
    observations: Mapping[str, Observation]  # by the field's name
    bands: tuple[Band, ...]
    cadence: float | None  # s, the median from one slice of a field to the next; None if nothing repeats
    notes: tuple[str, ...]  # what the log should say
    picked: Picked
    readers: tuple[SampleReader, ...]  # one for each window, or part of one
    later: tuple[tuple[int, str], ...] = ()  # what the log should say besides, each from this slice on
    _nominal: dict[tuple[str, str, frozenset[int]], Beam | None] = field(default_factory=dict)  # by `_kind`
    _windows: dict[int, frozenset[int]] = field(default_factory=dict)  # the windows of a slice, by its number
    _kinds: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # the slices by field and label, ascending
    _listed: list[tuple[str, str]] = field(default_factory=list)  # field and label of the slices that are in `_kinds`

    def close(self) -> None:
        """Close the files of the MeasurementSet."""
        self.picked.main.close()

    def read(self, number: int) -> Slice:
        """Cut one slice. InputError if the MeasurementSet cannot be read."""
        return self.read_with_antennas(number)[0]

    def notes_since(self, known: int) -> tuple[str, ...]:
        """Return the notes for the log that are new since the first `known` slices."""
        later = tuple(note for first, note in self.later if known <= first < len(self.slices))
        return later if known else (*self.notes, *later)

    @property
    def corrections(self) -> Corrections | None:
        """Return what is done to samples before Stokes are formed; None for nothing."""
        return self.readers[0].corrections

    def read_with_antennas(
        self, number: int, compressed: bool = False
    ) -> tuple[Slice, AntennaTally, Mapping[str, float]]:
        """Cut one slice; return also how the antennas did in it, and how long each correction took (s).

        `compressed` is as `fip.imaging.compression.compress` makes it, but for rounding.
        """
        info = self.slices[number]
        dump = self._dump(info)
        self._windows[number] = dump.windows
        bands, grid = self._bands(dump.windows), self._grid(info)
        at_once = compressed and self._compressed_at_once(info, bands)
        found, sums = self._read_parts(info, dump, grid if at_once else None)
        natural = [(block, rows) for samples, rows in found for block in samples.blocks]
        summed = [samples.summed for samples, rows in found if rows.size]
        kept = np.concatenate([rows for _, rows in found if rows.size]) if summed else np.flatnonzero(dump.selected)
        of_rows = np.concatenate([each.of_rows() for each in summed]) if summed else np.ones(kept.size)
        blocks = weighed = tuple(block for block, _ in natural)
        if not at_once:
            centred = self._rephased(info, dump, natural, middles(dump, kept))
            weighed = weigh(centred, self.settings, grid)
            blocks = tuple(part for block in weighed for part in split(block, bands))
        weights, counts, effective = self._of_bands(summed, blocks, bands)
        if compressed and not at_once:
            blocks = compress_blocks(blocks, grid, self.settings.epsilon)
        antennas, done = tally(sums), reduce(add, (samples.tally for samples, _ in found), Tally())
        zeros, garbled, absent = (
            sum(getattr(samples.counts, name) for samples, _ in found) for name in ("zeros", "garbled", "absent")
        )
        cut = Slice(
            run=self.id,
            index=number,
            attempt=1,
            integration=info.number,
            label=info.label,
            times=times_of(self.picked.index, info.integrations, dump, kept, of_rows),
            grid=grid,
            bands=bands,
            effective=effective,
            observation=self.observations[info.field],
            settings=self.settings,
            blocks=blocks,
            sum_of_weights=weights,
            visibilities=counts,
            samples=sums.samples,
            nominal_beam=self._nominal_beam(number),
            zeros=zeros,
            garbled=garbled,
            complete=rounded(self.picked.share_there(info.integrations) * (1 - absent / max(1, sums.samples))),
            ill=self._ill(antennas),
            fingerprint=fingerprint_of(summed),
        )
        if self.corrections is not None:
            noise = expected_noise([block for block, _ in natural], weighed)
            cut = self._told(cut, self.corrections, done, noise, float(dump.time.min() + dump.time.max()) / 2)
        if self.picked.main.raw() and not (self.corrections and self.corrections.gains):
            cut = replace(cut, numbers={**cut.numbers, UNCALIBRATED: (1.0, "")})
        return cut, antennas, done.seconds

    def _ill(self, antennas: AntennaTally) -> dict[str, float]:
        """Return the faults of antennas, as numbers of a slice by name; look for them only if there may be any."""
        if not may_be_ill(antennas, FLAGGED_SHARE, LEAST_FACTOR):
            return {}
        return ill(antennas_view(health(self.id, antennas)))

    def _natural(self, bands: Sequence[Band]) -> bool:
        """Return whether samples are imaged by the weights that they have, in one band."""
        return is_natural(self.settings) and len(bands) == 1

    def _compressed_at_once(self, info: SliceInfo, bands: Sequence[Band]) -> bool:
        """Return whether nothing is done between reading samples and compressing them."""
        turned_by = self._matrices(info, self.picked.index.time[list(info.integrations)])
        return self._natural(bands) and self.corrections is None and turned_by is None

    def _of_bands(
        self, summed: Sequence[Summed], blocks: Sequence[Block], bands: Sequence[Band]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[tuple[Band | None, ...], ...]]:
        """Return sums of weights, numbers of samples that count, and effective bands, all [stokes][channel_out]."""
        planes = len(self.settings.stokes)
        if self._natural(bands):
            return *totals_of(summed, planes), effective_of(summed, planes)
        widths = [each.width[here] for each in summed for _, here in parts(each.frequency, bands)]
        shape = planes, len(bands)
        return *totals(blocks, shape), effective_bands(blocks, widths, shape)

    def _told(
        self, cut: Slice, corrections: Corrections, tally: Tally, noise: NDArray[np.float64], middle: float
    ) -> Slice:
        """Add to a slice what corrections say of it; gains are chosen by its `middle`, whichever samples are good."""
        numbers = numbers_of(corrections, tally, float(noise[0]) if noise.size else math.nan)
        time, band = cut.times.average, effective_band(cut)
        known: tuple[KnownSource, ...] = ()
        if corrections.sky and band and cut.settings.stokes[0] in TOTAL_INTENSITY:
            number = int(self.picked.index.field[self.slices[cut.index].integrations[0]])
            known = known_sources(corrections.sky, cut.grid, band.centre, number, time)
        return replace(cut, numbers=numbers, cards=tuple(cards_of(corrections, numbers, middle)), known=known)

    def observed(self, number: int) -> Iterator[tuple[Rows, Window, Observed]]:
        """Yield the rows of a slice, window by window, without visibilities, with their times and directions.

        InputError if the MeasurementSet cannot be read.
        """
        info = self.slices[number]
        dump = self._dump(info)
        nothing = np.empty((0, 0, 0))
        for part in self._parts(dump):
            window = part.reader.window
            seen = observed_of(
                self.picked.main.path, window, self._seen(info, part, dump), nothing.astype(complex), nothing,
                nothing.astype(bool),
            )  # fmt: skip
            yield part.rows, window, seen

    def row_numbers(self, number: int) -> NDArray[np.int64]:
        """Return the rows on file of a slice, [row], ascending: those of the selected windows, of whatever antennas.

        InputError if the MeasurementSet cannot be read.
        """
        dump = self._dump(self.slices[number])
        windows = [reader.window.number for reader in self.readers]
        return np.asarray(dump.rows.numbers, np.int64)[np.isin(dump.window, windows)]

    def fingerprint(self, number: int) -> Fingerprint:
        """Return the fingerprint of one slice, as `read` gives it. InputError if the MeasurementSet cannot be read."""
        info = self.slices[number]
        dump = self._dump(info)
        found = (self._read_part(info, part, dump, None)[0] for part in self._parts(dump))
        return fingerprint_of([each.summed for each in found])

    def _grid(self, info: SliceInfo) -> Grid:
        """Return the grid of a slice; if it follows a body, it is about its place in the middle of the slice."""
        grid, rephasing = self.grids[info.field], self.picked.rephasing
        if rephasing.body is None:
            return grid
        centre = rephasing.target(int(self.picked.index.field[info.integrations[0]]), info.time)
        return replace(grid, longitude=centre.longitude, latitude=centre.latitude)

    def _dump(self, info: SliceInfo) -> Dump:
        numbers, integration = self.picked.index.rows_of(info.integrations)
        rows = self.picked.main.rows(numbers)
        pattern = self.picked.index.pattern
        antennas = short(rows, pattern, "ANTENNA1"), short(rows, pattern, "ANTENNA2")
        selected = baselines(*antennas, self.picked.antennas)
        uvw = rows.column("UVW").astype(np.float64, copy=False)
        if len(self.picked.index.coverage.windows) == 1:
            window = np.full(len(rows), self.picked.index.coverage.windows[0], np.int32)
        else:
            window = short(rows, pattern, "DATA_DESC_ID")
            selected &= np.isin(window, [reader.window.number for reader in self.readers])
        placed = selected & np.isfinite(uvw).all(axis=1)
        due = selected & ~rows.column("FLAG_ROW")
        which = np.searchsorted(info.integrations, integration)
        uv = None if self.picked.asked.source.uv_range is None else self._uv(info, which, uvw)
        time = short(rows, pattern, "TIME")
        return Dump(rows, antennas, which, time, window, selected, due, placed, placed & due, uvw, pattern, uv)

    def _uv(self, info: SliceInfo, integration: NDArray[np.intp], uvw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return |(u, v)| [row] in m towards the grid's centre, as `subset` has it: at the middle of integrations."""
        matrices = self._matrices(info, self.picked.index.time[list(info.integrations)])
        seen = uvw if matrices is None else turned(uvw, matrices[integration])
        return np.asarray(np.hypot(seen[:, 0], seen[:, 1]))

    def _matrices(self, info: SliceInfo, times: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return what turns each integration of a slice at its time, [integration, 3, 3]; None for nothing."""
        return self.picked.rephasing.matrices(int(self.picked.index.field[info.integrations[0]]), times)

    def _rephased(
        self,
        info: SliceInfo,
        dump: Dump,
        found: Sequence[tuple[Block, NDArray[np.intp]]],
        times: NDArray[np.float64],
    ) -> tuple[Block, ...]:
        """Return the samples referred to the centre of their grid.

        Each integration is turned from its own phase centre at its time, so that those of a slice add up even if the
        phase centre moves.
        """
        matrices = self._matrices(info, times)
        if matrices is None:
            return tuple(block for block, _ in found)
        return tuple(rephase(block, matrices[dump.integration[rows]]) for block, rows in found)

    def _parts(self, dump: Dump) -> Iterator[Part]:
        reach = self.picked.asked.source.uv_range
        for reader in self.readers:
            mask = dump.window == reader.window.number
            if not mask.any():
                continue
            whole = np.ones((np.count_nonzero(mask), 1), bool)
            if reach is not None and dump.uv is not None:
                whole = within(reach, dump.uv[mask], reader.window.frequency)
            yield Part(reader, dump.rows if mask.all() else dump.rows.where(mask), mask, whole)

    def _read_parts(
        self, info: SliceInfo, dump: Dump, grid: Grid | None
    ) -> tuple[list[tuple[Samples, NDArray[np.intp]]], BaselineSums]:
        """Read each window, as `_read_part`; return also the sums over the samples of each baseline."""
        sums = BaselineSums(self.picked.main.antennas.names)
        baseline = sums.baseline(*dump.antennas)
        found = list[tuple[Samples, NDArray[np.intp]]]()
        for part in self._parts(dump):
            sums.select(baseline[part.mask], samples_selected(part, dump))
            samples, rows = self._read_part(info, part, dump, grid)
            sums.add(baseline[rows], samples.summed.sums[0])
            found.append((samples, rows))
        return found, sums

    def _read_part(
        self, info: SliceInfo, part: Part, dump: Dump, grid: Grid | None
    ) -> tuple[Samples, NDArray[np.intp]]:
        """Read the rows of one window that have a good sample, and their places in the slice; compress for `grid`."""
        usable, due = part.within & dump.usable[part.mask, None], part.within & dump.due[part.mask, None]
        given = part.rows, dump.uvw[part.mask], usable, due
        if grid is not None:
            found = part.reader.compressed(*given, grid, self.settings.epsilon)
        else:
            found = part.reader.read(*given, None if self.corrections is None else self._seen(info, part, dump))
        return found, np.flatnonzero(part.mask)[found.rows]

    def _seen(self, info: SliceInfo, part: Part, dump: Dump) -> Seen:
        """Return the times and directions of the rows of a window."""
        number = int(self.picked.index.field[info.integrations[0]])
        times = self.picked.index.time[list(info.integrations)].tolist()
        field, centres = self.picked.field(number), self.picked.rephasing.centres
        pointings = [centres.at(field, time) for time in times]
        axes = [about_w(each.north).T @ icrs_axes(each.centre) for each in pointings]
        antennas, (first, second) = self.picked.main.antennas, (each[part.mask] for each in dump.antennas)
        integration, feed = dump.integration[part.mask], None
        if not unknown(antennas):
            angles = feed_angles(antennas, axes, times)
            feed = np.empty(first.size)
            for at, row in enumerate(angles):
                here = integration == at
                feed[here] = of_baselines(row, first[here], second[here])
        return Seen(
            number, first, second, integration, dump.time[part.mask], dump.short("INTERVAL")[part.mask],
            np.where(dump.placed[part.mask, None], dump.uvw[part.mask], 0.0), np.stack(axes), feed,
        )  # fmt: skip

    def _bands(self, windows: frozenset[int]) -> tuple[Band, ...]:
        """Return the output channels of a slice: the run's; if it has only some of the run's windows, those of them."""
        here = [reader.window for reader in self.readers if reader.window.number in windows]
        if not here or len(here) == len(self.readers):
            return self.bands
        return sub_bands(band(here), len(self.bands))

    def _windows_of(self, number: int) -> frozenset[int]:
        if number not in self._windows:
            self._windows[number] = self._dump(self.slices[number]).windows
        return self._windows[number]

    def _nominal_beam(self, number: int) -> Beam | None:
        """Return the beam of the first slice with the field and the windows of this one, as if nothing were flagged.

        If that one was removed since, as it may be in a folder of arriving sets, it is the beam of this one.
        """
        like, windows = self.slices[number], self._windows_of(number)
        key = like.field, like.label, windows
        if key not in self._nominal:
            first = next(at for at in self._alike(like) if self._windows_of(at) == windows)
            try:
                self._nominal[key] = self._unflagged_beam(first)
            except UnreadableError:
                raise
            except InputError:
                if first == number:
                    raise
                self._nominal[key] = self._unflagged_beam(number)
        return self._nominal[key]

    def _unflagged_beam(self, number: int) -> Beam | None:
        info = self.slices[number]
        dump = self._dump(info)
        covered = [coverage_of(part, dump) for part in self._parts(dump)]
        blocks = self._rephased(info, dump, covered, self.picked.index.time[list(info.integrations)])
        return fit_beam(weigh(blocks, self.settings, self.grids[info.field]))

    def _alike(self, like: SliceInfo) -> list[int]:
        """Return the slices with the field and the label of this one."""
        for number in range(len(self._listed), len(self.slices)):
            each = self.slices[number]
            self._listed.append((each.field, each.label))
            self._kinds.setdefault(self._listed[-1], []).append(number)
        return self._kinds[like.field, like.label]
