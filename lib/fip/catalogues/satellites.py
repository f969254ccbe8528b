"""Satellites whose path passes the place of an event while it is on. Pure, but for what sgp4 computes.

A path is right across, to a few 100 m, and along it to some seconds: an event is a satellite's if it is within a beam
of the path, or within 300 m of it, and no more than 0.5 deg, or a beam, before its beginning or behind its end. If an
event has several slices, this is asked for each: a satellite that is there in fewer than half of them did not make it.

The chance is that of satellites at random in the sky above the horizon, as many as there are now, as fast as they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sgp4.api import SatrecArray

from fip.catalogues.turns import JD_OF_MJD_0, SPIN, from_teme, rotation, unit, velocity
from fip.catalogues.words import IS_SATELLITE, SATELLITES, Match, Seen, chance_of
from fip.data.quantities import SECONDS_PER_DAY

Array = NDArray[np.float64]

ALONG = math.radians(0.5)  # rad
ACROSS = 300.0  # m
DOUBTFUL = 3 * SECONDS_PER_DAY
"""s from the epoch of an orbit, from which on a satellite may be further along its path than that."""
USELESS = 30 * SECONDS_PER_DAY
"""s from the epoch of an orbit, from which on nothing is said by it."""
BY_CHANCE = 0.05
"""A match that is as likely by chance does not speak against an event: if the beam of an array is a degree, some
satellite of a list of thousands always passes."""

_FASTEST = 12e3  # m/s, of a satellite
_SAMPLED = 5  # slices of an event, at most
_STEP, _MOST_STEPS = 4.0, 32  # s of a path that are taken as straight, and how many of these a slice has


@dataclass(frozen=True, slots=True)
class Orbit:
    """The elements of a satellite."""

    name: str
    number: str  # in the catalogue of satellites
    epoch: float  # s UTC since MJD 0
    record: Any  # sgp4's Satrec


@dataclass(frozen=True, slots=True)
class Sky:
    """All satellites at one time, [satellite, 3] in m and m/s about the array, by the axes of TEME; NaN of none."""

    orbits: tuple[Orbit, ...]
    away: Array
    moving: Array
    above: NDArray[np.bool_]  # whether it is above the horizon
    distance: Array  # m


class Orbits:
    """The orbits of a list. It may have several of a satellite; the one whose epoch is nearest counts."""

    def __init__(self, orbits: Sequence[Orbit]) -> None:
        self._orbits = sorted(orbits, key=lambda each: each.number)
        self._epochs = np.array([each.epoch for each in self._orbits], np.float64)
        _, self._of = np.unique([each.number for each in self._orbits], return_inverse=True)
        self._of_day = lru_cache(maxsize=2)(self._chosen)
        self.sky = lru_cache(maxsize=8)(self._sky)  # of many events at one time all is computed once

    def doubtful(self, time: float) -> tuple[int, int, int]:
        """Return the number of satellites, and how many of them have an epoch that is DOUBTFUL, and USELESS."""
        away = np.full(int(self._of.max(initial=-1)) + 1, np.inf)
        np.minimum.at(away, self._of, np.abs(self._epochs - time))
        return away.size, int((away > DOUBTFUL).sum()), int((away > USELESS).sum())

    def _sky(self, time: float, site: tuple[float, float, float]) -> Sky:
        """Return one orbit of each satellite, not USELESS at a time, s UTC since MJD 0, about a place in ITRF, m."""
        orbits, records = self._of_day(int(time // SECONDS_PER_DAY))
        place, speed = _propagated(records, np.array([time]))
        here = from_teme(np.array([time]))[0].T @ np.array(site)
        away = place[:, 0] - here
        with np.errstate(invalid="ignore"):
            above = (away @ here) > 0
        return Sky(orbits, away, speed[:, 0] - np.cross((0, 0, SPIN), here), above, np.linalg.norm(away, axis=1))

    def _chosen(self, day: int) -> tuple[tuple[Orbit, ...], SatrecArray]:
        away = np.abs(self._epochs - (day + 0.5) * SECONDS_PER_DAY)
        order = np.lexsort((away, self._of))
        first = order[np.unique(self._of[order], return_index=True)[1]]
        chosen = tuple(self._orbits[at] for at in first if away[at] <= USELESS + SECONDS_PER_DAY / 2)
        return chosen, SatrecArray([each.record for each in chosen])


def passing(orbits: Orbits, seen: Seen) -> tuple[Match, ...]:
    """Return the satellites whose path passes an event, nearest first; none if the array's position is not known."""
    if seen.site is None:
        return ()
    sky = orbits.sky(seen.middle, seen.site)
    near = [sky.orbits[at] for at in np.flatnonzero(_may_pass(sky, seen))]
    found = _passing(near, seen, seen.site) if near else []
    if not found:
        return ()
    chance = chance_of(_expected(sky, seen))
    label = IS_SATELLITE if chance <= BY_CHANCE else ""
    named = [Match(near[at].name, SATELLITES, away, chance, label) for at, away in found]
    return tuple(sorted(named, key=lambda each: each.separation))


