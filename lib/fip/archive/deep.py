"""The images of a directory as one: their mean, weighted by their sums of weights, in each sub-band."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.archive.ledger import Ledger
from fip.data.errors import StoreError, UsageError
from fip.data.values import Grid
from fip.deconvolution.values import Array, Deep
from fip.fits.header import BODY, CHANNELS
from fip.fits.stored_image import StoredImage, grid_of

DIRTY, PSF = "dirty", "psf"


def deep_image(directory: Path, kind: str = DIRTY, read: Callable[[int], None] = lambda count: None) -> Deep:
    """The mean of what is stored there, of the first Stokes; with `PSF`, of the point spread functions.

    An imager is linear: this is the image of all samples together, with the weights that each has in its slice. `read`
    is called with the number of images read so far. UsageError if images are of several fields, or follow a body;
    StoreError if one cannot be read, or nothing has data.
    """
    with closing(Ledger(directory, read_only=True)) as ledger:
        entries = [each for each in ledger.entries() if not each.empty]
    grid: Grid | None = None
    total = np.zeros((0, 0, 0))
    weights, frequencies = np.zeros(0), np.zeros(0)
    for count, (found, planes, weight, frequency) in enumerate(_images(directory, entries, kind), 1):
        if grid is None:
            grid, total = found, np.zeros(planes.shape)
            weights, frequencies = np.zeros(len(planes)), np.zeros(len(planes))
        elif found != grid:
            raise UsageError(f"{directory}: its images are of several fields: choose one with --field")
        total += np.nan_to_num(planes) * weight[:, None, None]
        weights += weight
        frequencies += weight * frequency
        read(count)
    there = weights > 0
    if grid is None or not there.any():
        raise StoreError(f"{directory}: no image in it has data: choose integrations that have")
    weight = weights[there]
    pixels = (total[there] / weight[:, None, None]).astype(np.float32)
    return Deep(grid, pixels, weight, frequencies[there] / weight)


def light_at(directory: Path, place: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return image values at pixels y * width + x, [image, pixel] Jy/beam, earliest first, and 1/rms^2 of each [image].

    The whole band and the first Stokes are taken. StoreError if an image cannot be read.
    """
    with closing(Ledger(directory, read_only=True)) as ledger:
        entries = [each for each in ledger.entries() if not each.empty and each.rms]
    values = np.zeros((len(entries), len(place)))
    for entry, into in zip(entries, values, strict=True):
        pixels = StoredImage.open(directory / entry.file).plane()
        into[:] = np.nan_to_num(pixels[np.divmod(place, pixels.shape[1])])
    return values, np.array([each.rms or 1.0 for each in entries]) ** -2.0


def _images(
    directory: Path, entries: list[Entry], kind: str
) -> Iterator[tuple[Grid, NDArray[np.floating], Array, Array]]:
    """Yield each image's grid, its planes [band, y, x], and each band's weight and frequency, 0 if it has none."""
    for entry in entries:
        dirty = directory / entry.file
        path = dirty.with_name(f"{entry.file.removesuffix(f'{DIRTY}.fits')}{kind}.fits")
        try:
            with fits.open(dirty, memmap=False) as opened:
                if BODY in opened[0].header:
                    raise UsageError(f"{dirty}: follows a body, and the sky moves behind it: a model is of one place")
                grid, weight, frequency = grid_of(opened[0].header), *_bands(opened)
            with fits.open(path, memmap=False) as opened:
                planes = opened[CHANNELS].data[0] if CHANNELS in opened else opened[0].data[0]
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise StoreError(f"{path}: not an image that FIP can read ({error})") from None
        yield grid, planes, weight, frequency


def _bands(opened: fits.HDUList) -> tuple[Array, Array]:
    """Sum of weights and weighted mean frequency, Hz, of each band of an opened image; 0 and 0 if it has no data."""
    if CHANNELS in opened:
        rows = opened["BEAMS"].data
        rows = rows[rows["POL"] == 0]
        weight, frequency = np.array(rows["WSUM"], np.float64), np.array(rows["FREQ"], np.float64)
    else:
        header = opened[0].header
        weight, frequency = np.array([float(header["FIPWSUM"])]), np.array([float(header.get("FIPFREQ", 0.0))])
    return weight, np.where(weight > 0, frequency, 0.0)
