"""A source far out, in a stream without UVW of its own: it is in its place in the image."""

import math
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import ITRS, EarthLocation, SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.utils import iers
from astropy.wcs import WCS
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC, SPEED_OF_LIGHT
from fip.fits.header import header_cards
from fip.imaging.kernels import make_kernel
from fip.simulation.layouts import meerkat_like
from fip.spool.setup import Band, Product, Setup, Station, Target
from fip.spool.writing import Open
from support import cut_slices, spools
from support.direct_sum import direct_sum
from support.synthetic import image_slice

POSITIONS = meerkat_like(12)
CENTRE = (math.radians(268.0), math.radians(-30.0))  # what the Earth moves away from: the sky is 1e-4 wider there
SETUP = Setup(
    name="far-out",
    cadence=8.0,
    antennas=tuple(Station(f"m{n:03d}", (x, y, z)) for n, (x, y, z) in enumerate(POSITIONS.tolist())),
    bands=(Band(0.5e9, 1.0e7, 4),),
    products=tuple(Product(a, b, hand) for a in range(12) for b in range(a + 1, 12) for hand in ("XX", "YY")),
    targets=(Target("far out", *CENTRE),),
)
FIRST, SECOND = np.triu_indices(12, 1)


def paths(time: float, where: SkyCoord) -> NDArray[np.float64]:
    """Return by how many m a wave comes earlier to each baseline's first antenna, by astropy's sky over the array."""
    here = EarthLocation.from_geocentric(*POSITIONS.mean(axis=0), unit="m")
    with iers.conf.set_temp("auto_download", False):
        seen = where.transform_to(ITRS(obstime=Time(time, format="unix"), location=here)).cartesian.xyz
    return np.asarray((POSITIONS[FIRST] - POSITIONS[SECOND]) @ (seen / np.linalg.norm(seen)).value)


def place(position_angle: float) -> SkyCoord:
    """0.9 deg from the phase centre."""
    centre = SkyCoord(*CENTRE, unit="rad", frame="icrs")
    away = centre.directional_offset_by(position_angle * units.deg, 0.9 * units.deg)
    return SkyCoord(away.ra, away.dec)


@pytest.mark.parametrize("position_angle", [20.0, 230.0])
def test_a_source_far_out_is_in_its_place(tmp_path: Path, position_angle: float) -> None:
    """It is right to 0.01 pixel. What a correlator gives is worked out from astropy's sky, without any UVW.

    UVW that leave aberration out, or have the sign of the other antenna, fail: by 0.04 pixel, or by degrees.
    """
    source, centre = place(position_angle), SkyCoord(*CENTRE, unit="rad", frame="icrs")

    def correlate(opened: Open) -> None:
        band = SETUP.bands[0]
        frequency = band.first + band.step * np.arange(band.channels)
        lengths = paths(opened.time, source) - paths(opened.time, centre)
        phases = np.exp(2j * np.pi * frequency[:, None] * lengths / SPEED_OF_LIGHT)
        np.asarray(opened.arrays["0.visibility"])[...] = np.repeat(phases, 2, axis=1)

    path = spools.spool(tmp_path, (0, 1), SETUP, alter=correlate)
    for piece in cut_slices.cut(path, size=(900, 900), scale=8 * ARCSEC):
        image = image_slice(piece, make_kernel(piece.settings, piece.grid))
        wcs = WCS(fits.Header.fromstring(header_cards(piece, image, "dirty"))).celestial
        x, y = map(float, wcs.world_to_pixel(source))
        assert image.pixels[0, 0, round(y), round(x)] > 0.75
        around = np.array([-0.1, 0.0, 0.1])
        for _ in range(4):
            east = -(x + around - piece.grid.width / 2) * piece.grid.scale
            north = (y + around - piece.grid.height / 2) * piece.grid.scale
            values = direct_sum(piece.blocks, *np.meshgrid(east, north))[0]
            across, along = values.sum(axis=0), values.sum(axis=1)
            x -= 0.05 * (across[2] - across[0]) / (across[2] - 2 * across[1] + across[0])
            y -= 0.05 * (along[2] - along[0]) / (along[2] - 2 * along[1] + along[0])
        right = wcs.world_to_pixel(source)
        assert math.hypot(x - right[0], y - right[1]) < 0.01
