"""Visibilities read from the tables without FIP, and their exact Fourier sum at places on the sky."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from casacore.tables import table
from numpy.typing import NDArray

Array = NDArray[np.float64]
SPEED_OF_LIGHT = 299792458.0  # m/s


class Visibilities:
    """The cross-correlations of a MeasurementSet, read from its tables without FIP."""

    def __init__(self, path: Path) -> None:
        with table(str(path), ack=False) as main:
            cross = main.getcol("ANTENNA1") != main.getcol("ANTENNA2")
            data, flag, weight = (main.getcol(name)[cross] for name in ("DATA", "FLAG", "WEIGHT"))
            self.time, self.uvw = main.getcol("TIME")[cross], main.getcol("UVW")[cross]
            self.antennas = np.stack([main.getcol("ANTENNA1")[cross], main.getcol("ANTENNA2")[cross]], axis=1)
            self.field, self.scan = main.getcol("FIELD_ID")[cross], main.getcol("SCAN_NUMBER")[cross]
            flag |= main.getcol("FLAG_ROW")[cross][:, None, None]
        with table(f"{path}/SPECTRAL_WINDOW", ack=False) as window:
            self.wavelength = SPEED_OF_LIGHT / window.getcell("CHAN_FREQ", 0)
        with table(f"{path}/FIELD", ack=False) as field:
            self.ra, self.dec = field.getcell("PHASE_DIR", 0)[0]
        good = ~flag[..., 0] & ~flag[..., 3]
        inverse_variance = 4 * weight[:, 0] * weight[:, 3] / (weight[:, 0] + weight[:, 3])
        self.stokes_i = np.where(good, (data[..., 0] + data[..., 3]) / 2, 0)
        self.weight = good * inverse_variance[:, None]

    def keep(self, samples: NDArray[np.bool_]) -> None:
        """Select by hand: samples [row, channel], or broadcast to it, that are False have no weight."""
        self.weight = self.weight * samples

    def directions(self, ra: Array, dec: Array) -> Array:
        """(l, m, n-1) of places on the sky, [3, place]; angles in rad."""
        east = np.cos(dec) * np.sin(ra - self.ra)
        north = np.sin(dec) * np.cos(self.dec) - np.cos(dec) * np.sin(self.dec) * np.cos(ra - self.ra)
        up = np.sin(dec) * np.sin(self.dec) + np.cos(dec) * np.cos(self.dec) * np.cos(ra - self.ra)
        return np.stack([east, north, up - 1])

    def sum_at(self, image: Path, pixels: NDArray[np.int64], sources: Table | None = None) -> Array:
        """The exact dirty image at pixels [pixel, (x, y)], each at the sky position that the image's header gives.

        Of the data, or of `sources` with the data's weights.
        """
        header = fits.getheader(image)
        sky = WCS(header).celestial.pixel_to_world(*pixels.T)
        within = (self.time / 86400 > header["MJD-BEG"]) & (self.time / 86400 < header["MJD-END"])
        path = self.uvw[within] @ self.directions(sky.ra.rad, sky.dec.rad)
        total = np.zeros(len(pixels))
        for channel, metres in enumerate(self.wavelength):
            if sources is None:
                values = self.stokes_i[within, channel]
            else:
                places = self.directions(np.radians(sources["ra"].data), np.radians(sources["dec"].data))
                values = np.exp(2j * np.pi / metres * (self.uvw[within] @ places)) @ sources["I"].data
            total += ((self.weight[within, channel] * values) @ np.exp(-2j * np.pi / metres * path)).real
        exact: Array = total / self.weight[within].sum()
        return exact
