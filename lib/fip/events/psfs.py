"""The point spread functions that workers store beside bright images (`make_psf = "bright"`)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.archive.followed import FollowedImage
from fip.data.errors import UsageError
from fip.fits.stored_image import StoredImage


def psf_of(image: FollowedImage, plane: int) -> NDArray[np.float32] | None:
    """Return a plane's PSF [y, x], 1 at its middle pixel; None if none is stored, or one that is not of twice the size.

    One that was stored with `--make-psf` is of the image's own size, and does not reach from one corner to another.
    """
    return psf_beside(image.path, plane, (2 * image.grid.width, 2 * image.grid.height))


def psf_beside(path: Path, plane: int, size: tuple[int, int] | None = None) -> NDArray[np.float32] | None:
    """Return a dirty image's PSF, of any size or only of this one; None if there is none: the image is not bright."""
    try:
        stored = StoredImage.open(path.with_name(path.name.removesuffix("-dirty.fits") + "-psf.fits"))
        grid = stored.layout.grid
        if size not in (None, (grid.width, grid.height)):
            return None
        return np.asarray(stored.plane(plane if len(stored.layout.stokes) > 1 else 0), np.float32)
    except UsageError:
        return None
