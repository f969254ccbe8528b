"""The stage `sources`: what stands out of the noise of a dirty image, as a table behind it. Found by sep.

Islands of pixels above `SIGMAS` times the noise (Bertin & Arnouts 1996; Barbary 2016), in the first plane of the whole
band; right ascension and declination are in the image's own frame. Errors are those of a point source in noise of the
beam's size (Condon 1997).
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from fip.data.imaged import Imaged
from fip.data.values import Beam, Grid, Image

if find_spec("sep") is None:
    raise ImportError("it needs sep: pip install 'fip[sources]'")

TABLE = "SOURCES"
SIGMAS = 5.0  # above the median of the pixels
SMALLEST = 3  # pixels of an island
_UNITS = {
    "ra": "deg", "dec": "deg", "ra_err": "deg", "dec_err": "deg", "x": "pix", "y": "pix", "peak": "Jy/beam",
    "peak_err": "Jy/beam", "flux": "Jy", "flux_err": "Jy", "pixels": "pix", "beam": "",
}  # fmt: skip


def sources(so_far: Imaged) -> Imaged:
    """Add the table SOURCES to the dirty image; of one without a beam or noise it has no rows."""
    dirty, rows = so_far.images["dirty"], dict.fromkeys(_UNITS, np.empty(0))
    if dirty.beam is not None and dirty.statistics is not None and dirty.statistics.rms > 0:
        rows = _found(dirty, dirty.beam, dirty.statistics.rms, so_far.slice.grid, so_far.images.get("pbweight"))
    return so_far.with_table("dirty", TABLE, {name: (rows[name], unit) for name, unit in _UNITS.items()})


@dataclass(frozen=True)
class _Size:
    """Of a beam in pixels."""

    major: float  # FWHM
    area: float


def _found(dirty: Image, beam: Beam, rms: float, grid: Grid, weight: Image | None) -> dict[str, NDArray[np.float64]]:
    """Return the columns of `_UNITS`, brightest first; `beam` is the primary beam at each source, NaN if not known."""
    import sep  # late, as astropy is: every worker that may be asked for sources imports this module

    from fip.fits.sky import wcs_of

    plane = np.ascontiguousarray(dirty.pixels[0, 0], np.float32)
    unseen = ~np.isfinite(plane)
    level = float(np.median(plane[~unseen]))
    found = sep.extract(
        np.where(unseen, 0, plane - level), SIGMAS * rms, mask=unseen, minarea=SMALLEST, filter_kernel=None
    )
    found = found[np.argsort(-found["peak"])]
    size = _Size(beam.major / grid.scale, math.pi / (4 * math.log(2)) * beam.major * beam.minor / grid.scale**2)
    x, y, peak = (found[name].astype(np.float64) for name in ("x", "y", "peak"))
    ra, dec = wcs_of(grid).wcs_pix2world(np.stack([x, y], axis=1), 0).T if len(found) else (x, y)
    place = size.major * np.degrees(grid.scale) * rms / peak / math.sqrt(8 * math.log(2))
    near = (np.rint(y).astype(int), np.rint(x).astype(int))
    seen = np.sqrt(weight.pixels[0, 0][near]).astype(np.float64) if weight else np.full(len(found), math.nan)
    return {
        "ra": ra, "dec": dec, "ra_err": place / np.cos(np.radians(dec)), "dec_err": place, "x": x, "y": y,
        "peak": peak, "peak_err": np.full(len(found), rms), "flux": found["flux"] / size.area,
        "flux_err": rms * np.sqrt(np.maximum(found["npix"] / size.area, 1)), "pixels": found["npix"].astype(float),
        "beam": seen,
    }  # fmt: skip
