"""The samples of a simulated observation, integration by integration: a set and a stream have the same. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.simulation import layouts
from fip.simulation.gains import Gains, drawn_gains
from fip.simulation.plan import Simulation, uvw_axes
from fip.simulation.receiving import Array, Visibilities, distort, sky_rows
from fip.simulation.sky import Source, sky

JUNK = 1e4  # Jy, hidden under the flags
SYSTEM_FLUX = 400.0  # Jy, what an antenna's own noise adds to an autocorrelation
_LEVELS = 2**16  # of the numbers that flags are drawn by


class Samples(NamedTuple):
    """Of some rows of an integration, each [row, channel, correlation]."""

    rows: slice
    data: Visibilities  # Jy
    model: Visibilities  # Jy, of the steady sky
    flags: NDArray[np.bool_]


class Observed:
    """What is observed: its sky, its gains and its baselines are drawn once."""

    def __init__(self, simulation: Simulation) -> None:
        first, second = np.triu_indices(simulation.antennas, 0 if simulation.autocorrelations else 1)
        bad = -1 if simulation.flagged_antenna is None else simulation.flagged_antenna
        self.simulation = simulation
        self.sources: tuple[Source, ...] = sky(simulation)
        self.gains: Gains | None = drawn_gains(simulation, simulation.gain_errors) if simulation.gain_errors else None
        self.array = Array(layouts.meerkat_like(simulation.antennas), first, second)
        self.flagged: NDArray[np.bool_] = (first == bad) | (second == bad)  # [row], wholly

    @property
    def weight(self) -> float:
        """The weight of every sample, 1/Jy^2."""
        return 1.0 / (self.simulation.noise or 1.0) ** 2

    def uvw(self, integration: int) -> NDArray[np.float64]:
        """[row, 3] m, antenna 1's less antenna 2's."""
        position, first, second = self.array.position, self.array.first, self.array.second
        return np.asarray((position[first] - position[second]) @ uvw_axes(self.simulation, integration).T)

    def samples(self, integration: int) -> Iterator[Samples]:
        """All rows of an integration, in their order, some at a time."""
        simulation, array = self.simulation, self.array
        random = np.random.default_rng([simulation.seed, integration])
        sky_of = sky_rows(simulation, array, self.sources, integration)
        at_once = max(1, (2**21 if simulation.sources else 2**18) // simulation.channels)
        for begin in range(0, len(array.first), at_once):
            rows = slice(begin, min(begin + at_once, len(array.first)))
            model, data = sky_of(rows)
            distort(data, simulation, array, self.gains, integration, rows)
            auto = array.first[rows] == array.second[rows]
            _add_noise(data, auto, simulation.noise, random)
            # Samples are flagged each for itself, by chance, and all those of the flagged antenna.
            drawn = random.integers(_LEVELS, size=data.shape, dtype=np.uint16)
            flags = np.asarray(drawn < simulation.flag_fraction * _LEVELS)
            flags[self.flagged[rows]] = True
            data[flags] = JUNK
            yield Samples(rows, data, model, flags)


def _add_noise(
    data: NDArray[np.complex64], auto: NDArray[np.bool_], deviation: float, random: np.random.Generator
) -> None:
    """Add noise in place and, to parallel hands of autocorrelations [row], the antenna's own power; they are real."""
    noise = random.standard_normal((*data.shape, 2), dtype=np.float32)
    noise *= np.float32(deviation)
    data += noise.view(np.complex64)[..., 0]
    if auto.any():
        own = data[auto]
        own[..., [0, 3]] = own[..., [0, 3]].real + np.float32(SYSTEM_FLUX)
        data[auto] = own
