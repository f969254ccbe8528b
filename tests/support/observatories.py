"""Arrays like those of observatories: rough ground, on the curved Earth, seen from the zenith to the horizon."""

import numpy as np
from numpy.typing import NDArray

EARTH = 6371e3  # m, radius
LATITUDE = {"MeerKAT": -30.7, "VLA A": 34.08, "SKA-Low": -26.8}  # degrees

Floats = NDArray[np.float64]


def antennas(array: str, rng: np.random.Generator, count: int) -> Floats:
    """East, north, up [antenna, 3] in m of about so many antennas."""
    if array == "VLA A":
        arms, steps = np.deg2rad([-5, 115, 236]), 21e3 * (np.arange(1, count // 3 + 1) / (count // 3)) ** 1.716
        places = np.concatenate([np.stack([steps * np.sin(a), steps * np.cos(a)], 1) for a in arms])
        height = rng.normal(size=len(places)) * 5 + 10 * np.sin(places[:, 0] / 8e3)
    else:
        share, core, radius, rms = {"MeerKAT": (0.7, 300.0, 4000.0, 8.0), "SKA-Low": (0.9, 350.0, 3000.0, 1.0)}[array]
        inner = int(count * share)
        distance = np.exp(rng.uniform(np.log(core), np.log(radius), count - inner))
        distance[0] = radius
        angle = rng.uniform(0, 2 * np.pi, count - inner)
        outer = np.stack([distance * np.cos(angle), distance * np.sin(angle)], 1)
        places, height = np.concatenate([rng.normal(size=(inner, 2)) * core, outer]), rng.normal(size=count) * rms
    return np.column_stack([places, height - (places**2).sum(axis=1) / (2 * EARTH)])


def uvw_at(places: Floats, latitude: float, hour: float, declination: float) -> Floats:
    """uvw [baseline, 3] in m of antennas at this latitude; all angles in rad."""
    s, c = np.sin(latitude), np.cos(latitude)
    xyz = places @ np.array([[0, 1, 0], [-s, 0, c], [c, 0, s]])
    sh, ch, sd, cd = np.sin(hour), np.cos(hour), np.sin(declination), np.cos(declination)
    xyz = xyz @ np.array([[sh, ch, 0], [-sd * ch, sd * sh, cd], [cd * ch, -cd * sh, sd]]).T
    one, other = np.triu_indices(len(xyz), 1)
    uvw: Floats = xyz[other] - xyz[one]
    return uvw


def uvw_seen(places: Floats, elevation: float, azimuth: float, turn: float) -> Floats:
    """uvw [baseline, 3] in m of antennas, their sky turned about the line of sight; all angles in rad."""
    level = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    source = np.cos(elevation) * level + np.sin(elevation) * np.array([0, 0, 1])
    across = np.array([-level[1], level[0], 0])
    up = np.cross(source, across)
    one, other = np.triu_indices(len(places), 1)
    axes = np.stack([np.cos(turn) * across - np.sin(turn) * up, np.sin(turn) * across + np.cos(turn) * up, source])
    uvw: Floats = (places[other] - places[one]) @ axes.T
    return uvw
