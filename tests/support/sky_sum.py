"""The exact visibilities of a sky model: the Fourier sum over its components, term by term in double precision."""

import math

import numpy as np
from numpy.typing import NDArray

from fip.corrections.sky.components import Components, SkyImage
from fip.data.rotations import icrs_axes

SPEED_OF_LIGHT = 299792458.0  # m/s
Floats = NDArray[np.float64]


def sky_sum(found: Components, uvw: Floats, frequency: Floats, axes: Floats) -> NDArray[np.complex128]:
    """[row, channel, plane]: sum S exp(2 pi i b.(p - s) f / c), for uvw [row, 3] m of axes e(s) [3, 3] in ICRS."""
    baseline = uvw @ axes
    summed = np.zeros((len(uvw), len(frequency), found.flux.shape[2]), np.complex128)
    for at in range(len(found)):
        path = baseline @ (found.towards[at] - axes[2]) / SPEED_OF_LIGHT
        phasor = np.exp(2j * np.pi * path[:, None] * frequency)
        summed += (phasor * _envelope(found, at, baseline, frequency))[:, :, None] * found.flux[at]
    return summed


def image_sum(image: SkyImage, uvw: Floats, frequency: Floats, axes: Floats) -> NDArray[np.complex128]:
    """[row, channel, 1] of the pixels of an image, which has a plane for each channel, or one for all."""
    rows, columns = np.nonzero(np.any(image.pixels != 0, axis=0))
    height, width = image.pixels.shape[1:]
    east, north = (width // 2 - columns) * image.scale, (rows - height // 2) * image.scale
    towards = np.stack([east, north, np.sqrt(1 - east**2 - north**2)], axis=-1) @ icrs_axes(image.centre)
    flux = np.broadcast_to(image.pixels[:, rows, columns].T, (len(rows), len(frequency)))
    nothing = np.zeros(len(rows))
    points = Components(("",) * len(rows), towards, flux[:, :, None].astype(float), nothing, nothing, nothing)
    return sky_sum(points, uvw, frequency, axes)


def _envelope(found: Components, at: int, baseline: Floats, frequency: Floats) -> Floats:
    """What a Gaussian leaves of a point's amplitude, [row, channel]."""
    if found.major[at] == 0:
        return np.ones((len(baseline), len(frequency)))
    x, y, z = found.towards[at]
    level = math.hypot(x, y)
    east, north = np.array([-y, x, 0]) / level, np.array([-z * x / level, -z * y / level, level])
    sin, cos = math.sin(found.angle[at]), math.cos(found.angle[at])
    along, across = baseline @ (sin * east + cos * north), baseline @ (cos * east - sin * north)
    wide = (found.major[at] * along) ** 2 + (found.minor[at] * across) ** 2
    return np.asarray(np.exp(-((math.pi / SPEED_OF_LIGHT) ** 2) / (4 * math.log(2)) * wide[:, None] * frequency**2))
