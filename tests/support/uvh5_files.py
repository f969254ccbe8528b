"""Writes UVH5 files for tests, by the memo: what a MeasurementSet holds, with uvw and visibilities mirrored."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import erfa
import h5py
import numpy as np
from casacore.tables import table
from numpy.typing import NDArray

from fip.source.formats.aips import CORRELATIONS
from fip.source.tables.measurement_set import MeasurementSet

NUMBERS = {name: number for number, name in CORRELATIONS.items()}
PLACE = (math.radians(21.44), math.radians(-30.71), 1050.0)  # rad, rad, m: not that of any antenna


def from_set(ms: Path, path: Path, version: str = "1.2", alter: Callable[[h5py.File], object] | None = None) -> Path:
    """The rows of a set, each with all windows, as a version has them; `alter` spoils or adds something."""
    main = MeasurementSet(ms)
    with table(str(ms / "DATA_DESCRIPTION"), ack=False) as described:
        windows = [main.window(number) for number in range(described.nrows())]
    of_window = [main.rows(_where(main, window.number)) for window in windows]
    rows, first = of_window[0], windows[0]
    header: dict[str, Any] = {
        "time_array": rows.column("TIME") / 86400 + 2400000.5,
        "integration_time": rows.column("INTERVAL"),
        "ant_1_array": 3 + 2 * rows.column("ANTENNA1"),
        "ant_2_array": 3 + 2 * rows.column("ANTENNA2"),
        "uvw_array": -rows.column("UVW"),
        "freq_array": np.concatenate([_on_file(each, each.frequency) for each in windows]),
        "channel_width": np.concatenate([each.width for each in windows]),
        "polarization_array": np.array([NUMBERS[name] for name in first.correlations]),
        "spw_array": 7 + np.arange(len(windows)),
        "Npols": len(first.correlations),
        "vis_units": "Jy",
        **_telescope(main),
    }
    visibility, flag = _all(of_window, "DATA").conj(), _all(of_window, "FLAG")
    weight = np.ones(flag.shape, np.float32)
    if rows.has("WEIGHT_SPECTRUM"):
        weight = _all(of_window, "WEIGHT_SPECTRUM")
    if len(windows) > 1:
        header["flex_spw_id_array"] = np.repeat(header["spw_array"], [each.frequency.size for each in windows])
    if version == "0.1":  # an axis of one spectral window, and one width
        visibility, flag, weight = visibility[:, None], flag[:, None], weight[:, None]
        header |= {"freq_array": header["freq_array"][None], "channel_width": header["channel_width"][0]}
    else:
        header |= {"version": version, "phase_center_id_array": 2 + rows.column("FIELD_ID")}
    write(path, header, {"visdata": visibility, "flags": flag, "nsamples": weight}, _centres(main, rows, version))
    main.close()
    if alter is not None:
        with h5py.File(path, "r+") as file:
            alter(file)
    return path


def write(path: Path, header: Mapping[str, Any], data: Mapping[str, NDArray[Any]], centres: Mapping[str, Any]) -> None:
    """A file; text is stored as bytes, and a mapping in `centres` as a group."""
    with h5py.File(path, "w") as file:
        put(file.create_group("Header"), {**header, **centres})
        for name, values in data.items():
            file.create_dataset(
                f"Data/{name}", data=values, chunks=True, compression=None if values.itemsize > 4 else "lzf"
            )


def put(group: Any, values: Mapping[str, Any]) -> None:
    """Into a group, in place of what is there."""
    for name, value in values.items():
        if name in group:
            del group[name]
        if isinstance(value, Mapping):
            put(group.create_group(name), value)
        else:
            group[name] = np.bytes_(value) if isinstance(value, str) else h5py.Empty("f") if value is None else value


def _telescope(main: MeasurementSet) -> dict[str, Any]:
    antennas = main.antennas
    longitude, latitude, height = PLACE
    return {
        "telescope_name": main.observation(0)["TELESCOPE_NAME"],
        "longitude": math.degrees(longitude),
        "latitude": math.degrees(latitude),
        "altitude": height,
        "antenna_names": np.array(antennas.names, "S"),
        "antenna_numbers": 3 + 2 * np.arange(len(antennas.names)),
        "antenna_positions": antennas.position - erfa.gd2gc(1, *PLACE),
        "antenna_diameters": antennas.diameter,
    }


def _centres(main: MeasurementSet, rows: Any, version: str) -> dict[str, Any]:
    """The phase centres of fields, as this version has them."""
    made: dict[int, dict[str, Any]] = {}
    for number in np.unique(rows.column("FIELD_ID")).tolist():
        field = main.field(number)
        (centre,) = field.polynomial
        made[number + 2] = {"cat_name": field.name, "cat_type": "sidereal", "cat_frame": "fk5", "cat_epoch": 2000.0}
        made[number + 2] |= {"cat_lon": centre[0], "cat_lat": centre[1]}
    if version == "0.1":
        (only,) = made.values()
        place = {"phase_center_ra": only["cat_lon"], "phase_center_dec": only["cat_lat"]}
        frame = {"phase_center_frame": "fk5", "phase_center_epoch": 2000.0}
        return {"phase_type": "phased", "object_name": only["cat_name"], **place, **frame}
    if version == "1.0":
        by_name = {each["cat_name"]: json.dumps({**each, "cat_id": number}) for number, each in made.items()}
        return {"phase_center_catalog": by_name}
    return {"phase_center_catalog": {str(number): {**each, "cat_pm_ra": None} for number, each in made.items()}}


def _where(main: MeasurementSet, window: int) -> NDArray[np.int64]:
    return np.flatnonzero(main.rows(range(len(main))).column("DATA_DESC_ID") == window)


def _on_file(window: Any, ascending: NDArray[np.float64]) -> NDArray[np.float64]:
    made = np.empty_like(ascending)
    made[np.arange(ascending.size)[window.order]] = ascending
    return made


def _all(of_window: Any, name: str) -> NDArray[Any]:
    return np.concatenate([rows.column(name) for rows in of_window], axis=1)
