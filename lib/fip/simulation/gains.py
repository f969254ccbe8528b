"""What the antennas of a simulation do to what they receive: gains that drift, and a bandpass. Pure."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.simulation.plan import Simulation

TIME_SCALE = 1200.0  # s, the shortest period in which a gain drifts; the longest is three times that
BANDPASS_AMPLITUDE = 0.05  # standard deviation over the band
BANDPASS_PHASE = math.radians(5.0)  # standard deviation over the band, rad
_WAVES = 6  # whose sum is a drift or a bandpass
_DRAWN = 2  # which random numbers: those of gains


@dataclass(frozen=True, eq=False)
class Gains:
    """What an antenna's two feeds multiply a signal by: V becomes g_p V conj(g_q), with g = drift x bandpass."""

    drift: NDArray[np.complex128]  # [integration, antenna, feed], at the middle of each integration
    bandpass: NDArray[np.complex128]  # [antenna, channel, feed]

    def of_integration(self, integration: int) -> NDArray[np.complex64]:
        """The product [antenna, channel, feed]."""
        return np.asarray(self.drift[integration][:, None] * self.bandpass, np.complex64)


def drawn_gains(simulation: Simulation, errors: tuple[float, float]) -> Gains:
    """Gains about 1 whose amplitude and phase drift by `errors`: standard deviations, a share and degrees.

    They are sums of waves, so that they are smooth in time and frequency, each antenna and feed for itself.
    """
    random = np.random.default_rng([simulation.seed, 0, _DRAWN])
    shape = (simulation.antennas, 2)
    times = np.arange(simulation.integrations, dtype=np.float64) * simulation.cadence
    rates = 2 * math.pi / TIME_SCALE * random.uniform(1 / 3, 1, (_WAVES, 2))
    amplitude, phase = (_waves(random, times, rates[:, each], shape) for each in range(2))
    drift = (1 + errors[0] * amplitude) * np.exp(1j * math.radians(errors[1]) * phase)
    across = np.linspace(0.0, 1.0, simulation.channels)
    rates = 2 * math.pi * (np.arange(_WAVES)[:, None] + random.uniform(0.5, 1, (_WAVES, 2)))
    amplitude, phase = (_waves(random, across, rates[:, each], shape) for each in range(2))
    bandpass = (1 + BANDPASS_AMPLITUDE * amplitude) * np.exp(1j * BANDPASS_PHASE * phase)
    return Gains(drift, bandpass.transpose(1, 0, 2))


def _waves(
    random: np.random.Generator, along: NDArray[np.float64], rates: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """A sum of waves [along, antenna, feed] of standard deviation 1, each begun anywhere."""
    total = np.zeros((len(along), *shape))
    for rate in rates.tolist():
        total += np.cos(rate * along[:, None, None] + random.uniform(0, 2 * math.pi, shape))
    return total * math.sqrt(2 / len(rates))
