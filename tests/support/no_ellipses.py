"""Baselines whose point spread function has no end in some direction, or that have no weight."""

import numpy as np
from numpy.typing import NDArray

NO_ELLIPSES: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {
    "no weight": (np.array([[100.0, 50.0], [-30.0, 80.0]]), np.zeros(2)),
    "one baseline": (np.array([[100.0, 50.0]]), np.ones(1)),
    "linear array": (np.outer(np.arange(1, 6), [1000.0, 300.0]), np.ones(5)),
    "no length": (np.zeros((3, 2)), np.ones(3)),
    "two baselines of unlike weight": (np.array([[100.0, 50.0], [-30.0, 80.0]]), np.array([1.0, 0.3])),
}
"""u and v [baseline, 2] m and weights [baseline], by what is wrong with them."""
