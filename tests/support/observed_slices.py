"""Samples of a slice as corrections get them: of an array like MeerKAT's, with noise of 1 Jy in each part."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.corrections.observed import Expected, ExpectedWindow, Observed
from fip.data.quantities import SPEED_OF_LIGHT
from fip.imaging.ducc import dirty
from fip.simulation import layouts

CORRELATIONS = ("XX", "XY", "YX", "YY")
PARALLEL = [0, 3]  # of these
BAND = (1.23e9, 1.33e9)  # Hz


def places(antennas: int) -> NDArray[np.float64]:
    """Positions [antenna, 3] in m, east, north and up of their mean."""
    found = layouts.meerkat_like(antennas) @ layouts.LOCAL_AXES.T
    return np.asarray(found - found.mean(axis=0))


def noise(antennas: int = 64, channels: int = 64, integrations: int = 1, seed: int = 0) -> Observed:
    """Return an observation of noise alone."""
    first, second = (np.tile(each, integrations) for each in np.triu_indices(antennas, 1))
    towards = np.array([0.0, np.cos(1.0), np.sin(1.0)])
    east = np.array([1.0, 0.0, 0.0])
    place = places(antennas)
    shape = len(first), channels, len(CORRELATIONS)
    values = np.random.default_rng(seed).standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
    integration = np.repeat(np.arange(integrations), len(first) // integrations)
    width = (BAND[1] - BAND[0]) / channels
    number = np.arange(channels, dtype=np.float64)
    return Observed(
        path=Path("night.ms"),
        field=0,
        spectral_window=0,
        frequency=BAND[0] + width * (number + 0.5),
        width=np.full(channels, width),
        correlations=CORRELATIONS,
        antenna1=first.astype(np.int32),
        antenna2=second.astype(np.int32),
        integration=integration,
        time=5e9 + 8.0 * integration.astype(np.float64),
        interval=np.full(len(first), 8.0),
        uvw=(place[first] - place[second]) @ np.stack([east, np.cross(towards, east), towards]).T,
        axes=np.tile(np.eye(3), (integrations, 1, 1)),
        visibility=values,
        weight=np.ones((len(first), 1, len(CORRELATIONS)), np.float32),
        bad=np.zeros(shape, bool),
    )


def phasor(observed: Observed, east: float, north: float) -> NDArray[np.complex128]:
    """Return the phasor of a point source of 1 Jy at these direction cosines, [row, channel]."""
    up = np.sqrt(1 - east**2 - north**2) - 1
    turns = np.multiply.outer(observed.uvw @ [east, north, up], observed.frequency) / SPEED_OF_LIGHT
    return np.asarray(np.exp(2j * np.pi * turns))


def per_sample(observed: Observed, snr: float) -> float:
    """The flux density in Jy of a point source that has this S/N in the natural image of Stokes I, on in all of it."""
    return snr / math.sqrt(len(PARALLEL) * observed.bad[..., 0].size)


def noise_over_thermal(observed: Observed) -> float:
    """The rms of the dirty image of Stokes I, over what noise alone makes of the samples that are left."""
    good = ~observed.bad[..., PARALLEL].any(axis=2)
    stokes_i = np.where(good, observed.visibility[..., PARALLEL].mean(axis=2), 0)
    image = dirty([observed.uvw], [observed.frequency], [stokes_i.ravel()], np.complex64, (512, 512), 2.5e-5, 1e-4)
    return float(np.std(image) / np.sqrt(np.count_nonzero(good) / 2))


def expected(observed: Observed) -> Expected:
    """What such samples are announced as."""
    window = ExpectedWindow(0, observed.frequency, observed.width, observed.correlations)
    return Expected(
        path=observed.path,
        telescope="MeerKAT",
        antennas=("m000", "m001"),
        position=np.zeros((2, 3)),
        diameter=13.5,
        windows=(window,),
        fields={0: "target"},
        centres={},
        begin=5e9,
        end=5e9,
        growing=False,
        primary_beam=None,
        epsilon=1e-5,
    )
