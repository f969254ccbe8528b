"""Writes a simulated MeasurementSet (MS v2) integration by integration, with all its subtables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables
from numpy.typing import NDArray

from fip.simulation import layouts
from fip.simulation.observed import Observed, Samples
from fip.simulation.plan import Simulation

LINEAR = (9, 10, 11, 12)  # XX, XY, YX, YY as in casacore's Stokes
TOPOCENTRIC = 5  # casacore's MFrequency::TOPO
TILE_BYTES = 2**20


class SimulatedMs:
    """A new MeasurementSet, open for writing; integrations follow one another and are contiguous on disk."""

    def __init__(self, path: Path, observed: Observed) -> None:
        simulation = self._simulation = observed.simulation
        self._observed = observed
        self._first_row = 0
        description, managers = _large_columns(simulation)
        self._table = tables.default_ms(str(path), description, managers)
        for name, columns in _subtables(simulation, observed.array.position).items():
            _fill(f"{path}/{name}", columns)

    def close(self) -> None:
        """Release the files of the set."""
        self._table.close()

    def begin_integration(self, time: float, uvw: NDArray[np.float64]) -> None:
        """Append the rows of an integration around `time` (s UTC since MJD 0), without visibilities yet."""
        rows = len(uvw)
        self._first_row = self._table.nrows()
        self._table.addrows(rows)
        cadence, weight = self._simulation.cadence, self._observed.weight
        columns = {
            "UVW": uvw,
            "ANTENNA1": self._observed.array.first.astype(np.int32),
            "ANTENNA2": self._observed.array.second.astype(np.int32),
            "FLAG_ROW": self._observed.flagged,
            "WEIGHT": np.full((rows, 4), weight, np.float32),
            "SIGMA": np.full((rows, 4), self._simulation.noise or 1.0, np.float32),
            "TIME": np.full(rows, time),
            "TIME_CENTROID": np.full(rows, time),
            "INTERVAL": np.full(rows, cadence),
            "EXPOSURE": np.full(rows, cadence),
            "SCAN_NUMBER": np.full(rows, 1, np.int32),
        }
        for name, values in columns.items():
            self._table.putcol(name, values, self._first_row, rows)

    def write(self, samples: Samples) -> None:
        """Write visibilities and flags of some rows of the integration begun last."""
        rows, data, model, flags = samples
        first, count = self._first_row + rows.start, rows.stop - rows.start
        self._table.putcol("DATA", data, first, count)
        self._table.putcol("MODEL_DATA", model, first, count)
        self._table.putcol("FLAG", flags, first, count)
        if self._simulation.weight_spectrum:
            weight = np.full(data.shape, self._observed.weight, np.float32)
            self._table.putcol("WEIGHT_SPECTRUM", weight, first, count)

    def flush(self) -> None:
        """Let others see what is written."""
        self._table.flush()


def _large_columns(simulation: Simulation) -> tuple[Any, dict[str, Any]]:
    """Column descriptions and data managers of what has a value for each channel, in tiles of whole rows."""
    kinds: dict[str, tuple[Any, str]] = {
        "DATA": (0j, "complex"),
        "MODEL_DATA": (0j, "complex"),
        "FLAG": (False, "boolean"),
    }
    if simulation.weight_spectrum:
        kinds["WEIGHT_SPECTRUM"] = (0.0, "float")
    tile_rows = max(1, TILE_BYTES // (simulation.channels * 4 * 8))
    columns = [
        tables.makearrcoldesc(
            name,
            value,
            valuetype=kind,
            shape=[simulation.channels, 4],
            datamanagertype="TiledColumnStMan",
            datamanagergroup=f"Tiled{name}",
            comment="simulated",
        )
        for name, (value, kind) in kinds.items()
    ]
    description = tables.maketabdesc(columns)
    tiles = {f"Tiled{name}": {"DEFAULTTILESHAPE": [4, simulation.channels, tile_rows]} for name in kinds}
    return description, tables.makedminfo(description, tiles)


def _fill(path: str, rows: Mapping[str, Any]) -> None:
    """Fill a subtable with columns, each of a value a row."""
    with tables.table(path, readonly=False, ack=False) as subtable:
        subtable.addrows(len(next(iter(rows.values()))))
        for column, values in rows.items():
            text = isinstance(values, dict) or isinstance(values[0], str)
            subtable.putcol(column, values if text else np.asarray(values))


def _subtables(simulation: Simulation, position: NDArray[np.float64]) -> dict[str, dict[str, Any]]:
    """Name of each subtable, and its columns but those of zeros; FLAG_CMD and POINTING stay empty."""
    begin, end = simulation.time(-0.5), simulation.time(simulation.integrations - 0.5)
    middle, duration = (begin + end) / 2, end - begin
    direction = [[[simulation.right_ascension, simulation.declination]]]
    program = "fip simulate"
    return {
        "ANTENNA": _antennas(position),
        "FEED": _feeds(simulation.antennas, middle, duration),
        "SPECTRAL_WINDOW": _spectral_window(simulation),
        "POLARIZATION": {
            "NUM_CORR": [4],
            "CORR_TYPE": [LINEAR],
            "CORR_PRODUCT": [[[0, 0], [0, 1], [1, 0], [1, 1]]],
        },
        "DATA_DESCRIPTION": {"SPECTRAL_WINDOW_ID": [0], "POLARIZATION_ID": [0]},
        "FIELD": {
            "NAME": ["SIMULATED"],
            "CODE": ["T"],
            "TIME": [begin],
            "DELAY_DIR": direction,
            "PHASE_DIR": direction,
            "REFERENCE_DIR": direction,
            "SOURCE_ID": [-1],
        },
        "OBSERVATION": {
            "TELESCOPE_NAME": ["MeerKAT"],
            "TIME_RANGE": [[begin, end]],
            "OBSERVER": [program],
            "PROJECT": ["simulated"],
            "SCHEDULE_TYPE": ["none"],
            "RELEASE_DATE": [end],
        },
        "STATE": {"SIG": [True], "OBS_MODE": ["OBSERVE_TARGET#ON_SOURCE"]},
        "PROCESSOR": {
            "TYPE": ["CORRELATOR"],
            "SUB_TYPE": ["simulated"],
            "TYPE_ID": [-1],
            "MODE_ID": [-1],
        },
        "HISTORY": {
            "TIME": [begin],
            "MESSAGE": [repr(simulation)],
            "PRIORITY": ["INFO"],
            "ORIGIN": [program],
            "OBJECT_ID": [-1],
            "APPLICATION": [program],
        },
    }


def _antennas(position: NDArray[np.float64]) -> dict[str, Any]:
    count = len(position)
    return {
        "NAME": [f"m{number:03d}" for number in range(count)],
        "STATION": [f"m{number:03d}" for number in range(count)],
        "TYPE": ["GROUND-BASED"] * count,
        "MOUNT": ["ALT-AZ"] * count,
        "POSITION": position,
        "DISH_DIAMETER": np.full(count, layouts.DISH_DIAMETER),
    }


def _feeds(antennas: int, middle: float, duration: float) -> dict[str, Any]:
    whole = np.zeros(antennas, np.int32)
    return {
        "ANTENNA_ID": np.arange(antennas, dtype=np.int32),
        "SPECTRAL_WINDOW_ID": whole - 1,
        "TIME": np.full(antennas, middle),
        "INTERVAL": np.full(antennas, duration),
        "NUM_RECEPTORS": whole + 2,
        "BEAM_ID": whole - 1,
        "BEAM_OFFSET": np.zeros((antennas, 2, 2)),
        "POLARIZATION_TYPE": {"shape": [antennas, 2], "array": ["X", "Y"] * antennas},
        "POL_RESPONSE": np.broadcast_to(np.eye(2, dtype=np.complex64), (antennas, 2, 2)),
        "RECEPTOR_ANGLE": np.zeros((antennas, 2)),
    }


def _spectral_window(simulation: Simulation) -> dict[str, Any]:
    frequency = simulation.channel_frequencies
    width = np.full(len(frequency), simulation.bandwidth / simulation.channels)
    return {
        "NAME": ["L"],
        "NUM_CHAN": [simulation.channels],
        "CHAN_FREQ": [frequency],
        "CHAN_WIDTH": [width],
        "EFFECTIVE_BW": [width],
        "RESOLUTION": [width],
        "REF_FREQUENCY": [frequency[0]],
        "TOTAL_BANDWIDTH": [simulation.bandwidth],
        "MEAS_FREQ_REF": [TOPOCENTRIC],
        "NET_SIDEBAND": [1],
        "FREQ_GROUP_NAME": ["L"],
    }
