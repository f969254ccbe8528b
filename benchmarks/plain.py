"""What an astronomer would write instead of FIP: python-casacore, ducc0, astropy, and one loop over the integrations.

It is FIP's yardstick, so it wastes nothing: one pass over the rows, single precision, one thread, the two hands that
Stokes I needs. It fits no beam, takes no statistics, and promises nothing of a file when it is interrupted.

    python -m benchmarks.plain MS DIRECTORY SIZE ARCSEC EPSILON

prints the CPU seconds of its stages as JSON.
"""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time
from casacore.tables import table
from ducc0.wgridder.experimental import vis2dirty
from numpy.typing import NDArray


def image_all(path: Path, directory: Path, size: int, arcsec: float, epsilon: float) -> dict[str, float]:
    """Write a FITS image of each integration; returns the CPU seconds spent in each stage."""
    spent = {"read": 0.0, "image": 0.0, "fits": 0.0}
    main = table(str(path), ack=False)
    frequency = table(f"{path}::SPECTRAL_WINDOW", ack=False).getcol("CHAN_FREQ")[0]
    direction = np.degrees(table(f"{path}::FIELD", ack=False).getcol("PHASE_DIR")[0, 0])
    for number, (first, rows) in enumerate(integrations(main.getcol("TIME"))):
        start = process_time()
        uvw, visibility, weight = stokes_i(main, first, rows)
        read = process_time()
        dirty = vis2dirty(
            uvw=uvw, freq=frequency, vis=visibility, wgt=weight,
            npix_x=size, npix_y=size, pixsize_x=np.radians(arcsec / 3600), pixsize_y=np.radians(arcsec / 3600),
            epsilon=epsilon, do_wgridding=True, divide_by_n=False, flip_v=True, nthreads=1,
        )  # fmt: skip
        dirty /= weight.sum(dtype=np.float64)
        imaged = process_time()
        header = plain_header(size, arcsec, direction, frequency, main.getcell("TIME", first))
        fits.writeto(directory / f"{path.stem}-{number:06d}.fits", dirty.T[None, None], header)
        spent["read"] += read - start
        spent["image"] += imaged - read
        spent["fits"] += process_time() - imaged
    return spent


def integrations(time: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each integration, in a MeasurementSet in order of time."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(time)) + 1, [len(time)]])
    yield from ((int(first), int(end - first)) for first, end in pairwise(starts))


def stokes_i(main: Any, first: int, rows: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """UVW, Stokes I and its weight for some rows: cross-correlations, flagged samples with weight 0."""
    cross = main.getcol("ANTENNA1", first, rows) != main.getcol("ANTENNA2", first, rows)
    data = main.getcol("DATA", first, rows)
    flag = main.getcol("FLAG", first, rows)
    weights = main.getcol("WEIGHT", first, rows)
    good = ~(flag[..., 0] | flag[..., -1]) & (cross & ~main.getcol("FLAG_ROW", first, rows))[:, None]
    visibility = (data[..., 0] + data[..., -1]) / 2
    inverse_variance = 4 * weights[:, 0] * weights[:, -1] / (weights[:, 0] + weights[:, -1])
    return main.getcol("UVW", first, rows), visibility, good * inverse_variance[:, None]


def plain_header(
    size: int, arcsec: float, direction: NDArray[np.float64], frequency: NDArray[np.float64], seconds: float
) -> fits.Header:
    """Just enough to put the image on the sky and in time."""
    step = arcsec / 3600
    axes: list[tuple[str, float, float, float, str]] = [
        ("RA---SIN", direction[0] % 360, -step, size // 2 + 1, "deg"),
        ("DEC--SIN", direction[1], step, size // 2 + 1, "deg"),
        ("FREQ", frequency.mean(), frequency[-1] - frequency[0], 1, "Hz"),
        ("STOKES", 1, 1, 1, ""),
    ]
    header = fits.Header()
    for axis, card in enumerate(axes, 1):
        for key, value in zip(("CTYPE", "CRVAL", "CDELT", "CRPIX", "CUNIT"), card, strict=True):
            header[f"{key}{axis}"] = value
    header["RADESYS"], header["BUNIT"] = "FK5", "Jy/beam"
    header["DATE-OBS"] = Time(seconds / 86400, format="mjd", scale="utc").isot
    return header


if __name__ == "__main__":
    path, directory, size, arcsec, epsilon = sys.argv[1:]
    print(json.dumps(image_all(Path(path), Path(directory), int(size), float(arcsec), float(epsilon))))
