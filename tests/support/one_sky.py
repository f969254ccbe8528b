"""MeasurementSets of one sky, seen in many ways: any pointing, and axes of (u, v, w) turned in any way."""

from pathlib import Path

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from support import small_ms
from support.direct_sum import SPEED_OF_LIGHT

Array = NDArray[np.float64]
NIGHT = 59000.25 * 86400  # s


def vectors(place: SkyCoord) -> Array:
    """Unit vectors [3, 3] east, north and towards a place, in ICRS, by the place's own RA and Dec in ICRS."""
    ra, dec = place.icrs.ra.rad, place.icrs.dec.rad
    return np.array(
        [
            [-np.sin(ra), np.cos(ra), 0],
            [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)],
            [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)],
        ]
    )


def turned(vectors: Array, angle: float) -> Array:
    """East and north turned about the direction itself, so that north is at this position angle."""
    east, north, towards = vectors
    sin, cos = np.sin(angle), np.cos(angle)
    return np.array([cos * east - sin * north, sin * east + cos * north, towards])


def observe(path: Path, source: SkyCoord, pointings: list[tuple[tuple[float, float], Array]], frame: str) -> Path:
    """An MS with an integration for each pointing: PHASE_DIR and the axes [3, 3] (ICRS) of its (u, v, w).

    Antennas and the source, of 1 Jy, are the same on the same sky whatever the pointing; equal pointings are a field.
    """
    columns = small_ms.rows(len(pointings))
    columns["TIME"] += NIGHT - small_ms.START
    baselines = columns["UVW"].copy()
    where = source.icrs.cartesian.xyz.value
    paths = np.empty(len(baselines))
    centres = list(dict.fromkeys(centre for centre, _ in pointings))
    rows = len(baselines) // len(pointings)
    for number, (centre, basis) in enumerate(pointings):
        here = slice(number * rows, (number + 1) * rows)
        columns["UVW"][here] = baselines[here] @ basis.T
        columns["FIELD_ID"][here] = centres.index(centre)
        paths[here] = baselines[here] @ (where - basis[2])

    def sky(columns: small_ms.Columns, frequency: Array, correlations: int) -> NDArray[np.complexfloating]:
        values = np.zeros((len(paths), frequency.size, correlations), np.complex64)
        values[..., [0, -1]] = np.exp(2j * np.pi * paths[:, None] * frequency / SPEED_OF_LIGHT)[..., None]
        return values

    fields = [(f"f{number}", centre) for number, centre in enumerate(centres)]
    small_ms.write(path, columns, fields=fields, data={"DATA": sky})
    small_ms.set_frame(path, "FIELD", "PHASE_DIR", frame)
    return path


def own_axes(place: SkyCoord) -> Array:
    """Axes of (u, v, w) that are referred to a place and the north of its own frame."""
    north = SkyCoord(place.spherical.lon, place.spherical.lat + 1 * units.arcsec, frame=place.frame)
    return turned(vectors(place), place.icrs.position_angle(north.icrs).rad)
