"""Stokes samples from the tables, their imaging weights from the definitions, and their exact sums, without FIP."""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np
from casacore.tables import table
from numpy.typing import NDArray

Array = NDArray[np.float64]
SPEED_OF_LIGHT = 299792458.0  # m/s
ARCSEC = math.pi / 648000  # rad


class TableSamples:
    """Every cross-correlation of one integration, channel by channel, from a set of four linear correlations."""

    def __init__(self, path: Path, integration: int) -> None:
        with table(str(path), ack=False) as main:
            times = np.unique(main.getcol("TIME"))
            here = main.getcol("TIME") == times[integration]
            data, flag, weight = (main.getcol(name)[here] for name in ("DATA", "FLAG", "WEIGHT"))
            flag = flag | main.getcol("FLAG_ROW")[here][:, None, None]
            weight, uvw = weight.astype(np.float64), main.getcol("UVW")[here]
        with table(f"{path}/SPECTRAL_WINDOW", ack=False) as window:
            frequency = window.getcell("CHAN_FREQ", 0)
        xx, xy, yx, yy = np.moveaxis(data.astype(np.complex128), -1, 0)
        pairs = {"I": (0, 3), "Q": (0, 3), "U": (1, 2), "V": (1, 2)}
        stokes = {"I": (xx + yy) / 2, "Q": (xx - yy) / 2, "U": (xy + yx) / 2, "V": (xy - yx) / 2j}
        self.visibility = np.stack([stokes[plane].ravel() for plane in "IQUV"])  # [stokes, sample]
        weights = []
        for p, q in (pairs[plane] for plane in "IQUV"):
            variance = (1 / weight[:, p] + 1 / weight[:, q]) / 4  # of (p + q)/2
            weights.append(((~flag[..., p] & ~flag[..., q]) / variance[:, None]).ravel())
        self.weight = np.stack(weights)  # [stokes, sample]
        self.frequency = np.tile(frequency, len(uvw))
        self.uvw = (uvw[:, None, :] * frequency[:, None] / SPEED_OF_LIGHT).reshape(-1, 3)  # wavelengths


def imaging_weights(
    samples: TableSamples,
    size: tuple[int, int],
    scale: float,
    weight: str = "natural",
    robust: float = 0.0,
    taper: float | None = None,
) -> Array:
    """The weights [stokes, sample] that fip.imaging.weighting promises, cell by cell in a dictionary."""
    u, v, _ = samples.uvw.T
    columns, rows = (4 * math.ceil(1.2 * pixels / 4) for pixels in size)
    fold = np.where(v < 0, -1, 1)
    cells = list(zip(np.floor(fold * u * columns * scale), np.floor(fold * v * rows * scale), strict=True))
    made = []
    for found in samples.weight:
        sums: dict[tuple[float, float], float] = defaultdict(float)
        for cell, each in zip(cells, found, strict=True):
            sums[cell] += each
        density = np.array([sums[cell] for cell in cells])
        if weight == "uniform":
            found = found / np.where(density > 0, density, 1)
        elif weight == "briggs":
            mean = sum(total**2 for total in sums.values()) / sum(found)
            found = found / (1 + density * (5 * 10**-robust) ** 2 / mean)
        made.append(found)
    weights = np.stack(made)
    if taper is not None:
        weights = weights * np.exp(-((math.pi * taper) ** 2) * (u**2 + v**2) / (4 * math.log(2)))
    return weights


class Sky:
    """All pixels of a grid, and the fringes of all samples there."""

    def __init__(self, samples: TableSamples, size: tuple[int, int], scale: float) -> None:
        width, height = self.size = size
        east, north = np.meshgrid(-(np.arange(width) - width // 2) * scale, (np.arange(height) - height // 2) * scale)
        directions = np.stack([east, north, np.sqrt(1 - east**2 - north**2) - 1]).reshape(3, -1)
        self._fringes = np.exp(-2j * np.pi * (samples.uvw @ directions))

    def image(self, visibility: NDArray[np.complex128], weight: Array) -> Array:
        """The dirty image [stokes, y, x] of visibility and weight [stokes, sample]."""
        total = ((visibility * weight) @ self._fringes).real
        image: Array = (total / weight.sum(axis=1, keepdims=True)).reshape(-1, *self.size[::-1])
        return image


def relative_error(image: NDArray[np.floating], exact: Array) -> float:
    """Return L2(image - exact) / L2(exact)."""
    return float(np.linalg.norm(image - exact) / np.linalg.norm(exact))
