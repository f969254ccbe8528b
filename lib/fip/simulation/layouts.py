"""The places of the antennas of a simulated telescope."""

import math

import erfa
import numpy as np
from numpy.typing import NDArray

from fip.data.rotations import axes

MEERKAT = (math.radians(21.44389), math.radians(-30.71106), 1050.0)
"""Longitude (rad), geodetic latitude (rad) and height (m) of the MeerKAT core on WGS84."""

LOCAL_AXES = axes(*MEERKAT[:2])
"""Unit vectors east, north, and up to the geodetic zenith [3, 3] of the core, in ITRF."""

DISH_DIAMETER = 13.5
"""Diameter of a MeerKAT dish, m."""

CORE_SHARE = 0.7
CORE_RADIUS = 500.0  # m
ARM_RADII = (650.0, 4650.0)  # m
ARM_TURN = math.radians(150.0)  # how far an arm winds from its inner to its outer end
GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))
SLOPE = (0.002, -0.001)  # rise of the ground to the east and to the north
ROUGHNESS = 3.0  # m, scatter of the ground's height
EARTH_RADIUS = 6.371e6  # m


def meerkat_like(antennas: int) -> NDArray[np.float64]:
    """ITRF positions [antenna, 3] in m: a dense core of 1 km and three spiral arms, baselines up to 8 km.

    Seven of ten antennas stand in the core, at least one in the arms, so that few antennas, too, have
    short and long baselines. The ground slopes, is rough, and curves with the Earth.
    """
    core = min(round(CORE_SHARE * antennas), antennas - 1)
    east, north = np.hstack([_core(core), _arms(antennas - core)])
    ground = np.random.default_rng(64).normal(0.0, ROUGHNESS, antennas)
    curvature = -(east**2 + north**2) / (2.0 * EARTH_RADIUS)
    up = ground + SLOPE[0] * east + SLOPE[1] * north + curvature
    return np.asarray(erfa.gd2gc(1, *MEERKAT) + np.stack([east, north, up], axis=1) @ LOCAL_AXES)


def _core(antennas: int) -> NDArray[np.float64]:
    """East and north [2, antenna] in m of a sunflower, denser towards its heart."""
    number = np.arange(antennas)
    radius = CORE_RADIUS * ((number + 0.5) / max(antennas, 1)) ** 0.9
    return np.stack([radius * np.sin(GOLDEN_ANGLE * number), radius * np.cos(GOLDEN_ANGLE * number)])


def _arms(antennas: int) -> NDArray[np.float64]:
    """East and north [2, antenna] in m along three logarithmic spirals, outermost first."""
    along = 1.0 - np.arange(antennas) / max(antennas, 2)
    radius = ARM_RADII[0] * (ARM_RADII[1] / ARM_RADII[0]) ** along
    angle = np.arange(antennas) % 3 * math.radians(120.0) + ARM_TURN * along
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)])
