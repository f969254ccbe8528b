"""Make a run of slices from a MeasurementSet and what the user asked for."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.corrections.corrections import Corrections
from fip.data.directions import OWN, Body, Direction
from fip.data.errors import InputError, UsageError
from fip.data.joining import name_of, shown
from fip.data.names import LONGEST
from fip.data.primary_beam import AIRY
from fip.data.settings import Asked, Imaging, describe, selected
from fip.data.stokes import stokes_axis
from fip.data.values import INJECTED, Band, Block, Grid, Observation
from fip.imaging.compression import compress_blocks, reduction
from fip.imaging.kernels import check_kernel, pixel_type
from fip.imaging.polarisation import Product, products
from fip.imaging.subbands import parts as in_bands
from fip.imaging.subbands import split, sub_bands
from fip.source.advice.defaults import Extent, choose_grid
from fip.source.advice.field_of_view import smearing_notes
from fip.source.checks import check_cells, looked_at, undefined_notes, uvw_notes, value_notes, width_notes
from fip.source.columns import Columns, choose_columns, has_weights, scaled, weight_column
from fip.source.correcting import corrections_of
from fip.source.cutting import Run, SliceInfo
from fip.source.index import row_index
from fip.source.index.coverage import Coverage
from fip.source.index.indexer import Indexer
from fip.source.index.row_index import RowIndex
from fip.source.recording import MappedRows, Recording
from fip.source.run_id import identify
from fip.source.samples import SampleReader
from fip.source.selecting.centring import centre_notes, position
from fip.source.selecting.chosen import Chosen, choose, parts
from fip.source.selecting.matching import listed
from fip.source.sources import open_joined
from fip.source.tables.subtables import Window, band

_EARLIEST, _LATEST = -5.8e10, 2.56e11  # s since MJD 0: the years 21 and 9971, well within what a header can say


def open_run(path: Path, asked: Asked) -> Run:
    """Open a MeasurementSet and settle everything that its slices share.

    Reads the row numbers and UVW of the whole table once. Raises InputError if the data cannot be imaged and
    UsageError if the selection cannot be met.
    """
    main = open_joined(path, asked.source.join)
    try:
        index = read_index(main)
        return settle(choose(main, index, asked))
    except BaseException:
        main.close()
        raise


def settle(chosen: Chosen) -> Run:
    """Return a run of the slices that are chosen. Raises InputError and UsageError, as `open_run` does."""
    main, index, asked, windows = chosen.main, chosen.index, chosen.asked, chosen.windows
    found = looked_at(chosen)
    some = [(part.rows, part.window) for part in found]
    source = asked.source
    columns, column_note = choose_columns(main, source.column, source.subtract_model, bool(source.gains), some)
    columns = scaled(columns, source.askap_scale, main.observation(int(index.observation[0]))["TELESCOPE_NAME"])
    check_cells(chosen, columns, found)
    _check_weights(chosen)
    wanted = _products(main, windows, asked.imaging.stokes)
    reach = extent(main, chosen.coverage, windows)
    size, scale, grid_notes = choose_grid(reach, asked.imaging.size, asked.imaging.scale)
    settings = replace(asked.imaging, stokes=tuple(product.name for product in wanted[0]))
    pseudo = any(product.either for product in wanted[0])
    check_kernel(settings.kernel, settings.epsilon, *size)
    _check_beam(main, settings, reach)
    stokes_axis(settings.stokes)  # raises UsageError for planes that are no FITS axis, before anything is imaged
    bands, band_notes = _bands(main, windows, settings.channels_out)
    grids = {each.name: grid_about(size, scale, chosen.rephasing.targets[each.number]) for each in chosen.fields}
    width = max(float(window.width.max()) for window in windows)
    precision = pixel_type(settings)
    cadence = index.cadence[chosen.integrations]
    cadence = cadence[np.isfinite(cadence)]
    duration = float(np.median(cadence)) if cadence.size else None
    corrections = corrections_of(chosen, reach.diameter)
    digests = {} if corrections is None else corrections.digests
    ids = identify(main, index, windows, columns, settings, pseudo, grids, bands, asked, digests)
    return Run(
        id=ids.run,
        older=ids.older,
        others=ids.others,
        hints=main.hints(tuple(filter(None, (columns.visibility, columns.model)))),
        name=name_of(main.path, source.join[1:]),
        slices=list_slices(chosen),
        settings=settings,
        grids=grids,
        observations=_observations(chosen, columns, wanted, pseudo, reach.diameter),
        bands=bands,
        cadence=duration * float(np.median([len(each) for each in chosen.slices])) if duration else None,
        notes=(
            *_selection_notes(chosen),
            *_injection_notes(main, index),
            column_note,
            *_askap_notes(chosen, columns),
            *(() if corrections is None else corrections.notes),
            *_raw_notes(main, corrections),
            *centre_notes(
                main, index, chosen.fields, chosen.rephasing, asked.imaging.phase_centre, len(chosen.integrations)
            ),
            *_beam_notes(chosen),
            *grid_notes,
            *band_notes,
            *smearing_notes(max(size) * scale / 2, chosen.coverage.rms_baseline, band(windows).centre, width, duration),
            *_polarisation_notes(asked, settings.stokes),
            *_time_notes(main, index),
            *value_notes(chosen, columns, found, asked.source.keep_zeros),
            *undefined_notes(found),
            *uvw_notes(chosen),
            *width_notes(windows),
            *_compression_notes(chosen, next(iter(grids.values())), bands, settings.epsilon),
        ),
        picked=chosen,
        readers=tuple(
            SampleReader(window, planes, columns, precision, asked.source.keep_zeros, corrections)
            for window, planes in zip(windows, wanted, strict=True)
        ),
    )


def _askap_notes(chosen: Chosen, columns: Columns) -> Iterator[str]:
    if columns.scale != 1:
        yield f"column {columns.visibility}: times {columns.scale:g} (--askap-scale)"
    for field in chosen.fields[:1]:
        if field.beam_offset is not None and any(field.beam_offset):
            x, y = map(math.degrees, field.beam_offset)
            moved = f"PHASE_DIR moved by FEED's BEAM_OFFSET, ({x:.4f}, {y:.4f}) deg"
            yield f"field {field.name}: its phase centre is {moved}"


def _raw_notes(main: Recording, corrections: Corrections | None) -> Iterator[str]:
    if main.raw() and not (corrections and corrections.gains):
        yield f"{main.path}: is not calibrated, and --gains was not given (telstate, or tables): its images say so"


def _injection_notes(main: Recording, index: RowIndex) -> Iterator[str]:
    if main.observation(int(index.observation[0]))["PROJECT"].startswith(INJECTED):
        yield "sources were added to it by fip inject: its images say FIPINJ = T, and images.txt leaves them out"


def read_index(main: Recording) -> RowIndex:
    """Return the integrations of a MeasurementSet; InputError if there is none that could be imaged."""
    return checked(main, Indexer().feed(checked_chunks(main)).index(partial(one_band, main)))


def one_band(main: Recording, first: int, second: int) -> bool:
    """Return whether two data descriptions overlap in frequency."""
    one, other = main.window(first), main.window(second)
    low, high = (max(w.low for w in (one, other)), min(w.high for w in (one, other)))
    return low < high


def checked(main: Recording, index: RowIndex | None) -> RowIndex:
    """Return the index of a MeasurementSet; InputError if none of its integrations could be imaged."""
    if index is None:
        raise InputError(f"{main.path}: has autocorrelations only; imaging needs cross-correlations")
    if index.coverage.longest_baseline == 0:
        raise InputError(f"{main.path}: UVW is zero or not finite in all rows; were the coordinates ever computed?")
    used = index.coverage.antennas
    if not 0 <= used[0] <= used[-1] < len(main.antennas.names):
        wrong = used[0] if used[0] < 0 else used[-1]
        raise InputError(
            f"{main.path}: antenna {wrong} is used, but subtable ANTENNA has {len(main.antennas.names)} rows"
        )
    return index


def checked_chunks(main: Recording, first: int = 0, end: int | None = None) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the columns for an index, of all rows or those from `first` up to `end`. InputError if TIME is no time."""
    end = len(main) if end is None else end
    for begin in range(first, end, row_index.CHUNK):
        rows = main.rows(range(begin, min(begin + row_index.CHUNK, end)))
        others = ("EXPOSURE",) if isinstance(rows, MappedRows) else ()  # others read it slice by slice, for nothing
        chunk = {name: rows.column(name) for name in (*row_index.COLUMNS, *others, *main.beam_columns)}
        strange = np.count_nonzero(~((chunk["TIME"] >= _EARLIEST) & (chunk["TIME"] <= _LATEST)))
        if strange:
            raise InputError(f"{main.path}: TIME is not finite, or of no year from 1 to 9999, in {strange} rows")
        yield chunk


