"""Interference: transmitters on the ground, whose waves are curved when they pass the antennas. Pure.

Of three kinds, each in about a third of the share that is asked for: carriers, narrow and far away; impulses, short
and over the whole band; and devices near the antennas, in a part of the band. Nobody flags them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.simulation import layouts
from fip.simulation.plan import Simulation

STRENGTH = (10.0, 1000.0)  # Jy on a baseline near it, evenly in its logarithm
FAR = 30e3  # m, of a carrier's transmitter: all antennas see it alike
FULL = 200.0  # m, within which what is near the antennas is received fully; beyond, its voltage falls with distance
IMPULSE_REACH, DEVICE_REACH = 400.0, 1200.0  # m, beyond which it is not received at all
WIDE = 8  # a device's part of the band is one in so many
_DRAWN = 3  # which random numbers: those of interference


@dataclass(frozen=True, eq=False)
class Emission:
    """What a transmitter adds in one integration: correlations x phasor_p conj(phasor_q)."""

    channels: slice
    phasor: NDArray[np.complex64]  # [channel of those, antenna], 0 for an antenna that does not see it
    correlations: NDArray[np.complex64]  # [correlation] Jy


def emissions(
    simulation: Simulation, position: NDArray[np.float64], towards: NDArray[np.float64], integration: int
) -> Iterator[Emission]:
    """Those of an integration; `position` [antenna, 3] in m and the unit vector `towards` the phase centre, ITRF."""
    share, channels = simulation.interference / 3, simulation.channels
    fixed = np.random.default_rng([simulation.seed, 0, _DRAWN])  # what stays as it is over the observation
    random = np.random.default_rng([simulation.seed, integration + 1, _DRAWN])
    carriers = fixed.permutation(channels)[: max(1, round(2 * share * channels))]
    for channel in carriers.tolist():
        place = _place(fixed, position, FAR)
        if random.uniform() < share * channels / len(carriers):
            yield _emission(simulation, position, towards, place, slice(channel, channel + 1), math.inf, random)
    for width, reach in ((channels, IMPULSE_REACH), (max(1, channels // WIDE), DEVICE_REACH)):
        place = _place(random, position, 0.0)
        seen = np.count_nonzero(_distance(position, place) < reach)
        covered = width / channels * seen * (seen - 1) / (len(position) * (len(position) - 1))
        expected = share / covered if seen > 1 else 0.0
        for _ in range(random.poisson(expected)):
            first = int(random.integers(channels - width + 1))
            yield _emission(simulation, position, towards, place, slice(first, first + width), reach, random)


def add_emissions(
    data: NDArray[np.complex64], first: NDArray[np.intp], second: NDArray[np.intp], found: Iterator[Emission]
) -> None:
    """Add them to visibilities [row, channel, correlation] of pairs of antennas, in place."""
    for each in found:
        pairs = (each.phasor[:, first] * each.phasor[:, second].conj()).T
        data[:, each.channels] += pairs[..., None] * each.correlations


def _place(random: np.random.Generator, position: NDArray[np.float64], away: float) -> NDArray[np.float64]:
    """A place on the ground in m, ITRF: `away` from the middle of the antennas, or beside one of them."""
    turn = random.uniform(0, 2 * math.pi)
    near = position[random.integers(len(position))] if away == 0.0 else position.mean(axis=0)
    distance = away or random.uniform(20.0, 100.0)
    flat = distance * np.array([math.sin(turn), math.cos(turn), 0.0])
    found: NDArray[np.float64] = near + flat @ layouts.LOCAL_AXES
    return found


def _distance(position: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(position - place, axis=1))


def _emission(
    simulation: Simulation,
    position: NDArray[np.float64],
    towards: NDArray[np.float64],
    place: NDArray[np.float64],
    channels: slice,
    reach: float,
    random: np.random.Generator,
) -> Emission:
    """Waves from a place, as seen after the delays that follow the phase centre; of some linear polarisation."""
    distance = _distance(position, place)
    strength = np.ones(len(position)) if math.isinf(reach) else np.minimum(1.0, FULL / distance) * (distance < reach)
    delay = (distance + (position - position.mean(axis=0)) @ towards) / SPEED_OF_LIGHT
    turns = simulation.channel_frequencies[channels, None] * (delay - delay.min())
    phasor = strength * np.exp(-2j * np.pi * turns)
    low, high = np.log(STRENGTH)
    feeds = math.sqrt(math.exp(random.uniform(low, high))) * np.array(_polarisation(random))
    return Emission(channels, phasor.astype(np.complex64), np.outer(feeds, feeds).ravel().astype(np.complex64))


def _polarisation(random: np.random.Generator) -> tuple[float, float]:
    angle = random.uniform(0, 2 * math.pi)
    return math.cos(angle), math.sin(angle)
