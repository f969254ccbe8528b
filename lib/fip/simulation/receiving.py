"""What the telescope of a simulation receives in one integration: the sky, and what is done to it on the way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.simulation.gains import Gains
from fip.simulation.interference import add_emissions, emissions
from fip.simulation.plan import Simulation, uvw_axes
from fip.simulation.sky import Source, received
from fip.simulation.visibilities import Matrices, by_antennas, by_rows, of_rows

SUBSTEPS = 16  # of an integration, and of a channel, at which what is smeared is evaluated

Visibilities = NDArray[np.complex64]
Rows = Callable[[slice], tuple[Visibilities, Visibilities]]
"""Returns for rows of an integration the visibilities [row, channel, correlation] of the steady sky, and of all."""


@dataclass(frozen=True, eq=False)
class Array:
    """Antennas and their pairs, in the order of rows."""

    position: NDArray[np.float64]  # [antenna, 3] m, ITRF
    first: NDArray[np.intp]  # [row], ascending
    second: NDArray[np.intp]  # [row]


def sky_rows(simulation: Simulation, array: Array, sources: tuple[Source, ...], integration: int) -> Rows:
    """The sources that are on: the known ones row by row, others by antennas, smeared if that is asked for."""
    steady = tuple(each for each in sources if each.kind == "steady")
    transients = tuple(each for each in sources if each.kind == "transient" and each.first <= integration < each.end)
    parts = (steady, transients) if transients else (steady,)
    plain = not (simulation.sources or simulation.smear or simulation.primary_beam)

    def rows(some: slice) -> tuple[Visibilities, Visibilities]:
        found = [(_plain if plain else _by_antennas)(simulation, array, part, integration, some) for part in parts]
        return found[0], found[0] + found[1] if transients else found[0].copy()

    return rows


def distort(
    data: Visibilities,
    simulation: Simulation,
    array: Array,
    gains: Gains | None,
    integration: int,
    some: slice,
) -> None:
    """Add interference to rows of an integration, apply the gains, and silence the dead antenna: in place."""
    first, second = array.first[some], array.second[some]
    if simulation.interference:
        towards = uvw_axes(simulation, integration)[2]
        add_emissions(data, first, second, emissions(simulation, array.position, towards, integration))
    if gains is not None:
        jones = gains.of_integration(integration)
        data *= jones[first][..., [0, 0, 1, 1]]
        data *= jones[second].conj()[..., [0, 1, 0, 1]]
    if simulation.dead_antenna is not None:
        data[(first == simulation.dead_antenna) | (second == simulation.dead_antenna)] = 0.0


def _plain(
    simulation: Simulation, array: Array, sources: tuple[Source, ...], integration: int, some: slice
) -> Visibilities:
    vectors = array.position[array.first[some]] - array.position[array.second[some]]
    return by_rows(vectors @ uvw_axes(simulation, integration).T, simulation.channel_frequencies, sources)


def _by_antennas(
    simulation: Simulation, array: Array, sources: tuple[Source, ...], integration: int, some: slice
) -> Visibilities:
    """Compute by antennas; smeared, as the mean over integration and channel: SUBSTEPS x SUBSTEPS times as costly.

    The mean is by the rule of Gauss and Legendre, which with so many steps is exact for several turns of the phase.
    Within a channel the flux density stays as it is at its centre.
    """
    frequency = simulation.channel_frequencies
    towards, flux = np.array([each.towards for each in sources]), received(simulation, sources, frequency)
    first, second = array.first[some], array.second[some]
    part = slice(int(first[0]), int(first[-1]) + 1)
    nodes, weights = np.polynomial.legendre.leggauss(SUBSTEPS if simulation.smear else 1)
    steps = list(zip((nodes / 2).tolist(), (weights / 2).tolist(), strict=True))
    width = simulation.bandwidth / simulation.channels
    total: Matrices = {}
    for later, share in steps:
        position = array.position @ uvw_axes(simulation, integration + later).T
        for higher, weight in steps:
            found = by_antennas(position, part, frequency + higher * width, towards, flux)
            for stokes, matrix in found.items():
                matrix *= share * weight
                total[stokes] = total[stokes] + matrix if stokes in total else matrix
    return of_rows(total, part, first, second, len(frequency))
