"""Pixels to directions and back, by astropy: the world coordinates of an image are those of its header."""

from functools import lru_cache

from astropy.io.fits import Card, Header
from astropy.wcs import WCS

from fip.data.values import Grid
from fip.fits.header import sky_cards


@lru_cache(maxsize=64)
def wcs_of(grid: Grid) -> WCS:
    """Return the celestial axes of a grid's images, in degrees; a direction behind the horizon is NaN."""
    return WCS(Header(Card(*each) for each in sky_cards(grid)))
