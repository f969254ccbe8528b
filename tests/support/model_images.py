"""Model images as WSClean 3.1 writes them."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

SCALE = 20.0  # arcsec
WSCLEAN = {"plane": 1, "planes": 8}
"""The images that WSClean predicts, too, and how many planes each has; benchmarks/others/sky.py runs it."""


def drawn(name: str) -> NDArray[np.float32]:
    """[plane, y, x]: 40 bright pixels of one of these, each with a flux of its own in each plane."""
    random, planes = np.random.default_rng(5), WSCLEAN[name]
    found = np.zeros((planes, 200, 256), np.float32)
    found[:, random.integers(0, 200, 40), random.integers(0, 256, 40)] = random.normal(size=(planes, 40))
    return found


def model(path: Path, pixels: NDArray[np.floating], frequency: float = 1.3e9, **cards: Any) -> Path:
    """A model image [plane, y, x] about 10h20m -45d, with the header that WSClean writes; some cards changed.

    A card that is None is left out.
    """
    height, width = pixels.shape[1:]
    header = fits.Header()
    header.update(
        BUNIT="JY/PIXEL", EQUINOX=2000.0, BTYPE="Intensity", ORIGIN="WSClean",
        CTYPE1="RA---SIN", CRPIX1=float(width // 2 + 1), CRVAL1=155.0, CDELT1=-SCALE / 3600, CUNIT1="deg",
        CTYPE2="DEC--SIN", CRPIX2=float(height // 2 + 1), CRVAL2=-45.0, CDELT2=SCALE / 3600, CUNIT2="deg",
        CTYPE3="FREQ", CRPIX3=1.0, CRVAL3=frequency, CDELT3=50e6, CUNIT3="Hz",
        CTYPE4="STOKES", CRPIX4=1.0, CRVAL4=1.0, CDELT4=1.0, CUNIT4="",
    )  # fmt: skip
    for name, value in cards.items():
        if value is None:
            del header[name]
        else:
            header[name] = value
    fits.PrimaryHDU(pixels[None].astype(np.float32), header).writeto(path, overwrite=True)
    return path
