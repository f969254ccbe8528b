"""Gains as CASA writes them: calibration tables of the kinds B Jones and G Jones."""

from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables
from numpy.typing import NDArray

from fip.simulation.gains import Gains
from fip.simulation.plan import Simulation

_SUBTABLES = ("OBSERVATION", "ANTENNA", "FIELD", "SPECTRAL_WINDOW", "HISTORY")
_SCALARS = ("FIELD_ID", "SPECTRAL_WINDOW_ID", "ANTENNA1", "ANTENNA2", "SCAN_NUMBER", "OBSERVATION_ID")
_TIME = {"QuantumUnits": ["s"], "MEASINFO": {"type": "epoch", "Ref": "UTC"}}


def write_gains(bandpass: Path, drift: Path, simulation: Simulation, gains: Gains, written: Path, name: Path) -> None:
    """The table of the bandpasses, one solution for all times, and that of the drifts, one for each integration.

    Their subtables are copied from the set at `written`, which will be called `name`.
    """
    middle = simulation.time((simulation.integrations - 1) / 2)
    whole = simulation.integrations * simulation.cadence
    times = np.array([simulation.time(each) for each in range(simulation.integrations)])
    _write(bandpass, "B Jones", np.array([middle]), whole, gains.bandpass[None], written, name)
    _write(drift, "G Jones", times, simulation.cadence, gains.drift[:, :, None], written, name)
    with tables.table(f"{drift}/SPECTRAL_WINDOW", readonly=False, ack=False) as window:
        _as_one_channel(window, simulation)


def _write(
    path: Path,
    kind: str,
    times: NDArray[np.float64],
    interval: float,
    solution: NDArray[np.complex128],
    written: Path,
    name: Path,
) -> None:
    """A table of solutions [time, antenna, channel, feed]."""
    count, antennas, *cell = solution.shape
    rows = count * antennas
    columns: dict[str, Any] = {each: np.zeros(rows, np.int32) for each in _SCALARS}
    columns |= {
        "TIME": np.repeat(times, antennas),
        "INTERVAL": np.full(rows, interval),
        "ANTENNA1": np.tile(np.arange(antennas, dtype=np.int32), count),
        "ANTENNA2": np.full(rows, -1, np.int32),
        "SCAN_NUMBER": np.ones(rows, np.int32),
        "CPARAM": solution.reshape(rows, *cell).astype(np.complex64),
        "PARAMERR": np.zeros((rows, *cell), np.float32),
        "FLAG": np.zeros((rows, *cell), np.bool_),
        "SNR": np.full((rows, *cell), 1e3, np.float32),
        "WEIGHT": np.ones((rows, *cell), np.float32),
    }
    with tables.table(str(path), _description(columns), nrow=rows, ack=False) as table:
        for column, values in columns.items():
            table.putcol(column, values)
        table.putcolkeywords("TIME", _TIME)
        table.putcolkeywords("INTERVAL", {"QuantumUnits": ["s"]})
        table.putkeywords({"ParType": "Complex", "MSName": name.name, "VisCal": kind, "PolBasis": "unknown"})
        table.putinfo({"type": "Calibration", "subType": kind, "readme": ""})
        for each in _SUBTABLES:
            with tables.table(f"{written}/{each}", ack=False) as one:
                one.copy(f"{path}/{each}", deep=True).close()
            table.putkeyword(each, f"Table: {path / each}")


def _description(columns: dict[str, Any]) -> Any:
    kinds = {"i": "int", "f": "double", "c": "complex", "b": "boolean"}
    made = []
    for name, values in columns.items():
        kind = "float" if values.dtype == np.float32 else kinds[values.dtype.kind]
        zero = values.dtype.type(0).item()
        if values.ndim == 1:
            made.append(tables.makescacoldesc(name, zero, valuetype=kind))
        else:
            made.append(tables.makearrcoldesc(name, zero, ndim=2, valuetype=kind))
    return tables.maketabdesc(made)


def _as_one_channel(window: Any, simulation: Simulation) -> None:
    """A solution that holds for the whole window belongs to one channel as wide as it."""
    window.putcell("NUM_CHAN", 0, 1)
    window.putcell("CHAN_FREQ", 0, np.array([simulation.frequency]))
    for name in ("CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"):
        window.putcell(name, 0, np.array([simulation.bandwidth]))
