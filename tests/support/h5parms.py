"""Files of solutions as DP3 and losoto write them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Axes = Mapping[str, NDArray[Any] | Sequence[str]]


def write_h5parm(
    path: Path,
    tables: Mapping[str, tuple[NDArray[np.float64], Axes]],
    weights: Mapping[str, NDArray[np.float64]] | None = None,
    position: NDArray[np.float64] | None = None,
    solution_set: str = "sol000",
) -> Path:
    """Each table, as "phase000", has values on axes, as {"time": [...], "freq": [...], "ant": [...], "pol": [...]}."""
    with h5py.File(path, "w") as file:
        solutions = file.create_group(solution_set)
        solutions.attrs["h5parm_version"] = np.bytes_("1.0")
        names = next(iter(tables.values()))[1]["ant"]
        places = np.zeros((len(names), 3)) if position is None else position
        antenna = np.zeros(len(names), [("name", "S16"), ("position", np.float32, 3)])
        antenna["name"], antenna["position"] = [name.encode() for name in names], places
        solutions["antenna"] = antenna
        solutions["source"] = np.array([(b"[pointing]", [0.0, 0.5])], [("name", "S128"), ("dir", np.float32, 2)])
        for name, (values, axes) in tables.items():
            table = solutions.create_group(name)
            table.attrs["TITLE"] = np.bytes_(name.rstrip("0123456789"))
            for axis, along in axes.items():
                table[axis] = np.array(along, "S16") if isinstance(along[0], str) else np.asarray(along)
            table["val"] = values
            table["weight"] = (weights or {}).get(name, np.ones(values.shape))
            for dataset in ("val", "weight"):
                table[dataset].attrs["AXES"] = np.bytes_(",".join(axes))
    return path