def _check_weights(chosen: Chosen) -> None:
    """Raise InputError if no weight is positive; as a rule the first integration has one, and no more is read."""
    main = chosen.main
    for number in chosen.integrations:
        found = parts(main, chosen.index, chosen.windows, number, chosen.antennas)
        if any(has_weights(rows, window) for rows, window in found):
            return
    first = list(parts(main, chosen.index, chosen.windows, chosen.integrations[0], chosen.antennas))
    names = sorted({weight_column(rows, window) for rows, window in first})
    other = "; WEIGHT is not looked at where WEIGHT_SPECTRUM has values" if names == ["WEIGHT_SPECTRUM"] else ""
    raise InputError(
        f"{main.path}: no weight in {' and '.join(names)} is positive{other}: set them (CASA: initweights), try again"
    )


def _check_beam(main: Recording, settings: Imaging, reach: Extent) -> None:
    """Raise UsageError if the primary beam is not known, or is about another direction than the image."""
    if settings.primary_beam is None:
        return
    if settings.phase_centre not in (None, Body(OWN)):
        raise UsageError(
            f"{main.path}: --primary-beam is about the phase centre of the data, and --phase-centre images about "
            f"another direction: leave one of them out, or give --phase-centre {OWN}"
        )
    if settings.primary_beam == AIRY and reach.diameter is None:
        raise UsageError(
            f"{main.path}: --primary-beam airy: its dishes have no diameter: give gaussian:FWHM or a FITS file"
        )


