"""The Sun, the Moon and Jupiter: their places as seen from the array, and their discs.

Their places are those of erfa's ephemerides, which astropy calls its built-in one (epv00, moon98, plan94): right to 0.1
arcsec for the Sun, 3 in the mean for the Moon, and 70 for Jupiter. The direction is that from the array to the place
that the body had when the light left it, without aberration, as for stars in a catalogue.
"""

import math
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache

import erfa
import numpy as np
from numpy.typing import NDArray

from fip.corrections.sky.components import Components
from fip.corrections.sky.frames import tangents, unit_vectors
from fip.data.errors import UsageError
from fip.data.quantities import SECONDS_PER_DAY, SPEED_OF_LIGHT

Array = NDArray[np.float64]

AU = 149597870700.0  # m
BOLTZMANN = 1.380649e-23  # J/K
RADII = {"sun": 6.957e8, "moon": 1.7374e6, "jupiter": 7.1492e7}  # m, IAU 2015
_ITS_NUMBER = 5  # of Jupiter, for plan94
_JD_OF_MJD_0 = 2400000.5
_VALUE = r"[0-9.]+(?:[eE][+-]?[0-9]+)?"
_BRIGHT = re.compile(
    rf"(?P<value>{_VALUE})(?:(?P<kelvin>K)|(?:Jy)?@(?P<at>{_VALUE})(?P<unit>[GMk]?Hz)(?:\^(?P<alpha>[+-]?[0-9.]+))?)"
)
_HERTZ = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}
_WHY = {
    "sun": "its flux changes by half with the spots, and by more in bursts: give the day's, as sun:670000@2.8GHz, or a "
    "temperature, as sun:1e6K",
    "moon": "give the temperature of its disc above what is behind it, as moon:225K above 1 GHz, or its flux, as "
    "moon:900@1.4GHz",
    "jupiter": "its belts change within months: give its flux, as jupiter:5@1.4GHz^-0.1",
}
FINEST = 24.0  # of 2 pi radius / (wavelength / baseline): finer structure of a disc is left out
_RULES = 2.0  # a multiple of the reach that the pieces are made for: there they stop looking like a disc


@dataclass(frozen=True, slots=True)
class Body:
    """A body of the solar system, and how bright it is."""

    name: str
    radius: float  # m
    temperature: float | None  # K, of its disc
    flux: float  # Jy at `frequency`, if there is no temperature
    frequency: float  # Hz
    alpha: float  # S ~ f^alpha

    def fluxes(self, frequency: Array, distance: float) -> Array:
        """Return the flux density [channel] in Jy, of a body that is `distance` m away."""
        if self.temperature is None:
            return self.flux * (frequency / self.frequency) ** self.alpha
        solid = math.pi * (self.radius / distance) ** 2
        return 2e26 * BOLTZMANN * self.temperature * solid * (frequency / SPEED_OF_LIGHT) ** 2


def is_body(asked: str) -> bool:
    """Return whether this names a body, and no file."""
    return asked.partition(":")[0].lower() in RADII


def parse_body(asked: str) -> Body:
    """Read a body, written as `sun:670000@2.8GHz`, `sun:670000@2.8GHz^0.7` or `moon:225K`. UsageError."""
    name, _, bright = asked.partition(":")
    name = name.lower()
    if not bright:
        raise UsageError(f"--sky-model {asked}: how bright it is cannot be known: {_WHY[name]}")
    found = _BRIGHT.fullmatch(bright.strip())
    value = _number(found["value"]) if found else 0.0
    at = _number(found["at"]) * _HERTZ[found["unit"]] if found and found["unit"] else 1.0
    alpha = _number(found["alpha"]) if found and found["alpha"] else 2.0
    if found is None or not (0 < value < math.inf and 0 < at < math.inf and math.isfinite(alpha)):
        raise UsageError(f"--sky-model {asked}: '{bright}' is no brightness above 0: {_WHY[name]}")
    return Body(name, RADII[name], value if found["kelvin"] else None, value, at, alpha)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def seen(body: str, time: float, place: Array) -> tuple[Array, float]:
    """Return the unit vector [3] in ICRS to a body, and its distance in m, at a time, s UTC since MJD 0, from a place.

    `place` [3] is in m, ITRF.

    UT1 is taken as UTC, which moves the place by 400 m, and the Moon by 0.2 arcsec.
    """
    days = time / SECONDS_PER_DAY
    tt = _terrestrial(days)
    observer = place @ erfa.c2t00b(*tt, _JD_OF_MJD_0, days, 0.0, 0.0)
    geocentre = erfa.epv00(*tt)[1]["p"] * AU
    travelled = 0.0  # s
    for _ in range(3):
        then = (tt[0], tt[1] - travelled / SECONDS_PER_DAY)
        away = _barycentric(body, then) - geocentre - observer
        distance = float(np.linalg.norm(away))
        travelled = distance / SPEED_OF_LIGHT
    return away / distance, distance