def _propagated(records: SatrecArray, times: Array) -> tuple[Array, Array]:
    """Place and velocity [satellite, time, 3] in m and m/s, TEME; NaN of an orbit that has come down."""
    days = times / SECONDS_PER_DAY
    whole = np.floor(days)
    error, place, speed = records.sgp4(whole + JD_OF_MJD_0, days - whole)
    place[error != 0] = np.nan
    return 1e3 * place, 1e3 * speed


def _slices(seen: Seen) -> tuple[Array, float]:
    """The beginnings of the slices of an event that are looked at, and how long each is, in s."""
    count = max(1, min(seen.slices, _SAMPLED))
    long = (seen.end - seen.begin) / max(1, seen.slices)
    return np.linspace(seen.begin, seen.end - long, count), long


def _may_pass(sky: Sky, seen: Seen) -> NDArray[np.bool_]:
    """Whether each can be near the ray towards the place at all, if it were as fast as any."""
    towards = _teme_of(seen)
    along = sky.away @ towards
    off = np.linalg.norm(sky.away - along[:, None] * towards, axis=1)
    reach = _FASTEST * (seen.end - seen.begin) / 2 + 2 * max(seen.beam, ALONG) * sky.distance + ACROSS
    return np.asarray((off <= reach) & (along > -reach))


def _teme_of(seen: Seen) -> Array:
    """Unit vector of the place of an event, as it is seen from the Earth, by the axes of TEME."""
    time = np.array([seen.middle])
    shown = unit(seen.longitude, seen.latitude) + velocity(seen.middle)
    towards = from_teme(time)[0].T @ rotation(time)[0].T @ (shown / np.linalg.norm(shown))
    return np.asarray(towards, np.float64)


def _passing(orbits: Sequence[Orbit], seen: Seen, site: tuple[float, float, float]) -> list[tuple[int, float]]:
    """Number and separation in rad of those that are there in half of the slices or more."""
    begins, long = _slices(seen)
    steps = max(1, min(_MOST_STEPS, math.ceil(long / _STEP)))
    times = (begins[:, None] + np.linspace(0, long, steps + 1)).ravel()
    place, _ = _propagated(SatrecArray([each.record for each in orbits]), times)
    away = np.einsum("tij,stj->sti", from_teme(times), place) - np.array(site)
    distance = np.linalg.norm(away, axis=-1)
    up = away @ np.array(site) > 0
    towards = np.einsum("tij,stj->sti", rotation(times), away / distance[..., None]) - velocity(seen.middle)
    towards /= np.linalg.norm(towards, axis=-1)[..., None]
    shape = (len(orbits), begins.size, steps + 1)
    across, along = _off_path(towards.reshape(*shape, 3), unit(seen.longitude, seen.latitude))
    distance, up = distance.reshape(shape)[..., :-1], up.reshape(shape)[..., :-1]
    with np.errstate(invalid="ignore"):
        is_there = (across <= np.maximum(seen.beam, ACROSS / distance)) & (along <= max(seen.beam, ALONG)) & up
    slices = is_there.any(axis=2)
    enough = slices.sum(axis=1) * 2 >= begins.size
    off = np.where(is_there, np.hypot(across, along), np.inf).min(axis=(1, 2))
    return [(int(at), float(off[at])) for at in np.flatnonzero(enough)]


def _off_path(path: Array, place: Array) -> tuple[Array, Array]:
    """rad [satellite, slice, step] by which a place [3] is beside each step of a path [satellite, slice, time, 3].

    And by which it is before or behind the step, 0 beside it.
    """
    one, other = path[..., :-1, :], path[..., 1:, :]
    pole = np.cross(one, other)
    length = np.linalg.norm(pole, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        pole = pole / length[..., None]
    across = np.abs(np.arcsin(np.clip(pole @ place, -1, 1)))
    at = np.arctan2(np.cross(pole, one) @ place, one @ place)
    return across, np.maximum(0.0, np.maximum(-at, at - np.arcsin(np.clip(length, 0, 1))))


def _expected(sky: Sky, seen: Seen) -> float:
    """Satellites that would be found at a random place of the sky above the horizon, at that time."""
    begins, long = _slices(seen)
    towards = sky.away / sky.distance[:, None]
    rate = np.linalg.norm(sky.moving - np.einsum("si,si->s", sky.moving, towards)[:, None] * towards, axis=1)
    rate = rate / sky.distance  # rad/s
    apart = float(begins[1] - begins[0]) if begins.size > 1 else 0.0
    least = -(-begins.size // 2)  # slices in which it has to be there
    swept = 2 * max(seen.beam, ALONG) + rate * (long - (least - 1) * apart)
    swept = np.where(swept > 0, swept + rate * apart * (begins.size - least), 0.0)
    area = swept * 2 * np.maximum(seen.beam, ACROSS / sky.distance)
    return float(np.nansum(area[sky.above])) / (2 * math.pi)
