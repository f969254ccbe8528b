"""Writes UVFITS files for tests, by AIPS Memo 117: what a MeasurementSet holds, as it is."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from fip.source.formats.aips import CORRELATIONS
from fip.source.tables.measurement_set import MeasurementSet
from fip.source.tables.subtables import Window

NUMBERS = {name: number for number, name in CORRELATIONS.items()}
SPEED_OF_LIGHT = 299792458.0
MIDNIGHT = 2400000.5 + 57870  # JD
ANTENNA = 7  # number of the first
Parameters: TypeAlias = list[tuple[str, NDArray[Any]]]


def from_set(
    ms: Path,
    path: Path,
    coding: str = "256",
    several: bool = False,
    bitpix: int = -32,
    alter: Callable[[fits.HDUList], object] | None = None,
    numbers: int = 3,
    regroup: Callable[[Parameters], Parameters] = lambda groups: groups,
) -> Path:
    """The rows of a set, each with all windows as IFs; `several` sources have a table. `alter` spoils something.

    `regroup` makes other parameters of groups; samples are of so many `numbers`: real, imaginary, weight.
    Correlations must be in the order of FITS, and windows alike but for their beginnings.
    """
    main = MeasurementSet(ms)
    all_rows = main.rows(range(len(main)))
    described = all_rows.column("DATA_DESC_ID")
    windows = [main.window(number) for number in np.unique(described).tolist()]
    of_window = [main.rows(np.flatnonzero(described == window.number)) for window in windows]
    rows = of_window[0]
    data = np.stack([_samples(each) for each in of_window], axis=1)[:, None, None]  # declination, RA, IF, FREQ, STOKES
    parameters = regroup(_parameters(rows, coding, several))
    names, values = [name for name, _ in parameters], [values for _, values in parameters]
    groups = fits.GroupsHDU(fits.GroupData(data[..., :numbers], parnames=names, pardata=values, bitpix=bitpix))
    date = names.index("DATE") + 1
    groups.header[f"PZERO{date}"] = MIDNIGHT
    _axes(groups.header, windows, main.field(0).polynomial[0])
    groups.header["OBJECT"], groups.header["EPOCH"] = main.field(0).name, 2000.0
    tables = [_antennas(main), _frequencies(windows), *([_sources(main)] if several else [])]
    file = fits.HDUList([groups, *tables])
    if alter is not None:
        alter(file)
    file.writeto(path)
    main.close()
    return path


def _samples(rows: Any) -> NDArray[Any]:
    """[row, channel, correlation, 3]; weights of what is flagged are negative."""
    values, flag, weight = (rows.column(name) for name in ("DATA", "FLAG", "WEIGHT_SPECTRUM"))
    return np.stack([values.real, values.imag, np.where(flag, -weight, weight)], axis=-1)


def _parameters(rows: Any, coding: str, several: bool) -> Parameters:
    """Return the parameters of groups; DATE is two numbers, as a day has more digits than one holds."""
    first, second = (rows.column(name) + ANTENNA for name in ("ANTENNA1", "ANTENNA2"))
    day = rows.column("TIME") / 86400 + 2400000.5 - MIDNIGHT
    coarse = np.round(day * 256) / 256
    made: Parameters = [
        *(zip(("UU---SIN", "VV---SIN", "WW---SIN"), rows.column("UVW").T / SPEED_OF_LIGHT, strict=True)),
        ("DATE", coarse),
        ("DATE", day - coarse),
        ("INTTIM", rows.column("INTERVAL")),
    ]
    if coding == "256":
        made.append(("BASELINE", 256 * first + second + 0.01 * 0))
    elif coding == "2048":
        made.append(("BASELINE", 65536 + 2048 * first + second))
    else:
        made += [("ANTENNA1", first), ("ANTENNA2", second), ("SUBARRAY", np.ones(len(first)))]
    if several:
        made.append(("SOURCE", 1 + rows.column("FIELD_ID")))
    return made


def _axes(header: fits.Header, windows: Sequence[Window], place: tuple[float, float]) -> None:
    window = windows[0]
    codes = [NUMBERS[name] for name in window.correlations]
    frequency = _on_file(window)
    axes = [
        ("COMPLEX", 1, 1),
        ("STOKES", codes[0], codes[1] - codes[0]),
        ("FREQ", frequency[1], frequency[1] - frequency[0]),
        ("IF", 1, 1),
        ("RA", math.degrees(place[0]), 1),
        ("DEC", math.degrees(place[1]), 1),
    ]
    for at, (name, value, step) in enumerate(axes, start=2):
        header[f"CTYPE{at}"], header[f"CRVAL{at}"], header[f"CDELT{at}"] = name, value, step
        header[f"CRPIX{at}"] = 2 if name == "FREQ" else 1


def _on_file(window: Window) -> NDArray[np.float64]:
    made = np.empty_like(window.frequency)
    made[np.arange(window.frequency.size)[window.order]] = window.frequency
    return made


def table(name: str, columns: Sequence[tuple[str, str, Any]], **header: Any) -> fits.BinTableHDU:
    """One of AIPS, of columns of a name, format and values."""
    made = fits.BinTableHDU.from_columns(
        [fits.Column(name=each, format=kind, array=values) for each, kind, values in columns]
    )
    made.header["EXTNAME"], made.header["EXTVER"] = f"AIPS {name}", 1
    for key, value in header.items():
        made.header[key] = value
    return made


def _antennas(main: MeasurementSet) -> fits.BinTableHDU:
    """Positions about the first antenna, x through its meridian."""
    centre = main.antennas.position[0]
    longitude = math.atan2(centre[1], centre[0])
    cosine, sine = math.cos(longitude), math.sin(longitude)
    local = (main.antennas.position - centre) @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    count = len(main.antennas.names)
    columns = [("ANNAME", "8A", [f"A{at}" for at in range(count)]), ("STABXYZ", "3D", local),
               ("NOSTA", "1J", ANTENNA + np.arange(count)), ("MNTSTA", "1J", np.zeros(count)),
               ("POLAA", "1E", np.full(count, 45.0))]  # fmt: skip
    place = {f"ARRAY{axis}": value for axis, value in zip("XYZ", centre.tolist(), strict=True)}
    return table("AN", columns, **place, TIMSYS="UTC", ARRNAM="TEST", FRAME="ITRF")


def _frequencies(windows: Sequence[Window]) -> fits.BinTableHDU:
    """Offsets of IFs from the reference, which is at the second channel."""
    where = [_on_file(window) for window in windows]
    offset = np.array([[each[1] - where[0][1] for each in where]])
    width = np.array([[window.width[0] for window in windows]])
    side = np.array([[1 if each[1] > each[0] else -1 for each in where]])
    count = len(windows)
    columns = [("FRQSEL", "1J", [1]), ("IF FREQ", f"{count}D", offset), ("CH WIDTH", f"{count}E", width),
               ("SIDEBAND", f"{count}J", side)]  # fmt: skip
    return table("FQ", columns, NO_IF=count)


def _sources(main: MeasurementSet) -> fits.BinTableHDU:
    fields = [main.field(number) for number in main.field_names(range(2))]
    places = np.degrees([each.polynomial[0] for each in fields])
    columns = [
        ("ID. NO.", "1J", [1 + each.number for each in fields]),
        ("SOURCE", "16A", [each.name for each in fields]),
        ("RAEPO", "1D", places[:, 0]),
        ("DECEPO", "1D", places[:, 1]),
        ("EPOCH", "1D", [2000.0] * 2),
    ]
    return table("SU", columns)
