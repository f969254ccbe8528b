"""What is in a MeasurementSet, as text: CASA's listobs in miniature, with the size and scale that FIP would choose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import numpy as np

from fip.data import Frame
from fip.defaults import choose
from fip.header import iso_utc
from fip.measurement_set import Field, MeasurementSet, Rows, Window
from fip.quantities import ARCSEC
from fip.row_index import RowIndex
from fip.samples import batches, has_weights, holds_values, weight_column
from fip.source import extent, read_index, sample, sampled, unique_fields

Lines: TypeAlias = Iterator[tuple[str, str]]
Part: TypeAlias = tuple[Rows, Window]

_MOST_LISTED = 12  # windows or fields

_AXES: dict[Frame, tuple[str, str]] = {
    "FK5": ("RA", "Dec"),
    "ICRS": ("RA", "Dec"),
    "FK4": ("RA", "Dec"),
    "GALACTIC": ("l", "b"),
}


def describe(path: Path) -> str:
    """Some twenty lines of plain text. Raises InputError where the MeasurementSet cannot be imaged."""
    with closing(MeasurementSet(path)) as main:
        index = read_index(main)
        windows = [main.window(number) for number in index.windows]
        parts = list(sample(main, index, windows))
        lines = [
            *_observation(main, index),
            *_time(index),
            *_fields(index, unique_fields([main.field(number) for number in np.unique(index.field).tolist()])),
            *_windows(windows),
            *_columns(main, parts),
            ("flagged", f"{_flagged(parts):.1%} of cross-correlations, in {_looked_at(index)}"),
            *_suggestions(main, index, windows),
        ]
    width = max(len(name) for name, _ in lines)
    return "\n".join([str(path), *(f"  {name:<{width}}  {text}".rstrip() for name, text in lines)])


def _observation(main: MeasurementSet, index: RowIndex) -> Lines:
    about = main.observation(index.observations[0])
    for name, key in (("telescope", "TELESCOPE_NAME"), ("observer", "OBSERVER"), ("project", "PROJECT")):
        yield name, about[key] or "not said"
    diameters = main.antennas.diameter[list(index.antennas)]
    known = np.unique(diameters[np.isfinite(diameters) & (diameters > 0)])
    size = " and ".join(f"{each:g}" for each in known[:3]) + " m" if known.size else "diameter not said"
    yield "antennas", f"{len(index.antennas)} of {len(main.antennas.names)} with cross-correlations, {size}"
    yield "rows", f"{index.rows}"


def _time(index: RowIndex) -> Lines:
    yield "begins", f"{iso_utc(index.first_time)} UTC (TIME of the first integration)"
    yield "ends", f"{iso_utc(index.last_time)} UTC (TIME of the last integration)"
    known = np.unique(np.round(index.cadence[np.isfinite(index.cadence)], 4))
    cadence = " and ".join(f"{each:g}" for each in known[:3])
    yield "integrations", f"{len(index)}" + (f", every {cadence} s" if cadence else "")
    if index.varied:
        yield "", "baselines are averaged by different lengths"
    if not index.trusted.all():
        yield "", "INTERVAL is wrong: shorter than the spread of TIMEs within an integration"


def _fields(index: RowIndex, fields: Sequence[Field]) -> Lines:
    for at, each in enumerate(fields[:_MOST_LISTED]):
        count = int(np.count_nonzero(index.field == each.number))
        x, y = _AXES[each.frame]
        centre = f"{x} {np.degrees(each.longitude):.6f} {y} {np.degrees(each.latitude):+.6f} deg ({each.frame})"
        yield "" if at else "fields", f"{each.number} {each.name}: {centre}, {count} of the integrations"
    if len(fields) > _MOST_LISTED:
        yield "", f"and {len(fields) - _MOST_LISTED} more"


def _windows(windows: Sequence[Window]) -> Lines:
    for at, each in enumerate(windows[:_MOST_LISTED]):
        low, high = each.frequency[0] / 1e6, each.frequency[-1] / 1e6
        order = "" if each.order == slice(None) else ", not in ascending order on file"
        yield (
            "" if at else "windows",
            f"{each.spectral_window}: {each.frequency.size} channels of {np.median(each.width) / 1e3:g} kHz, "
            f"{low:.6f} to {high:.6f} MHz {each.frequency_frame}{order}; {' '.join(each.correlations)}",
        )
    if len(windows) > _MOST_LISTED:
        yield "", f"and {len(windows) - _MOST_LISTED} more"


def _columns(main: MeasurementSet, parts: Sequence[Part]) -> Lines:
    for at, name in enumerate(main.complex_columns()):
        state = "holds values" if any(holds_values(rows, name) for rows, _ in parts) else "empty"
        yield "" if at else "columns", f"{name} {state}"
    names = sorted({weight_column(rows, window) for rows, window in parts})
    state = "positive" if any(has_weights(rows, window) for rows, window in parts) else "none is positive"
    yield "weights", f"{' and '.join(names)}, {state}"


def _flagged(parts: Sequence[Part]) -> float:
    """Share of flagged samples, of all correlations."""
    flagged = samples = 0
    for rows, window in parts:
        cross = rows.column("ANTENNA1") != rows.column("ANTENNA2")
        whole_row = rows.column("FLAG_ROW")
        samples += int(np.count_nonzero(cross)) * window.shape[0] * window.shape[1]
        for here, flag in batches(rows, "FLAG"):
            flagged += int(np.count_nonzero((flag | whole_row[here, None, None])[cross[here]]))
    return flagged / max(1, samples)


def _looked_at(index: RowIndex) -> str:
    looked_at = len(sampled(index))
    return "all integrations" if looked_at == len(index) else f"{looked_at} integrations spread over the time"


def _suggestions(main: MeasurementSet, index: RowIndex, windows: Sequence[Window]) -> Lines:
    reach = extent(main, index, windows)
    size, scale, (why_scale, why_size) = choose(reach, None, None)
    yield "baselines", f"up to {reach.longest_baseline:.6g} m (in the plane of u and v)"
    yield "suggested", f"--scale {scale / ARCSEC:.6g}arcsec, {why_scale.partition(': ')[2]}"
    yield "", f"--size {size[0]}, {why_size.partition(': ')[2]}"