def _terrestrial(days: float) -> tuple[float, float]:
    """Return TT, as a Julian date in two parts, for UTC, MJD."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)  # leap seconds to come: each moves the Moon by 0.5 arcsec
        found: tuple[float, float] = erfa.taitt(*erfa.utctai(_JD_OF_MJD_0, days))
    return found


def _barycentric(body: str, tt: tuple[float, float]) -> Array:
    """Return the place of a body, [3] m from the barycentre of the solar system."""
    heliocentric, barycentric = erfa.epv00(*tt)
    if body == "moon":
        from_there = barycentric["p"] + erfa.moon98(*tt)["p"]
    else:
        from_there = barycentric["p"] - heliocentric["p"]
        if body == "jupiter":
            from_there = from_there + erfa.plan94(*tt, _ITS_NUMBER)["p"]
    found: Array = np.asarray(from_there, np.float64) * AU
    return found


def zenith(time: float, place: Array) -> Array:
    """Return the unit vector [3] in ICRS to the zenith of a place [3], m in ITRF, at a time, s UTC since MJD 0."""
    longitude, latitude, _ = erfa.gc2gd(1, place)
    up = unit_vectors(np.asarray(longitude), np.asarray(latitude))
    days = time / SECONDS_PER_DAY
    tt = _terrestrial(days)
    found: Array = up @ erfa.c2t00b(*tt, _JD_OF_MJD_0, days, 0.0, 0.0)
    return found


@lru_cache(maxsize=8)
def disc(reach: float) -> tuple[Array, Array, float]:
    """Return a disc of radius 1 as pieces: offsets [piece, 2], shares [piece] with the sum 1, and their width (FWHM).

    Its Fourier transform is right to 1e-4 up to `reach`, the product of 2 pi, the radius and the spatial frequency. A
    `reach` above FINEST is taken as FINEST, and the disc is then smoothed with Gaussians that are wide enough to hide
    the pieces.
    """
    if reach < 0.05:  # 1 - reach^2 / 8: it looks like a point
        return np.zeros((1, 2)), np.ones(1), 0.0
    laid = min(reach, FINEST)
    nodes, weights = np.polynomial.legendre.leggauss(3 + math.ceil(laid / 3))
    offsets: list[Array] = []
    shares: list[Array] = []
    for squared, weight in zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True):
        radius = math.sqrt(squared)
        around = 6 + math.ceil(1.25 * laid * radius)
        turns = 2 * math.pi * (np.arange(around) + 0.5 * (len(shares) % 2)) / around
        offsets.append(radius * np.stack([np.cos(turns), np.sin(turns)], axis=-1))
        shares.append(np.full(around, weight / around))
    width = 0.0 if reach <= FINEST else 3.0 / (_RULES * FINEST) * 2 * math.sqrt(2 * math.log(2))
    return np.concatenate(offsets), np.concatenate(shares), width


def pieces(body: Body, towards: Array, distance: float, frequency: Array, reach: float, planes: int) -> Components:
    """Return a body as components for channels [channel], Hz, at a place [3] and a distance in m.

    `reach` is 2 pi times the longest baseline over the shortest wavelength.
    """
    radius = body.radius / distance
    _, shares, width = _disc(radius, reach)
    flux = np.zeros((len(shares), len(frequency), planes))
    flux[:, :, 0] = shares[:, None] * body.fluxes(frequency, distance)
    size = np.full(len(shares), width * radius)
    return Components(
        names=(body.name,) * len(shares),
        towards=around(towards, offsets(body, distance, reach)),
        flux=flux,
        major=size,
        minor=size,
        angle=np.zeros(len(shares)),
    )


def offsets(body: Body, distance: float, reach: float) -> Array:
    """Return the places [piece, 2] of the pieces of a body in the tangent plane, to its east and north."""
    radius = body.radius / distance
    return _disc(radius, reach)[0] * math.tan(radius)


def _disc(radius: float, reach: float) -> tuple[Array, Array, float]:
    return disc(float(f"{reach * radius:.2g}"))  # rounded: the same pieces from minute to minute


def around(towards: Array, offsets: Array) -> Array:
    """Return unit vectors [piece, 3] at offsets [piece, 2], east and north in the tangent plane, from a place [3]."""
    east, north = (axis[0] for axis in tangents(towards[None]))
    found = towards + offsets[:, :1] * east + offsets[:, 1:] * north
    return np.asarray(found / np.linalg.norm(found, axis=1)[:, None])
