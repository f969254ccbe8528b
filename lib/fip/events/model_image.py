"""The restored image of a sky model: what was subtracted, as the images would show it. For `fip.search.variables`."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from fip.corrections.observed import Expected, ExpectedWindow
from fip.corrections.sky.components import Components, SkyImage
from fip.corrections.sky.frames import tangents
from fip.corrections.sky.images import plane_at
from fip.corrections.sky.opening import Sky, open_sky
from fip.data.directions import Direction
from fip.data.rotations import icrs_axes
from fip.data.values import Band, Beam, Grid

Array = NDArray[np.float64]

_VARIANCE = 1 / (8 * math.log(2))  # of a Gaussian whose full width at half maximum is 1
_REACH = 5.0  # standard deviations to which a Gaussian is drawn: 4e-6 of its peak


def open_model(
    asked: Sequence[str],
    path: Path,
    grid: Grid,
    band: Band,
    times: tuple[float, float],
    primary_beam: str | None = None,
    diameter: float | None = None,
) -> Sky:
    """The sky model of `--sky-model`, for images of a grid and a band, the first and the last at `times` (s UTC).

    `primary_beam` is that of the run, of dishes of `diameter` m; None: the fluxes of the model are apparent. `path`, of
    the images, is for messages. Nothing is left out as below the horizon, as the position of the array is not known:
    what does not shine in an image has no part in its noise. InputError or UsageError, one line, for what cannot be
    used.
    """
    window = ExpectedWindow(0, np.array([band.centre]), np.array([band.width]), ("XX", "YY"))
    centre = Direction(grid.longitude, grid.latitude, grid.frame)
    expected = Expected(
        path=path, telescope="", antennas=(), position=np.zeros((0, 3)), diameter=diameter, windows=(window,),
        fields={0: ""}, centres={0: centre}, begin=times[0], end=times[1], growing=False, primary_beam=primary_beam,
        epsilon=1e-3,
    )  # fmt: skip
    return open_sky(asked, expected)


def model_image(sky: Sky, grid: Grid, beam: Beam, frequency: float, time: float) -> NDArray[np.float32]:
    """Pixels [y, x] in Jy/beam of Stokes I, at a frequency (Hz) and a time (s UTC): the model, restored with the beam.

    Lists are exact to a fraction of a pixel; of images each pixel's flux is shared between the four that it lies among.
    """
    image = restored(sky.components(np.array([frequency]), 0, time), grid, beam)
    for each in sky.images:
        image += _restored_pixels(each, grid, beam, frequency)
    return image.astype(np.float32)


def restored(components: Components, grid: Grid, beam: Beam) -> Array:
    """Points and Gaussians, their Stokes I of the first channel, as a Gaussian beam shows them: [y, x] Jy/beam."""
    image = np.zeros((grid.height, grid.width))
    axes = icrs_axes(Direction(grid.longitude, grid.latitude, grid.frame))
    x, y, seen = _pixels(components.towards, axes, grid)
    of_beam = _beam_covariance(beam, grid.scale)
    shapes = of_beam + _own_covariance(components, axes, grid.scale)
    for at in np.flatnonzero(seen & (components.flux[:, 0, 0] != 0)).tolist():
        peak = float(components.flux[at, 0, 0]) * math.sqrt(np.linalg.det(of_beam) / np.linalg.det(shapes[at]))
        _draw(image, float(x[at]), float(y[at]), shapes[at], peak)
    return image


def _pixels(towards: Array, axes: Array, grid: Grid) -> tuple[Array, Array, NDArray[np.bool_]]:
    """x and y of directions [source, 3] in ICRS, pixels from 0; and whether they are on this side of the sky."""
    east, north, along = axes @ towards.T
    return grid.width // 2 - east / grid.scale, grid.height // 2 + north / grid.scale, along > 0


def _beam_covariance(beam: Beam, scale: float) -> Array:
    """[2, 2] of (x, y), pixels^2; x descends to the east."""
    sin, cos = math.sin(beam.angle), math.cos(beam.angle)
    axes = np.array([[-sin, cos], [cos, sin]])  # the major and the minor one
    squares = _VARIANCE * (np.array([beam.major, beam.minor]) / scale) ** 2
    return np.asarray((axes.T * squares) @ axes)


def _own_covariance(components: Components, axes: Array, scale: float) -> Array:
    """[component, 2, 2] of (x, y), pixels^2, of Gaussians as they are projected onto the grid; 0 of points."""
    east, north = tangents(components.towards)
    sin, cos = np.sin(components.angle)[:, None], np.cos(components.angle)[:, None]
    total = np.zeros((len(components), 2, 2))
    for size, along in ((components.major, sin * east + cos * north), (components.minor, cos * east - sin * north)):
        drawn = (along @ axes[:2].T) * np.array([-1.0, 1.0]) * (size / scale)[:, None]
        total += _VARIANCE * drawn[:, :, None] * drawn[:, None, :]
    return total


def _draw(image: Array, x: float, y: float, covariance: Array, peak: float) -> None:
    """Add a Gaussian to an image, as far as it lies in it."""
    reach = _REACH * np.sqrt(np.diagonal(covariance))
    first = np.maximum(np.floor([x - reach[0], y - reach[1]]), 0).astype(int)
    last = np.minimum(np.ceil([x + reach[0], y + reach[1]]), [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
    if (last < first).any():
        return
    dx, dy = np.arange(first[0], last[0] + 1) - x, (np.arange(first[1], last[1] + 1) - y)[:, None]
    (xx, xy), (_, yy) = np.linalg.inv(covariance)
    image[first[1] : last[1] + 1, first[0] : last[0] + 1] += peak * np.exp(
        -0.5 * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy)
    )


def _restored_pixels(model: SkyImage, grid: Grid, beam: Beam, frequency: float) -> Array:
    """An image of Jy/pixel on another grid, restored: its flux is laid down in pixels, and these are smoothed."""
    plane = plane_at(model, frequency)
    rows, columns = np.nonzero(plane)
    east = -(columns - plane.shape[1] // 2) * model.scale
    north = (rows - plane.shape[0] // 2) * model.scale
    up = 1 - east**2 - north**2
    there = up > 0
    local = np.stack([east, north, np.sqrt(np.maximum(up, 0))], axis=1)[there]
    axes = icrs_axes(Direction(grid.longitude, grid.latitude, grid.frame))
    x, y, seen = _pixels(local @ icrs_axes(model.centre), axes, grid)
    flux, laid = plane[rows, columns][there].astype(np.float64), np.zeros((grid.height + 1, grid.width + 1))
    inside = seen & (x >= 0) & (y >= 0) & (x <= grid.width - 1) & (y <= grid.height - 1)
    column, row = np.floor(x[inside]).astype(int), np.floor(y[inside]).astype(int)
    right, above = x[inside] - column, y[inside] - row
    for dy, dx, share in ((0, 0, (1 - above) * (1 - right)), (0, 1, (1 - above) * right),
                          (1, 0, above * (1 - right)), (1, 1, above * right)):  # fmt: skip
        np.add.at(laid, (row + dy, column + dx), share * flux[inside])
    covariance = _beam_covariance(beam, grid.scale)
    reach = np.ceil(_REACH * np.sqrt(np.diagonal(covariance))).astype(int)
    kernel = np.zeros((2 * reach[1] + 1, 2 * reach[0] + 1))
    _draw(kernel, float(reach[0]), float(reach[1]), covariance, 1.0)
    return np.asarray(fftconvolve(laid[:-1, :-1], kernel, mode="same"))
