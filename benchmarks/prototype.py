"""The wire of FIP's ancestor, a prototype on Kafka and Flink: everything promoted to double, pickled, in base64."""

import base64
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table
from numpy.typing import NDArray


def prototype_slice(path: Path) -> dict[str, NDArray[Any]]:
    """The first integration of a MeasurementSet as the prototype holds it: all correlations, and the model."""
    main = table(str(path), ack=False)
    time = main.getcol("TIME")
    rows = int(np.count_nonzero(time == time[0]))
    visibility = main.getcol("DATA", 0, rows)
    return {
        "visibilities": visibility.astype(np.complex128),
        "model": main.getcol("MODEL_DATA", 0, rows).astype(np.complex128),
        "weights": np.ones(visibility.shape),
        "flags": main.getcol("FLAG", 0, rows),
        "uvw": main.getcol("UVW", 0, rows),
        "frequencies": table(f"{path}::SPECTRAL_WINDOW", ack=False).getcol("CHAN_FREQ")[0],
    }


def encode(values: dict[str, NDArray[Any]]) -> str:
    """Return arrays as text, which is what the prototype hands to Kafka."""
    return base64.b64encode(pickle.dumps(values, protocol=4)).decode("ascii")


def decode(text: str) -> dict[str, NDArray[Any]]:
    """Return the arrays that were encoded."""
    values: dict[str, NDArray[Any]] = pickle.loads(base64.b64decode(text))
    return values
