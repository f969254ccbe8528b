"""Writes small MeasurementSets for tests: five antennas, a point source, and whatever trap a test asks for."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
Fill = Callable[[Columns, NDArray[np.float64], int], NDArray[np.complexfloating]]
"""Visibilities [row, channel, correlation] of some rows, at frequencies [channel], for so many correlations."""

LINEAR = (9, 10, 11, 12)
CIRCULAR = (5, 6, 7, 8)
BAND = np.linspace(1.0e9, 1.003e9, 4)  # Hz
FIELDS = (("target", (1.0, -0.5)),)
START = 5.0e9  # s

DIRECTION = (3e-4, -2e-4)  # l and m of the point source, in which all Stokes I is
POSITIONS = np.array(
    [[5109e3, 2007e3, -3239e3], [200, 50, 10], [-30, 410, 90], [310, -220, 170], [-120, -90, -240]]
).cumsum(axis=0)  # m, near enough to the ITRF positions of a real array


def rows(integrations: int = 3, cadence: float = 10.0, windows: int = 1, autocorrelations: bool = False) -> Columns:
    """The columns of a well-behaved MS, in order of time, window and baseline; tests change them as they please."""
    first, second = np.triu_indices(len(POSITIONS), 0 if autocorrelations else 1)
    baselines = first.size
    total = integrations * windows * baselines
    dump = np.repeat(np.arange(integrations), windows * baselines)
    first, second = np.tile(first, integrations * windows), np.tile(second, integrations * windows)
    ids = {name: np.zeros(total, np.int32) for name in ("FIELD_ID", "OBSERVATION_ID", "ARRAY_ID")}
    return ids | {
        "TIME": START + cadence * dump,
        "INTERVAL": np.full(total, cadence),
        "EXPOSURE": np.full(total, 0.9 * cadence),
        "ANTENNA1": first.astype(np.int32),
        "ANTENNA2": second.astype(np.int32),
        "UVW": POSITIONS[first] - POSITIONS[second],
        "SCAN_NUMBER": np.ones(total, np.int32),
        "DATA_DESC_ID": np.tile(np.repeat(np.arange(windows, dtype=np.int32), baselines), integrations),
    }


def point_source(columns: Columns, frequency: NDArray[np.float64], correlations: int) -> NDArray[np.complexfloating]:
    """1 Jy unpolarised at `DIRECTION`: in the parallel hands, first and last."""
    east, north = DIRECTION
    path = columns["UVW"] @ np.array([east, north, np.sqrt(1 - east**2 - north**2) - 1])
    values = np.zeros((path.size, frequency.size, correlations), np.complex64)
    values[..., [0, -1]] = np.exp(2j * np.pi * path[:, None] * frequency / 299792458.0)[..., None]
    return values


def write(
    path: Path,
    columns: Columns,
    *,
    bands: Sequence[NDArray[np.float64]] = (BAND,),
    codes: Sequence[int] = LINEAR,
    fields: Sequence[tuple[str, tuple[float, float]]] = FIELDS,
    data: Mapping[str, Fill] | None = None,
    spectrum: bool = False,
    tiles: tuple[str, int] | None = None,
) -> Path:
    """Write an MS with a data description for each of `bands`. `data` says what is in which column of visibilities.

    `tiles` says which storage manager has what is of several channels, if all bands are alike, and the rows of a tile.
    """
    data = {"DATA": point_source} if data is None else data
    kinds = dict.fromkeys(data, "complex") | ({"WEIGHT_SPECTRUM": "float"} if spectrum else {})
    kinds |= {"FLAG": "boolean"} if tiles else {}
    shape: dict[str, Any] = {"ndim": 2} | ({"datamanagertype": tiles[0]} if tiles else {})
    if tiles and tiles[0] == "TiledColumnStMan":  # has cells of one shape
        shape["shape"] = [bands[0].size, len(codes)]
    extra = tables.maketabdesc(
        [
            tables.makearrcoldesc(
                name, 0.0, valuetype=kind, **shape, **({"datamanagergroup": f"Tiled{name}"} if tiles else {})
            )
            for name, kind in kinds.items()
        ]
    )
    managers = {f"Tiled{name}": {"DEFAULTTILESHAPE": [len(codes), bands[0].size, tiles[1]]} for name in kinds if tiles}
    main = tables.default_ms(str(path), extra, tables.makedminfo(extra, managers) if tiles else {})
    total = columns["TIME"].size
    main.addrows(total)
    for name, values in columns.items():
        main.putcol(name, values)
    main.putcol("FLAG_ROW", np.zeros(total, bool))
    main.putcol("WEIGHT", np.ones((total, len(codes)), np.float32))
    main.putcol("SIGMA", np.ones((total, len(codes)), np.float32))
    for window, band in enumerate(bands):
        _write_cells(main, columns, window, band, data, len(codes))
    main.close()
    _write_subtables(path, bands, codes, fields)
    return path


def _write_cells(
    main: Any, columns: Columns, window: int, band: NDArray[np.float64], data: Mapping[str, Fill], codes: int
) -> None:
    here = np.flatnonzero(columns["DATA_DESC_ID"] == window)
    if not here.size:
        return
    part = main.selectrows(here)
    part.putcol("FLAG", np.zeros((here.size, band.size, codes), bool))
    for name, fill in data.items():
        part.putcol(name, fill({key: values[here] for key, values in columns.items()}, band, codes))


def _write_subtables(
    path: Path,
    bands: Sequence[NDArray[np.float64]],
    codes: Sequence[int],
    fields: Sequence[tuple[str, tuple[float, float]]],
) -> None:
    antennas = len(POSITIONS)
    fill(path, "ANTENNA", antennas, POSITION=POSITIONS, DISH_DIAMETER=np.full(antennas, 13.5))
    centres = np.array([centre for _, centre in fields])[:, None, :]
    fill(path, "FIELD", len(fields), NAME=[name for name, _ in fields], PHASE_DIR=centres)
    fill(path, "OBSERVATION", 1, TELESCOPE_NAME=["TEST"], OBSERVER=["Jansky"])
    fill(path, "POLARIZATION", 1, NUM_CORR=np.array([len(codes)], np.int32), CORR_TYPE=np.array([codes], np.int32))
    numbers = np.arange(len(bands), dtype=np.int32)
    fill(path, "DATA_DESCRIPTION", len(bands), SPECTRAL_WINDOW_ID=numbers, POLARIZATION_ID=0 * numbers)
    with edit(path / "SPECTRAL_WINDOW") as sub:
        sub.addrows(len(bands))
        sub.putcol("MEAS_FREQ_REF", np.full(len(bands), 5, np.int32))
        for row, band in enumerate(bands):
            sub.putcell("NUM_CHAN", row, band.size)
            sub.putcell("CHAN_FREQ", row, band)
            sub.putcell("CHAN_WIDTH", row, np.full(band.size, -1e6 if band[0] > band[-1] else 1e6))


def fill(path: Path, subtable: str, count: int, **values: Any) -> None:
    """Add `count` rows to a subtable, with these columns."""
    with edit(path / subtable) as sub:
        sub.addrows(count)
        for name, column in values.items():
            sub.putcol(name, column)


@contextmanager
def edit(path: Path) -> Iterator[Any]:
    """A table open for writing."""
    table = tables.table(str(path), readonly=False, ack=False)
    try:
        yield table
    finally:
        table.close()


def change(path: Path, name: str, alter: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Replace a whole column of a table by what `alter` makes of it."""
    with edit(path) as table:
        table.putcol(name, alter(table.getcol(name)))


def copy(path: Path, to: Path) -> Path:
    """A copy of an MS that may be changed."""
    shutil.copytree(path, to)
    return to


def set_frame(path: Path, subtable: str, column: str, name: str) -> None:
    """Say that a column of a table ("" for the main one) is in another reference frame."""
    with edit(path / subtable) as table:
        keywords = table.getcolkeywords(column)
        keywords["MEASINFO"]["Ref"] = name
        table.putcolkeywords(column, keywords)
