"""Tables of gains as CASA's tasks write them, made by casacore: the columns, keywords and subtables that matter."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import default_ms_subtable, makearrcoldesc, makescacoldesc, maketabdesc, table
from numpy.typing import NDArray

SCALARS = ("FIELD_ID", "SPECTRAL_WINDOW_ID", "ANTENNA1", "ANTENNA2", "SCAN_NUMBER", "OBSERVATION_ID")
NEWEST = "6.7.0-31"


def write_gains(
    path: Path,
    kind: str,
    antennas: Sequence[str],
    time: NDArray[np.float64],  # [row] s UTC
    antenna: NDArray[Any],  # [row]
    values: NDArray[Any],  # [row, channel, receptor]
    frequencies: Sequence[NDArray[np.floating]],  # of each spectral window [channel] Hz
    flag: NDArray[np.bool_] | None = None,  # as values
    window: NDArray[Any] | int = 0,  # [row] or one for all
    field: NDArray[Any] | int = 0,
    version: str | None = NEWEST,
    position: NDArray[np.float64] | None = None,  # [antenna, 3] m
    reference: Sequence[float] = (),  # Hz, REF_FREQUENCY of each window; its first channel otherwise
    fields: Sequence[tuple[str, float, float]] = (("field", 0.0, 0.5),),  # name, right ascension, declination
    keywords: dict[str, Any] | None = None,
) -> Path:
    """A table of gains of `kind`, as "G Jones"."""
    column = "FPARAM" if np.isrealobj(values) else "CPARAM"
    flag = np.zeros(values.shape, bool) if flag is None else flag
    main = table(str(path), maketabdesc(_columns(column, values)), nrow=len(time), ack=False)
    main.putcol("TIME", time)
    main.putcolkeywords("TIME", {"QuantumUnits": ["s"], "MEASINFO": {"type": "epoch", "Ref": "UTC"}})
    main.putcolkeywords("INTERVAL", {"QuantumUnits": ["s"]})
    given = {"ANTENNA1": antenna, "SPECTRAL_WINDOW_ID": window, "FIELD_ID": field, "ANTENNA2": -1, "SCAN_NUMBER": 1}
    for name in SCALARS:
        main.putcol(name, np.broadcast_to(np.asarray(given.get(name, 0), np.int32), len(time)).copy())
    main.putcol("INTERVAL", np.zeros(len(time)))
    main.putcol(column, values)
    main.putcol("FLAG", flag)
    for name in ("PARAMERR", "SNR", "WEIGHT"):
        main.putcol(name, np.ones(values.shape, np.float32))
    said = {"ParType": "Complex" if column == "CPARAM" else "Float", "MSName": "some.ms", "VisCal": kind}
    said |= {"PolBasis": "unknown"} | ({"CASA_Version": version} if version else {}) | (keywords or {})
    for key, value in said.items():
        main.putkeyword(key, value)
    main.putinfo({"type": "Calibration", "subType": kind, "readme": ""})
    for name, rows in {
        "ANTENNA": _antennas(antennas, position),
        "SPECTRAL_WINDOW": _windows(frequencies, reference),
        "FIELD": _fields(fields),
        "OBSERVATION": [{"TELESCOPE_NAME": "MeerKAT", "TIME_RANGE": np.array([time.min(), time.max()])}],
    }.items():
        _subtable(path, name, rows)
        main.putkeyword(name, f"Table: {path}/{name}")
    main.close()
    return path


def _columns(column: str, values: NDArray[Any]) -> list[Any]:
    kinds = {"TIME": 0.0, "INTERVAL": 0.0} | dict.fromkeys(SCALARS, 0)
    arrays = {column: complex(0) if column == "CPARAM" else 0.0, "FLAG": False, "PARAMERR": 0.0, "SNR": 0.0}
    types = {column: "complex" if column == "CPARAM" else "float", "FLAG": "boolean"}
    return [makescacoldesc(name, kind) for name, kind in kinds.items()] + [
        makearrcoldesc(name, kind, ndim=2, valuetype=types.get(name, "float"))
        for name, kind in (arrays | {"WEIGHT": 0.0}).items()
    ]


def _antennas(names: Sequence[str], position: NDArray[np.float64] | None) -> list[dict[str, Any]]:
    places = np.zeros((len(names), 3)) if position is None else position
    return [
        {"NAME": name, "STATION": name, "POSITION": place, "OFFSET": np.zeros(3), "DISH_DIAMETER": 13.5, "MOUNT": ""}
        for name, place in zip(names, places, strict=True)
    ]


def _windows(frequencies: Sequence[NDArray[np.floating]], reference: Sequence[float]) -> list[dict[str, Any]]:
    rows = []
    for number, each in enumerate(frequencies):
        width = np.full(len(each), float(np.diff(each)[0]) if len(each) > 1 else 1e6)
        first = reference[number] if reference else float(each[0])
        rows.append(
            {"CHAN_FREQ": each, "CHAN_WIDTH": width, "EFFECTIVE_BW": width, "RESOLUTION": width, "NUM_CHAN": len(each)}
            | {"REF_FREQUENCY": first, "MEAS_FREQ_REF": 5, "TOTAL_BANDWIDTH": float(width.sum())}
        )
    return rows


def _fields(fields: Sequence[tuple[str, float, float]]) -> list[dict[str, Any]]:
    places = ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR")
    return [{"NAME": name} | dict.fromkeys(places, np.array([[ra, dec]])) for name, ra, dec in fields]


def _subtable(path: Path, name: str, rows: list[dict[str, Any]]) -> None:
    sub = default_ms_subtable(name, str(path / name))
    sub.addrows(len(rows))
    for number, row in enumerate(rows):
        for key, value in row.items():
            sub.putcell(key, number, value)
    sub.close()
