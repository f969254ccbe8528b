"""What is in a MeasurementSet, as text: CASA's listobs in miniature, with the size and scale that FIP would choose."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from fip.data.joining import shown
from fip.data.quantities import ARCSEC, format_angle, iso_utc
from fip.source.advice.defaults import choose_grid
from fip.source.advice.field_of_view import LOSSES, bandwidth_radius, primary_beam, time_radius
from fip.source.checks import check_readable, told_of_uvw, width_notes
from fip.source.columns import batches, has_weights, holds_values, weight_column
from fip.source.index.row_index import RowIndex
from fip.source.open_run import extent, interval_fault, read_index
from fip.source.recording import Recording, Rows
from fip.source.selecting.centring import own_centre, phase_centres
from fip.source.selecting.chosen import all_windows, parts, sampled, unique_names
from fip.source.selecting.matching import listed
from fip.source.selecting.phase_centres import PhaseCentres
from fip.source.sources import open_joined
from fip.source.tables.subtables import Field, Window, band

Lines: TypeAlias = Iterator[tuple[str, str]]
Part: TypeAlias = tuple[Rows, Window]
Item = TypeVar("Item")

_MOST_LISTED = 12  # windows or fields


def describe(path: Path, join: Sequence[str] = ()) -> str:
    """Return some twenty lines of plain text on a set, or on those that `Selection.join` has.

    Raises InputError if the MeasurementSet cannot be imaged.
    """
    with closing(open_joined(path, join)) as main:
        index = read_index(main)
        windows = all_windows(main, index)
        integrations = sampled(range(len(index)))
        every = len(integrations) == len(index)
        said = "all integrations" if every else f"{len(integrations)} integrations spread over the time"
        looked_at = [part for each in integrations for part in parts(main, index, windows, each)]
        for rows, _ in looked_at:
            for name in (*main.complex_columns(), "FLAG"):
                check_readable(rows, name)
        centres = phase_centres(main, index)
        fields = {number: main.field(number) for number in np.unique(index.field).tolist()}
        lines = [
            *_observation(main, index),
            *_time(index),
            *_fields(index, centres, fields),
            *_listed("windows", windows, _window),
            *_columns(main, looked_at),
            ("flagged", f"{_flagged(looked_at):.1%} of cross-correlations, in {said}"),
            ("baselines", f"up to {index.coverage.longest_baseline:.6g} m (in the plane of u and v)"),
            ("uvw", told_of_uvw(main, index, centres, fields[int(index.field[0])], 0)),
            *(("", note) for note in width_notes(windows)),
            *_field_of_view(main, index, windows),
            *_suggestions(main, index, windows),
        ]
    width = max(len(name) for name, _ in lines)
    return "\n".join([shown(str(path), join), *(f"  {name:<{width}}  {text}".rstrip() for name, text in lines)])


def _observation(main: Recording, index: RowIndex) -> Lines:
    about = main.observation(int(index.observation[0]))
    for name, key in (("telescope", "TELESCOPE_NAME"), ("observer", "OBSERVER"), ("project", "PROJECT")):
        yield name, about[key] or "not said"
    diameters = main.antennas.diameter[list(index.coverage.antennas)]
    known = np.unique(diameters[np.isfinite(diameters) & (diameters > 0)])
    size = " and ".join(f"{each:g}" for each in known[:3]) + " m" if known.size else "diameter not said"
    yield "antennas", f"{len(index.coverage.antennas)} of {len(main.antennas.names)} with cross-correlations, {size}"
    yield "rows", f"{index.rows}"


def _time(index: RowIndex) -> Lines:
    yield "begins", f"{iso_utc(index.first_time)} UTC (TIME of the first integration)"
    yield "ends", f"{iso_utc(index.last_time)} UTC (TIME of the last integration)"
    known = np.unique(np.round(index.cadence[np.isfinite(index.cadence)], 4))
    cadence = " and ".join(f"{each:g}" for each in known[:3])
    yield "integrations", f"{len(index)}" + (f", every {cadence} s" if cadence else "")
    if index.varied:
        yield "", "baselines are averaged by different lengths"
    if wrong := interval_fault(index):
        yield "", f"INTERVAL is wrong: {wrong}"
    if index.repeated:
        yield "", f"warning: {index.repeated} rows have the TIME, the antennas and the window of another row"
    beams = np.unique(index.beam).tolist()
    if len(beams) > 1:
        yield "beams", f"FEED1 {listed([str(each) for each in beams])}, each imaged by itself"


def _listed(name: str, items: Sequence[Item], told: Callable[[Item], str]) -> Lines:
    """Yield a line for each of the first items, and how many more there are."""
    for at, item in enumerate(items[:_MOST_LISTED]):
        yield "" if at else name, told(item)
    if len(items) > _MOST_LISTED:
        yield "", f"and {len(items) - _MOST_LISTED} more"


def _fields(index: RowIndex, centres: PhaseCentres, fields: Mapping[int, Field]) -> Lines:
    names = unique_names({number: each.name for number, each in fields.items()})

    def told(field: Field) -> str:
        place = own_centre(index, centres, field)
        frame = place.frame or "FK5"
        x, y = ("l", "b") if frame == "GALACTIC" else ("RA", "Dec")
        centre = f"{x} {np.degrees(place.longitude):.6f} {y} {np.degrees(place.latitude):+.6f} deg ({frame})"
        if centres.moves(field):
            centre += f", moving ({field.frame}), in the middle of its time"
        count = int(np.count_nonzero(index.field == field.number))
        return f"{field.number} {names[field.number]}: {centre}, {count} of the integrations"

    return _listed("fields", list(fields.values()), told)


def _window(window: Window) -> str:
    low, high = window.frequency[0] / 1e6, window.frequency[-1] / 1e6
    order = "" if window.order == slice(None) else ", not in ascending order on file"
    return (
        f"{window.spectral_window}: {window.frequency.size} channels of {np.median(window.width) / 1e3:g} kHz, "
        f"{low:.6f} to {high:.6f} MHz {window.frequency_frame}{order}; {' '.join(window.correlations)}"
    )


def _columns(main: Recording, parts: Sequence[Part]) -> Lines:
    for at, name in enumerate(main.complex_columns()):
        state = "holds values" if any(holds_values(rows, window, name) for rows, window in parts) else "empty"
        yield "" if at else "columns", f"{name} {state}"
    names = sorted({weight_column(rows, window) for rows, window in parts})
    state = "positive" if any(has_weights(rows, window) for rows, window in parts) else "none is positive"
    yield "weights", f"{' and '.join(names)}, {state}"


def _flagged(parts: Sequence[Part]) -> float:
    """Return the share of flagged samples, of all correlations."""
    flagged = samples = 0
    for rows, window in parts:
        cross = rows.column("ANTENNA1") != rows.column("ANTENNA2")
        whole_row = rows.column("FLAG_ROW")
        samples += int(np.count_nonzero(cross)) * window.shape[0] * window.shape[1]
        for here, flag in batches(rows, window, "FLAG"):
            flagged += int(np.count_nonzero((flag | whole_row[here, None, None])[cross[here]]))
    return flagged / max(1, samples)


def _field_of_view(main: Recording, index: RowIndex, windows: Sequence[Window]) -> Lines:
    """Yield primary beam and smearing, at the centre of the band."""
    reach, centre = extent(main, index.coverage, windows), band(windows).centre
    if reach.diameter is not None and primary_beam(reach.diameter, centre) > 2:
        yield (
            "primary beam",
            f"the whole sky: {reach.diameter:.4g} m is within a wavelength at {centre / 1e6:.6g} MHz",
        )
    elif reach.diameter is not None:
        width = format_angle(primary_beam(reach.diameter, centre), digits=3)
        yield "primary beam", f"{width} FWHM, 1.03 lambda/D of {reach.diameter:.4g} m at {centre / 1e6:.6g} MHz"
    rms, channel = index.coverage.rms_baseline, max(float(window.width.max()) for window in windows)
    radii = [bandwidth_radius(loss, rms, centre, channel) for loss in LOSSES]
    yield "smearing", f"{_radii(radii)} by channels of {channel / 1e3:g} kHz"
    known = index.cadence[np.isfinite(index.cadence)]
    if known.size:
        seconds = float(np.median(known))
        radii = [time_radius(loss, rms, centre, seconds) for loss in LOSSES]
        yield "", f"{_radii(radii)} by integrations of {seconds:.4g} s"


def _radii(radii: Sequence[float]) -> str:
    """Say at which angles from the centre a source loses so much."""
    places = [f"at {format_angle(each, digits=3)}" if each < 1 else "nowhere in the sky" for each in radii]
    lost = [f"{loss:.0%} {place}" for loss, place in zip(LOSSES, places, strict=True)]
    return f"{', '.join(lost)} from the centre,"


def _suggestions(main: Recording, index: RowIndex, windows: Sequence[Window]) -> Lines:
    reach = extent(main, index.coverage, windows)
    size, scale, (why_scale, why_size) = choose_grid(reach, None, None)
    yield "suggested", f"--scale {scale / ARCSEC:.6g}arcsec, {why_scale.partition(': ')[2]}"
    yield "", f"--size {size[0]}, {why_size.partition(': ')[2]}"
