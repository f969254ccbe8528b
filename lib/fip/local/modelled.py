"""What the making of a model reads and writes: masks, deep images, lists of points."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from fip.archive.folder import Folder
from fip.corrections.sky.bbs_writing import REF_TYPES, format_line, point_line
from fip.data.errors import StoreError, UsageError
from fip.data.values import Grid
from fip.deconvolution.values import Array, Deep, Points
from fip.deconvolution.variables import Variable
from fip.fits.header import sky_cards
from fip.fits.sky import wcs_of
from fip.fits.stored_image import grid_of

FIRST_LINE = "# made by FIP of run"
"""What a model says first of itself, before the run's id: by this it is known again."""

_NEAR = 0.01  # pixels by which a mask's grid may be another


def put(folder: Folder, name: str, content: bytes) -> None:
    """Store a file, whole or not at all; it is on disk then. StoreError if it cannot be."""
    temporary = f".{name}.part"
    try:
        folder.write_new(temporary, content)
        folder.replace(temporary, name)
        folder.sync()
    except OSError as error:
        raise StoreError(f"{folder.path / name}: cannot be written: {error.strerror}") from None


def sky_model_text(points: Points, grid: Grid, *said: str) -> str:
    """Return points as `.skymodel`, brightest first, with what is `said` of them below the first line, a line each.

    `grid` is of the frame FK5, ICRS or FK4. Fluxes are apparent, Jy at the reference.
    """
    y, x = np.divmod(points.place, grid.width)
    right, up = wcs_of(grid).wcs_pix2world(x, y, 0) if len(points) else (x, y)
    lines = [format_line(points.reference, grid.frame), *said, f"# points in {REF_TYPES[grid.frame]}; apparent flux"]
    order = np.argsort(-np.abs(points.flux), kind="stable")
    for number, at in enumerate(order.tolist()):
        place, flux, index = (float(right[at]), float(up[at])), float(points.flux[at]), float(points.index[at])
        lines.append(point_line(f"P{number:05d}", place, flux, [index], True, points.reference))
    return "\n".join(lines) + "\n"


def variable_lines(variables: Sequence[Variable], grid: Grid, images: int) -> list[str]:
    """Return what is said of each variable source, of so many images of a pass."""
    said = []
    for each in variables:
        y, x = divmod(each.place, grid.width)
        right, up = (float(at) for at in wcs_of(grid).wcs_pix2world(x, y, 0))
        stretch, kept = each.stretch, f"{each.now:.4g} Jy are in the model" if each.now else "not in the model"
        said.append(
            f"{right:.5f} {up:+.5f} deg: {stretch.above:.4g} Jy brighter in {stretch.begin}~{stretch.end} of "
            f"{images} images, by {stretch.sure:.0f} sd; {kept}"
        )
    return said


def packed_light(values: Array, weight: Array) -> bytes:
    """Return what `fip.archive.deep.light_at` found, as `unpacked_light` reads it."""
    buffer = io.BytesIO()
    np.savez(buffer, values=values, weight=weight)
    return buffer.getvalue()


def unpacked_light(path: Path) -> tuple[Array, Array]:
    """Return the light that `packed_light` has packed. StoreError if it cannot be read."""
    try:
        with np.load(path) as kept:
            return kept["values"], kept["weight"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path}: cannot be read ({error}): remove it, and it is made again") from None


def deep_fits(deep: Deep) -> bytes:
    """Return the whole band as a FITS image, Jy/beam."""
    header = fits.Header(fits.Card(*each) for each in sky_cards(deep.grid))
    header["BUNIT"] = ("Jy/beam", "apparent flux density")
    header["RESTFRQ"] = (deep.reference, "[Hz] weighted mean frequency")
    header["FIPWSUM"] = (float(deep.weight.sum()), "sum of weights")
    buffer = io.BytesIO()
    fits.PrimaryHDU(deep.whole, header).writeto(buffer, checksum="checksum of the header and data")
    return buffer.getvalue()


def digest_of(mask: Path | None) -> str:
    """Return the first digits of the SHA-256 of a mask; "none" without one. UsageError if it cannot be read."""
    if mask is None:
        return "none"
    try:
        return hashlib.sha256(mask.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UsageError(f"--mask {mask}: cannot be read: {error.strerror}") from None


def mask_of(mask: Path | None, grid: Grid) -> NDArray[np.bool_]:
    """Return the pixels that may have sources, [y, x] of this grid; all without a mask. UsageError for another grid."""
    if mask is None:
        return np.ones((grid.height, grid.width), bool)
    try:
        with fits.open(mask, memmap=False) as opened:
            found, pixels = grid_of(opened[0].header), np.squeeze(opened[0].data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--mask {mask}: not a FITS image that FIP can read ({error})") from None
    shift = np.hypot((found.longitude - grid.longitude) * np.cos(grid.latitude), found.latitude - grid.latitude)
    stretch = abs(found.scale - grid.scale) * max(grid.width, grid.height)
    if pixels.shape != (grid.height, grid.width) or max(shift, stretch) > _NEAR * grid.scale:
        raise UsageError(
            f"--mask {mask}: is of another grid than the images, {grid.width} x {grid.height} pixels: make it of a "
            "deep image of this model"
        )
    allowed: NDArray[np.bool_] = np.nan_to_num(pixels) != 0
    return allowed


def packed(deep: Deep) -> bytes:
    """Return a deep image as exact bytes, as `unpacked` reads them."""
    grid, buffer = deep.grid, io.BytesIO()
    numbers = np.array([grid.width, grid.height, grid.scale, grid.longitude, grid.latitude])
    arrays = {"planes": deep.planes, "weight": deep.weight, "frequency": deep.frequency}
    np.savez(buffer, grid=numbers, frame=np.array(grid.frame), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpacked(path: Path) -> Deep:
    """Return the deep image that `packed` has packed. StoreError if it cannot be read."""
    try:
        with np.load(path) as kept:
            width, height, scale, longitude, latitude = kept["grid"].tolist()
            frame = next(each for each in REF_TYPES if each == str(kept["frame"]))
            grid = Grid(int(width), int(height), scale, longitude, latitude, frame)
            return Deep(grid, kept["planes"], kept["weight"], kept["frequency"])
    except (OSError, ValueError, KeyError, StopIteration, zipfile.BadZipFile) as error:
        raise StoreError(f"{path}: cannot be read ({error}): remove it, and it is made again") from None
