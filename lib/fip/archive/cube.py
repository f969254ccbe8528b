"""`fip cube`: the images of a series as one FITS file with an axis of time, a plane in memory at a time."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fip.archive.cube_axes import KIND, SHARED, TimeAxis, cube_cards, time_axis
from fip.archive.entries import Entry
from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.archive.lightcurve import stored_entries
from fip.archive.regions import Region, window_of
from fip.archive.views import Window
from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC, SECONDS_PER_DAY
from fip.data.values import Table
from fip.fits.fitsfile import BLOCK, folded, ones_complement_sum, sealed, whole_blocks
from fip.fits.header import BODY, card
from fip.fits.identity import HEADER_READ, cards_of
from fip.fits.stored_image import Layout, StoredImage, header_of
from fip.fits.user_table import table_unit

_NAMED = 8  # series that an error names
STORED, UNREADABLE, NONE = "stored", "unreadable", "none"
"""States of a plane beside those of the ledger: its image is in it, or is no more, or there was no slice then."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be in a cube."""

    series: str = ""  # how the names of its images begin, NAME or NAME-FIELD; "": of the only one
    region: Region | None = None  # None: all of each image
    slices: tuple[int, int] | None = None  # from, and up to, which is left out; None: all


@dataclass(frozen=True, slots=True)
class Cube:
    """A cube as it was written."""

    path: Path
    shape: tuple[int, int, int, int]  # width, height, planes, stokes
    cadence: float | None  # s; None if times are not regular
    images: int
    without: Mapping[str, int]  # slices of its run that have no image in it, by why
    unreadable: tuple[str, ...]  # files


@dataclass(frozen=True, slots=True)
class _Series:
    """The images of a field in one run, and what became of the slices that have none."""

    name: str
    entries: tuple[Entry, ...]  # in order of time
    lost: Mapping[int, str]  # state by slice: failed, expired, missing


