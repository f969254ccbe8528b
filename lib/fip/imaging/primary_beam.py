"""The primary beam: the share of the flux of a source that an array sees, by its place and the frequency.

It is a power beam about the phase centre, 1 there, the same for all antennas and Stokes. There are three: the Airy
pattern of an evenly lit dish, (2 J1(x) / x)^2 with x = pi D sin(theta) / lambda (Born & Wolf 1999, 8.5.2); a Gaussian,
whose width goes with lambda; and a FITS image, interpolated.
"""

import hashlib
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.special import j1

from fip.data.errors import UsageError
from fip.data.primary_beam import AIRY, GAUSSIAN, file_of
from fip.data.quantities import SPEED_OF_LIGHT, parse_angle
from fip.data.values import Band

Floats = NDArray[np.float64]
Beam = Callable[[Floats, Floats, float], Floats]
"""The power beam, 0 to about 1, at direction cosines l (east) and m (north) of any shape, and a frequency in Hz."""

SAMPLES = 8  # frequencies over a band, whose beams are averaged
LARGEST_FILE = 1 << 30  # bytes


def beam_of(written: str, diameter: float | None, reference: float) -> Beam:
    """Return the beam that is asked for, of dishes of `diameter` m; a Gaussian has its width at `reference` Hz.

    UsageError for an Airy pattern of dishes without a diameter, or a file that cannot be used or has changed.
    """
    if written == AIRY:
        if diameter is None:
            raise UsageError(
                "--primary-beam airy: the MeasurementSet has no dish diameter: give gaussian:FWHM or a FITS file"
            )
        return lambda east, north, frequency: _airy(
            np.hypot(east, north) * math.pi * diameter * frequency / SPEED_OF_LIGHT
        )
    if file := file_of(written):
        return _of_file(*file)
    width = parse_angle(written.removeprefix(GAUSSIAN))
    return lambda east, north, frequency: _gaussian(np.hypot(east, north), width * reference / frequency)


def over_band(beam: Beam, east: Floats, north: Floats, band: Band) -> Floats:
    """Return the mean of a beam over a band."""
    steps = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
    found: Floats = np.mean([beam(east, north, band.centre + band.width * step) for step in steps.tolist()], axis=0)
    return found


def file_digest(path: Path) -> str:
    """Return 16 hexadecimal digits of a file's content. UsageError if it cannot be read."""
    return _read(path)[1]


def _airy(x: Floats) -> Floats:
    safe = np.where(x == 0, 1.0, x)
    beam: Floats = np.where(x == 0, 1.0, (2 * j1(safe) / safe) ** 2)
    return beam


def _gaussian(sine: Floats, width: float) -> Floats:
    beam: Floats = np.exp(-4 * math.log(2) * (np.arcsin(np.minimum(sine, 1)) / width) ** 2)
    return beam


def _read(path: Path) -> tuple[bytes, str]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"--primary-beam {path}: is larger than {LARGEST_FILE >> 20} MB")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--primary-beam {path}: cannot be read: {error.strerror}") from None
    return content, hashlib.sha256(content).hexdigest()[:16]


@lru_cache(maxsize=4)
def _of_file(name: str, digest: str) -> Beam:
    """Read a beam: an image [y, x] for all frequencies, or a cube [frequency, y, x], about its reference pixel."""
    from io import BytesIO

    from astropy.io import fits

    path = Path(name)
    content, found = _read(path)
    if digest and found != digest:
        raise UsageError(f"--primary-beam {name}: its content is not what it was when the run began")
    try:
        with fits.open(BytesIO(content)) as file:
            cube, header = np.asarray(file[0].data, np.float64), file[0].header
            cube = cube.reshape(-1, *cube.shape[-2:])
            axis = next((number for number in (3, 4) if str(header.get(f"CTYPE{number}", "")).startswith("FREQ")), None)
            steps = [math.radians(float(header[f"CDELT{number}"])) for number in (1, 2)]
            centre = [float(header[f"CRPIX{number}"]) - 1 for number in (1, 2)]
            frequencies = _frequencies(header, axis, len(cube))
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise UsageError(
            f"--primary-beam {name}: is no FITS image of a beam, [y, x] or [frequency, y, x] with CDELT in deg: {error}"
        ) from None
    planes = np.arange(len(cube))

    def beam(east: Floats, north: Floats, frequency: float) -> Floats:
        plane = float(np.interp(frequency, frequencies, planes)) if len(cube) > 1 else 0.0
        return _interpolated(cube, east / steps[0] + centre[0], north / steps[1] + centre[1], plane)

    return beam


def _frequencies(header: Any, axis: int | None, planes: int) -> Floats:
    """Return the frequency of each plane, ascending. ValueError if there are several planes, and no axis says it."""
    if planes == 1:
        return np.zeros(1)
    if axis is None or header[f"NAXIS{axis}"] != planes or float(header[f"CDELT{axis}"]) <= 0:
        raise ValueError(f"{planes} planes, and no ascending axis FREQ of that length")
    number = np.arange(planes) + 1 - float(header[f"CRPIX{axis}"])
    return np.asarray(float(header[f"CRVAL{axis}"]) + number * float(header[f"CDELT{axis}"]), np.float64)


def _interpolated(cube: Floats, x: Floats, y: Floats, plane: float) -> Floats:
    """Interpolate linearly between pixels and planes; 0 outside."""
    below = min(int(plane), len(cube) - 1)
    above = min(below + 1, len(cube) - 1)
    one, other = (map_coordinates(cube[at], [y, x], order=1, cval=0.0) for at in (below, above))
    found: Floats = one + (plane - below) * (other - one)
    return found
