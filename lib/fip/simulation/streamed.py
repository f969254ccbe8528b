"""A simulated observation as a stream has it: what all integrations share, and the arrays of each. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import UNIX_EPOCH
from fip.simulation import layouts
from fip.simulation.observed import Observed
from fip.simulation.plan import Simulation
from fip.spool.setup import Band, Correlation, Product, Setup, Station, Target

_CORRELATIONS: tuple[Correlation, ...] = ("XX", "XY", "YX", "YY")


def setup_of(observed: Observed) -> Setup:
    """What all integrations share, but for when they are. The stream has flags, weights and UVW of its own."""
    simulation, array = observed.simulation, observed.array
    frequency, width = simulation.channel_frequencies, simulation.bandwidth / simulation.channels
    pairs = zip(array.first.tolist(), array.second.tolist(), strict=True)
    return Setup(
        name="simulated",
        cadence=simulation.cadence,
        antennas=tuple(
            Station(f"m{number:03d}", (x, y, z), layouts.DISH_DIAMETER)
            for number, (x, y, z) in enumerate(array.position.tolist())
        ),
        bands=(Band(float(frequency[0]), width, simulation.channels),),
        products=tuple(Product(first, second, each) for first, second in pairs for each in _CORRELATIONS),
        targets=(Target("SIMULATED", simulation.right_ascension, simulation.declination),),
        telescope="MeerKAT",
        observer="fip simulate",
        project="simulated",
        flags=True,
        weights=True,
        uvw=True,
    )


def time_of(simulation: Simulation, integration: int) -> float:
    """Its middle, s UTC, Unix."""
    return simulation.time(integration) - UNIX_EPOCH


def dump_of(simulation: Simulation, integration: int) -> int:
    """Its number in the stream: counted from 1970, so that what is sent later goes on."""
    return math.floor(time_of(simulation, 0) / simulation.cadence) + integration


def arrays_of(observed: Observed, integration: int) -> Mapping[str, NDArray[Any]]:
    """An integration by the names of `fip.spool.layout.sections`: the samples that a set would have, none else."""
    channels = observed.simulation.channels
    visibility = np.empty((channels, len(observed.array.first), len(_CORRELATIONS)), np.complex64)
    flag = np.empty(visibility.shape, np.uint8)
    for some in observed.samples(integration):
        visibility[:, some.rows] = some.data.swapaxes(0, 1)
        flag[:, some.rows] = some.flags.swapaxes(0, 1)
    return {
        "0.visibility": visibility.reshape(channels, -1),
        "0.flag": flag.reshape(channels, -1),
        "0.weight": np.ones((channels, flag[0].size), np.uint8),
        "0.scale": np.full(channels, observed.weight, np.float32),
        "uvw": observed.uvw(integration),
    }