def write_cube(
    directory: Path,
    wanted: Wanted = Wanted(),
    output: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Cube:
    """Write a cube to a temporary file, and put it in its place; without `output` as DIR/SERIES-cube.fits.

    An image that cannot be read is a plane of NaN, as a slice without one. UsageError if the directory holds images of
    several series and none is named, or nothing of what is wanted, or the file cannot be written.
    """
    series = _series(directory, wanted)
    output = output or directory / f"{series.name}-cube.fits"
    layout, shared = _first(directory, series.entries)
    window, axis = window_of(layout.grid, wanted.region), time_axis(series.entries)
    writer = _Writer(directory, series, layout, window, axis, shared, progress)
    try:
        if not _may_replace(output):
            raise UsageError(f"--output {output}: is there, and no cube: give another name")
        with closing(Folder(output.parent, make=False)) as folder:
            part = f".{output.name}.part"
            try:
                folder.write_from(part, writer.write)
                folder.replace(part, output.name)
            except BaseException:
                with suppress(OSError):
                    folder.unlink(part)
                raise
            folder.sync()
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from None
    without: dict[str, int] = {}
    for state in series.lost.values():
        without[state] = without.get(state, 0) + 1
    shape = (window.width, window.height, len(axis.slices), len(layout.stokes))
    images = len(series.entries) - len(writer.unreadable)
    return Cube(output, shape, axis.cadence, images, without, tuple(writer.unreadable))


def _series(directory: Path, wanted: Wanted) -> _Series:
    entries = stored_entries(directory)
    with closing(Ledger(directory, read_only=True)) as ledger:
        runs = {row.run: row for row in ledger.runs()}
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        name = runs[entry.run].name
        found.setdefault(f"{name}-{entry.label}" if entry.label else name, []).append(entry)
    if (not wanted.series and len(found) > 1) or (wanted.series and wanted.series not in found):
        names = sorted(found)
        some = ", ".join(names[:_NAMED]) + f" and {len(names) - _NAMED} more" * (len(names) > _NAMED)
        what = f"--series {wanted.series}: no image is of it" if wanted.series else "a cube is of one series"
        raise UsageError(f"{directory}: {what}: give --series with one of {some}")
    name = wanted.series or next(iter(found))
    mine = sorted(found[name], key=lambda each: (each.begin, each.index))
    run, alone = runs[mine[0].run], sum(each[0].run == mine[0].run for each in found.values()) == 1
    first, end = wanted.slices or (0, run.total)
    within = [each for each in mine if first <= each.index < end]
    if not within:
        numbers = [each.index for each in mine]
        raise UsageError(f"--slices {first}~{end}: {name} has images of slices {min(numbers)} to {max(numbers)}")
    with closing(Ledger(directory, read_only=True)) as ledger:
        states = {index: state for index, state, _ in ledger.outcomes(run.run, first, end - first) if index < end}
    lost = {index: states.get(index, "missing") for index in range(first, min(end, run.total))}
    # In a run of several fields, nobody knows the field of a slice that has no image.
    return _Series(name, tuple(within), {i: state for i, state in lost.items() if state != STORED} if alone else {})


def _first(directory: Path, entries: Sequence[Entry]) -> tuple[Layout, dict[str, str | float | int]]:
    """The layout of the first image that can be read, and what its header has for all. UsageError if none can be."""
    for entry in entries:
        path = directory / entry.file
        try:
            layout = StoredImage.open(path).layout
            header = header_of(path)
        except (UsageError, OSError, ValueError):
            continue
        return layout, {name: header[name] for name in SHARED if name in header}
    raise UsageError(f"{directory}: none of the images can be read, as {entries[0].file}")


def _may_replace(path: Path) -> bool:
    """Whether nothing is there, or an older cube: nothing else is ever written over."""
    try:
        with path.open("rb") as file:
            return cards_of(file.read(HEADER_READ)).get("FIPKIND") == KIND
    except FileNotFoundError:
        return True
    except ValueError:
        return False


class _Writer:
    """Puts the planes of a cube into a file as they are read, and its header last."""

    def __init__(
        self,
        directory: Path,
        series: _Series,
        layout: Layout,
        window: Window,
        axis: TimeAxis,
        shared: Mapping[str, str | float | int],
        progress: Callable[[int, int], None],
    ) -> None:
        self._directory, self._series, self._layout = directory, series, layout
        self._window, self._axis, self._progress = window, axis, progress
        self._cards = "".join(card(*each) for each in cube_cards(layout, window, axis, series.entries, shared))
        self._follows = BODY in shared
        self.unreadable: list[str] = []

    def write(self, file: BinaryIO) -> None:
        """Write the whole cube to a file. Raises OSError."""
        planes, stokes = len(self._axis.slices), len(self._layout.stokes)
        begin = len(sealed(self._cards, 0))
        size = self._window.width * self._window.height * np.dtype(self._layout.dtype).itemsize
        by_plane = dict(zip(self._axis.planes, self._series.entries, strict=True))
        nothing = np.full((self._window.height, self._window.width), np.nan, self._layout.dtype)
        total = 0
        for plane in range(planes):
            entry = by_plane.get(plane)
            for number, pixels in enumerate(self._read(entry) if entry else (nothing,) * stokes):
                file.seek(begin + (number * planes + plane) * size)
                file.write(pixels.tobytes())
                total += ones_complement_sum(pixels)  # of whole words: their places do not matter to a sum
            self._progress(plane + 1, planes)
        end = begin + planes * stokes * size
        file.seek(end)
        file.write(bytes(-(end - begin) % BLOCK))
        for cards, table in self._tables(by_plane):
            file.write(sealed(cards, ones_complement_sum(table)))
            content = table.astype(">u4").tobytes()
            file.write(content.ljust(whole_blocks(len(content)), b"\0"))
        file.seek(0)
        file.write(sealed(self._cards, folded(total)))

    def _read(self, entry: Entry) -> list[NDArray[np.floating]]:
        """The part of each plane of an image; NaN if it cannot be read, or is not as the first one."""
        rows = slice(self._window.bottom, self._window.bottom + self._window.height)
        columns = slice(self._window.left, self._window.left + self._window.width)
        try:
            image = StoredImage.open(self._directory / entry.file)
            mine, first = image.layout, self._layout
            if self._follows:
                alike = (mine.grid.width, mine.grid.height) == (first.grid.width, first.grid.height)
            else:
                alike = mine.grid == first.grid
            if alike and (mine.stokes, mine.dtype) == (first.stokes, first.dtype):
                return [np.array(image.plane(number)[rows, columns], mine.dtype) for number in range(len(mine.stokes))]
        except UsageError:
            pass
        self.unreadable.append(entry.file)
        shape = self._window.height, self._window.width
        return [np.full(shape, np.nan, self._layout.dtype)] * len(self._layout.stokes)

    def _tables(self, by_plane: Mapping[int, Entry]) -> Iterator[tuple[str, NDArray[Any]]]:
        """TIMES and BEAMS: what a plane is of, and how sharp it is."""
        found = [by_plane.get(plane) for plane in range(len(self._axis.slices))]
        states = [self._state(each, number) for each, number in zip(found, self._axis.slices, strict=True)]
        noise = [math.nan if each is None or each.rms is None else each.rms for each in found]
        days = [
            [math.nan if each is None else getattr(each, name) / SECONDS_PER_DAY for each in found]
            for name in ("begin", "average", "end")
        ]
        columns: dict[str, tuple[NDArray[Any], str]] = {
            "SLICE": (np.array(self._axis.slices, np.int64), ""),
            **{f"MJD_{name}": (np.array(day), "d") for name, day in zip(("BEG", "AVG", "END"), days, strict=True)},
            "NOISE": (np.array(noise, np.float32), "Jy/beam"),
            "STATE": (np.array(states, "S"), ""),
            "QUALITY": (np.array([each.quality if each else "" for each in found], "S"), ""),
        }
        cards, rows = table_unit("TIMES", Table(columns), "what each plane is of")
        yield cards + card("TIMESYS", "UTC", ""), rows
        stokes, planes = len(self._layout.stokes), len(found)
        sizes = [[math.nan] * 3 if each is None or each.beam is None else _ellipse(each) for each in found]
        beams = np.repeat(np.array(sizes, np.float32), stokes, axis=0)
        columns = {
            "BMAJ": (beams[:, 0], "arcsec"), "BMIN": (beams[:, 1], "arcsec"), "BPA": (beams[:, 2], "deg"),
            "CHAN": (np.repeat(np.arange(planes, dtype=np.int32), stokes), ""),
            "POL": (np.tile(np.arange(stokes, dtype=np.int32), planes), ""),
        }  # fmt: skip
        cards, rows = table_unit("BEAMS", Table(columns), "as CASA has it; CHAN is the plane of TIME")
        yield cards + card("NCHAN", planes, "") + card("NPOL", stokes, ""), rows

    def _state(self, entry: Entry | None, number: int) -> str:
        if entry:
            return UNREADABLE if entry.file in self.unreadable else STORED
        return self._series.lost.get(number, NONE)


def _ellipse(entry: Entry) -> list[float]:
    assert entry.beam is not None
    return [entry.beam.major / ARCSEC, entry.beam.minor / ARCSEC, math.degrees(entry.beam.angle)]