def _beam_notes(chosen: Chosen) -> Iterator[str]:
    """Warn of primary beams that leave their grids."""
    imaging = chosen.asked.imaging
    if imaging.primary_beam is not None and imaging.phase_centre is None:
        for field in chosen.fields:
            if chosen.rephasing.centres.moves(field):
                yield (
                    f"warning: --primary-beam is about the middle of each image, and the phase centre of field "
                    f"{field.name} moves away from there: --phase-centre {OWN} has each image about where it is then"
                )
                return


def _products(main: Recording, windows: Sequence[Window], stokes: Sequence[str]) -> list[tuple[Product, ...]]:
    """Return for each window how to form the planes; the planes are the same ones in all."""
    made = []
    for window in windows:
        try:
            made.append(products(stokes, window.correlations))
        except UsageError as error:
            raise UsageError(f"{main.path}, spectral window {window.spectral_window}: {error}") from None
    kinds = {tuple(product.name for product in planes) for planes in made}
    if len(kinds) > 1:
        listed = "; ".join(",".join(kind) for kind in sorted(kinds))
        raise UsageError(f"{main.path}: its windows give different planes ({listed}); name one of them with --stokes")
    return made


def extent(main: Recording, coverage: Coverage, windows: Sequence[Window]) -> Extent:
    """Return what default size and scale depend on."""
    diameters = main.antennas.diameter[list(coverage.antennas)]
    positive = diameters[np.isfinite(diameters) & (diameters > 0)]
    return Extent(
        longest_baseline=coverage.longest_baseline,
        highest=max(float(window.frequency[-1]) for window in windows),
        lowest=min(float(window.frequency[0]) for window in windows),
        diameter=float(np.median(positive)) if positive.size else None,
    )


def _bands(main: Recording, windows: Sequence[Window], count: int) -> tuple[tuple[Band, ...], tuple[str, ...]]:
    """Return the band of each output channel, and what the log should say of them."""
    channels = np.unique(np.concatenate([window.frequency for window in windows]))
    if count > channels.size:
        raise UsageError(f"{main.path}: --channels-out {count}: there are {channels.size} channels, give fewer planes")
    bands = sub_bands(band(windows), count)
    used = {number for number, _ in in_bands(channels, bands)}
    gaps = ", ".join(str(number) for number in range(count) if number not in used)
    note = f"channels-out {count}: no channel lies in output channel {gaps}, so that plane is NaN"
    return bands, (note,) if gaps else ()


def grid_about(size: tuple[int, int], scale: float, centre: Direction) -> Grid:
    """Return a grid of this size (pixels) and scale (rad) about a direction."""
    return Grid(size[0], size[1], scale, centre.longitude, centre.latitude, centre.frame or "FK5")


def list_slices(chosen: Chosen) -> tuple[SliceInfo, ...]:
    """Return what is known of the slices that are chosen."""
    index = chosen.index
    names = {each.number: each.name for each in chosen.fields}
    slices = []
    several = np.unique(index.beam).size > 1
    plain = int(index.beam[0]) if chosen.main.growing or not several else None  # as for fields: others may come
    for together in chosen.slices:
        first, field = together[0], int(index.field[together[0]])
        beam = "" if index.beam[first] == plain else f"beam{index.beam[first]}"
        called = "-".join(filter(None, (chosen.labels[field], beam)))[-LONGEST:]
        time = float(index.time[list(together)].mean())
        slices.append(SliceInfo(together, int(chosen.number[first]), names[field], called, time))
    return tuple(slices)


