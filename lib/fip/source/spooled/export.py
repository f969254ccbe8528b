"""`fip spool export`: the integrations that are still in a ring, as a MeasurementSet that gives the same images.

Its columns have the very numbers that the recording of the spool gives, UVW among them.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables
from numpy.typing import NDArray

from fip.data.errors import InputError, LeftTheRingError, UsageError
from fip.imaging.polarisation import CORRELATIONS
from fip.source.recording import Rows
from fip.source.spooled.recording import Spooled
from fip.source.tables.subtables import Field

_TOPOCENTRIC = 5  # casacore's MFrequency::TOPO
_TILE = 1 << 20  # bytes
_SAMPLES = {"DATA": ("complex", 0j), "FLAG": ("boolean", False), "WEIGHT_SPECTRUM": ("float", 0.0)}
_SMALL = (
    *("TIME", "INTERVAL", "EXPOSURE", "ANTENNA1", "ANTENNA2", "UVW", "FIELD_ID", "DATA_DESC_ID", "FLAG_ROW", "WEIGHT"),
    "SCAN_NUMBER",
)
_FEED = {"X": ("X", "Y"), "Y": ("X", "Y"), "R": ("R", "L"), "L": ("R", "L")}  # by the first letter of a correlation


def export(
    path: Path, output: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[int, int]:
    """Write the set, which appears under its name once it is whole.

    Returns how many integrations it has, and how many left the ring meanwhile. UsageError if `output` cannot be
    written; InputError if the spool cannot be read.
    """
    partial = output.with_name(f"{output.name}.partial")
    with closing(Spooled(path, growing=False)) as main:
        _check_place(main, output)
        shutil.rmtree(partial, ignore_errors=True)
        try:
            total = len(main) // main.rows_each
            found = _write(main, partial, range(main.first, main.first + total), progress)
            partial.rename(output)
        except OSError as error:
            raise UsageError(f"--ms {output}: cannot be written: {error.strerror}") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return found


def copy_integrations(path: Path, rows: NDArray[np.int64], output: Path) -> None:
    """Write the integrations of some rows of a spool that is followed. InputError if one is gone by now."""
    with closing(Spooled(path, growing=True)) as main:
        numbers = np.unique(rows // main.rows_each).tolist()
        _, left = _write(main, output, numbers, lambda done, total: None)
    if left:
        raise InputError(f"{path}: {left} integrations left the ring before they were copied: take fewer")


def _check_place(main: Spooled, output: Path) -> None:
    if output.exists():
        raise UsageError(f"--ms {output}: exists: choose another name")
    if not output.parent.is_dir():
        raise UsageError(f"--ms {output}: the folder {output.parent} does not exist")
    channels = sum(band.channels for band in main.setup.bands)
    correlations = len(main.products.correlations)
    each = main.rows_each * 160 + len(main.products) * channels * correlations * (8 + 1 + 4 * main.setup.weights)
    needed, free = each * (len(main) // main.rows_each), shutil.disk_usage(output.parent).free
    if needed > free:
        raise UsageError(f"--ms {output}: needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there")


def _write(main: Spooled, path: Path, numbers: Sequence[int], progress: Callable[[int, int], None]) -> tuple[int, int]:
    """Write a set of some integrations; return how many it has, and how many have left the ring."""
    written = 0
    with closing(tables.default_ms(str(path), *_large_columns(main))) as table:
        _describe(main, path)
        for done, number in enumerate(numbers, 1):
            with suppress(LeftTheRingError):
                _write_integration(main, table, number)
                written += 1
            progress(done, len(numbers))
    return written, len(numbers) - written


def _write_integration(main: Spooled, table: Any, number: int) -> None:
    """Write the rows of one integration, band by band: cells of a band are of one shape."""
    per_band = len(main.products)
    main.spool.integration(number)  # from now on it is mapped; or it has left the ring
    begins = (number - main.first) * main.rows_each
    for first in range(begins, begins + main.rows_each, per_band):
        rows = main.rows(range(first, first + per_band))
        begin = table.nrows()
        table.addrows(per_band)
        for name in _SMALL:
            table.putcol(name, rows.column(name), begin, per_band)
        table.putcol("TIME_CENTROID", rows.column("TIME"), begin, per_band)
        table.putcol("SIGMA", rows.column("WEIGHT"), begin, per_band)
        for name in _SAMPLES:
            if rows.has(name):
                _write_samples(table, name, rows, begin)


def _write_samples(table: Any, name: str, rows: Rows, begin: int) -> None:
    cell = rows.cell_shape(name)
    assert cell is not None
    step = max(1, _TILE // int(np.prod(cell)))
    for first in range(0, len(rows), step):
        count = min(step, len(rows) - first)
        buffer = np.empty((count, *cell), rows.dtype(name))
        table.putcol(name, rows.into(name, first, buffer), begin + first, count)


def _large_columns(main: Spooled) -> tuple[Any, Any]:
    """Return descriptions and data managers of samples, in tiles; cells of several bands may have several shapes."""
    names = [name for name in _SAMPLES if main.rows(range(1)).has(name)]
    shapes = {main.window(number).cell for number in range(len(main.setup.bands))}
    channels, correlations = max(shapes)
    manager = "TiledColumnStMan" if len(shapes) == 1 else "TiledShapeStMan"
    shape = {"shape": [channels, correlations]} if len(shapes) == 1 else {"ndim": 2}
    columns = [
        tables.makearrcoldesc(
            name, value, valuetype=kind, datamanagertype=manager, datamanagergroup=f"Tiled{name}", **shape
        )
        for name, (kind, value) in _SAMPLES.items()
        if name in names
    ]
    tile = [correlations, channels, max(1, _TILE // (8 * channels * correlations))]
    description = tables.maketabdesc(columns)
    return description, tables.makedminfo(description, {f"Tiled{name}": {"DEFAULTTILESHAPE": tile} for name in names})


def _describe(main: Spooled, path: Path) -> None:
    """Write the rows of all subtables."""
    for name, columns in _subtables(main).items():
        with closing(tables.table(f"{path}/{name}", readonly=False, ack=False)) as table:
            table.addrows(len(next(iter(columns.values()))))
            for column, values in columns.items():
                for row, value in enumerate(values):
                    table.putcell(column, row, value)
    with closing(tables.table(f"{path}/FIELD", readonly=False, ack=False)) as table:
        for column in ("DELAY_DIR", "PHASE_DIR", "REFERENCE_DIR"):
            keywords = table.getcolkeywords(column)
            keywords["MEASINFO"]["Ref"] = "ICRS"
            table.putcolkeywords(column, keywords)


def _subtables(main: Spooled) -> Mapping[str, Mapping[str, Any]]:
    """Return the columns of each subtable, a value for each row."""
    antennas, bands, names = main.antennas, range(len(main.setup.bands)), main.products.correlations
    time = main.rows(range(len(main))).column("TIME", 0, 1)[0], main.rows(range(len(main))).column("TIME")[-1]
    feed = _FEED[names[0][0]]
    codes = {name: code for code, name in CORRELATIONS.items()}
    count = len(antennas.names)
    return {
        "ANTENNA": {
            "NAME": antennas.names,
            "STATION": antennas.names,
            "TYPE": ["GROUND-BASED"] * count,
            "POSITION": antennas.position,
            "DISH_DIAMETER": antennas.diameter,
        },
        "FEED": {
            "ANTENNA_ID": range(count),
            "SPECTRAL_WINDOW_ID": [-1] * count,
            "NUM_RECEPTORS": [2] * count,
            "BEAM_ID": [-1] * count,
            "BEAM_OFFSET": [np.zeros((2, 2))] * count,
            "POLARIZATION_TYPE": [list(feed)] * count,
            "POL_RESPONSE": [np.eye(2, dtype=np.complex64)] * count,
            "RECEPTOR_ANGLE": [np.zeros(2)] * count,
        },
        "SPECTRAL_WINDOW": _columns([_spectral_window(main, number) for number in bands]),
        "POLARIZATION": {
            "NUM_CORR": [len(names)],
            "CORR_TYPE": [np.array([codes[name] for name in names], np.int32)],
            "CORR_PRODUCT": [np.array([[feed.index(hand) for hand in name] for name in names], np.int32)],
        },
        "DATA_DESCRIPTION": {"SPECTRAL_WINDOW_ID": bands, "POLARIZATION_ID": [0 for _ in bands]},
        "FIELD": _columns([_field(main.field(number), time[0]) for number in range(len(main.setup.targets))]),
        "OBSERVATION": {
            "TELESCOPE_NAME": [main.setup.telescope],
            "OBSERVER": [main.setup.observer],
            "PROJECT": [main.setup.project],
            "TIME_RANGE": [np.array(time)],
        },
    }


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _spectral_window(main: Spooled, number: int) -> dict[str, Any]:
    band, window = main.setup.bands[number], main.window(number)
    frequency = band.first + band.step * np.arange(band.channels, dtype=np.float64)
    width = np.full(band.channels, abs(band.step) or float(window.width[0]))
    return {
        "NAME": f"band {number}",
        "NUM_CHAN": band.channels,
        "CHAN_FREQ": frequency,
        "CHAN_WIDTH": width,
        "EFFECTIVE_BW": width,
        "RESOLUTION": width,
        "REF_FREQUENCY": band.first,
        "TOTAL_BANDWIDTH": float(width.sum()),
        "MEAS_FREQ_REF": _TOPOCENTRIC,
    }


def _field(field: Field, time: float) -> dict[str, Any]:
    direction = np.array(field.polynomial)
    return {
        "NAME": field.name,
        "TIME": time,
        "DELAY_DIR": direction,
        "PHASE_DIR": direction,
        "REFERENCE_DIR": direction,
        "SOURCE_ID": -1,
    }