def _observations(
    chosen: Chosen, columns: Columns, wanted: Sequence[tuple[Product, ...]], pseudo: bool, diameter: float | None
) -> dict[str, Observation]:
    """Return what the headers of each field say, by its name."""
    main, windows = chosen.main, chosen.windows
    about = main.observation(int(chosen.index.observation[chosen.integrations[0]]))
    used = dict.fromkeys(
        window.correlations[at]
        for window, planes in zip(windows, wanted, strict=True)
        for product in planes
        for at in (product.first, product.second)
        if at is not None
    )
    frames = {window.frequency_frame for window in windows}
    return {
        each.name: Observation(
            measurement_set=shown(main.path.name, chosen.asked.source.join),
            telescope=about["TELESCOPE_NAME"],
            observer=about["OBSERVER"],
            project=about["PROJECT"],
            field=each.name,
            position=position(main, chosen.coverage.antennas),
            antennas=len(chosen.coverage.antennas),
            column=columns.label,
            correlations=tuple(used),
            frequency_frame=frames.pop() if len(frames) == 1 else "",
            selection=describe(chosen.asked.source),
            pseudo=pseudo,
            diameter=diameter,
            parallactic=chosen.asked.source.parallactic,
        )
        for each in chosen.fields
    }


def _selection_notes(chosen: Chosen) -> Iterator[str]:
    selection, index = chosen.asked.source, chosen.index
    if not selected(selection):
        return
    if chosen.main.growing:  # what there is now says little of what comes
        yield f"selected: {describe(selection)}"
        return
    yield (
        f"selected: {describe(selection)}: {len(chosen.integrations)} of {len(index)} integrations, "
        f"{len(chosen.coverage.antennas)} of {len(index.coverage.antennas)} antennas"
    )
    if selection.average is not None:
        most = max(len(each) for each in chosen.slices)
        yield (
            f"average: up to {most} integrations are imaged together, their uvw as they are"
            if most > 1
            else "warning: average is no more than one integration: nothing is imaged together"
        )


def _polarisation_notes(asked: Asked, planes: Sequence[str]) -> Iterator[str]:
    for wanted, made in zip(asked.imaging.stokes, planes, strict=True):
        if wanted == "pseudoI":
            yield f"stokes pseudoI: imaged as {made}, from one hand where the other is flagged"
        elif wanted != made:
            yield f"stokes {wanted}: only {made} is on file, imaged as {made}"
    if {"Q", "U"} & set(planes) and not asked.source.parallactic:
        yield "stokes Q and U: in the frame of the feeds, no parallactic rotation is made"


def _time_notes(main: Recording, index: RowIndex) -> Iterator[str]:
    if main.time_scale != "UTC":
        yield f"TIME is in {main.time_scale}: converted to UTC"
    if index.varied:
        yield "baselines are averaged by different lengths: an integration is as long as the longest of them"
    if wrong := interval_fault(index):
        yield f"INTERVAL is {wrong}: times go by the cadence instead"
    if index.repeated:
        yield (
            f"warning: {index.repeated} rows have the TIME, the antennas and the window of another row: dumps of "
            "one TIME cannot be told apart, and are imaged together"
        )
    beams = np.unique(index.beam).tolist()
    if len(beams) > 1:
        yield (
            f"warning: {len(beams)} beams (FEED1 {listed([str(each) for each in beams])}): each is imaged by itself, "
            "as -beamN in file names, about the phase centre of its field: where it points is not looked up"
        )


def interval_fault(index: RowIndex) -> str:
    """Say what is wrong with INTERVAL, in words; "" for nothing."""
    if index.trusted.all():
        return ""
    if index.overlaps:
        return "longer than a baseline takes to repeat"
    return "not positive, or shorter than the spread of TIMEs within an integration"


def _compression_notes(chosen: Chosen, grid: Grid, bands: Sequence[Band], epsilon: float) -> Iterator[str]:
    """Say what the ventilator will do to the slices, judged by the baselines of the first integration."""
    blocks: list[Block] = []
    for rows, window in chosen.first_rows():
        uvw = rows.column("UVW")[rows.column("ANTENNA1") != rows.column("ANTENNA2")]
        uvw = uvw[np.isfinite(uvw).all(axis=1)].astype(np.float64)
        none = np.empty((0, len(uvw), window.frequency.size))
        blocks += split(Block(0, uvw, window.frequency, none.astype(np.complex128), none), bands)
    if note := reduction(blocks, compress_blocks(blocks, grid, epsilon)):
        yield note
