"""The sky of a simulation: five known sources, or many as the radio sky has them, and a transient. Pure."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC, SPEED_OF_LIGHT
from fip.imaging.primary_beam import beam_of
from fip.simulation import counts, layouts
from fip.simulation.plan import Simulation

ARCMIN = 60 * ARCSEC

STEADY_SKY = (
    ("S1", 2.5, -1.6, (1.0, 0.0, 0.0, 0.0)),
    ("S2", -6.2, 3.9, (0.8, 0.08, -0.05, 0.0)),
    ("S3", 7.4, 6.3, (0.5, 0.0, 0.0, 0.0)),
    ("S4", -4.4, -7.1, (0.4, -0.03, 0.06, 0.04)),
    ("S5", 14.0, -19.0, (0.6, 0.0, 0.0, 0.0)),
)
"""Name, l and m in arcminutes, (I, Q, U, V) in Jy of the steady sources; S5 is 0.39 deg from the phase centre."""

TRANSIENT_PLACE = (-1.4, 5.2)  # arcminutes, l and m

SPECTRAL_INDEX = (-0.7, 0.2)  # mean and standard deviation of those drawn: S ~ frequency^index
FIELD_RADIUS = 1.5  # full widths at half maximum of the primary beam
LARGEST_RADIUS = 0.5  # its sine, at low frequencies
AIRY_WIDTH = 1.029  # full width at half maximum of an Airy pattern, wavelengths over diameters
_DRAWN = 1  # which random numbers: those of the sky


@dataclass(frozen=True)
class Source:
    """A point source, its flux densities (I, Q, U, V) in Jy, on in integrations first <= k < end."""

    name: str
    l: float  # noqa: E741  direction cosine towards east
    m: float  # direction cosine towards north
    stokes: tuple[float, float, float, float]  # at the centre of the band, without the primary beam
    kind: str  # "steady" or "transient"
    first: int
    end: int
    index: float = 0.0  # spectral index: flux density ~ frequency^index

    @property
    def correlations(self) -> tuple[complex, complex, complex, complex]:
        """XX, XY, YX, YY of linear feeds: XX = I+Q, XY = U+iV, YX = U-iV, YY = I-Q."""
        i, q, u, v = self.stokes
        return i + q, u + 1j * v, u - 1j * v, i - q

    @property
    def towards(self) -> tuple[float, float, float]:
        """The direction cosines l, m and n-1."""
        return self.l, self.m, math.sqrt(1.0 - self.l**2 - self.m**2) - 1.0


def sky(simulation: Simulation) -> tuple[Source, ...]:
    """The steady sources, and last the transient, if there is one. UsageError for more than can be drawn."""
    steady = _drawn_sky(simulation) if simulation.sources else _known_sky(simulation)
    if simulation.transient == 0.0:
        return steady
    east, north = (offset * ARCMIN for offset in TRANSIENT_PLACE)
    stokes = (simulation.transient, 0.0, 0.0, 0.0)
    return (*steady, Source("T1", east, north, stokes, "transient", *simulation.transient_integrations))


def received(
    simulation: Simulation, sources: tuple[Source, ...], frequency: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Flux densities [source, frequency, Stokes] in Jy as the dishes receive them, with spectrum and primary beam."""
    stokes = np.array([each.stokes for each in sources]).reshape(-1, 1, 4)
    index = np.array([each.index for each in sources])[:, None]
    seen = (frequency / simulation.frequency) ** index
    if simulation.primary_beam is not None:
        beam = beam_of(simulation.primary_beam, layouts.DISH_DIAMETER, simulation.frequency)
        east, north = np.array([(each.l, each.m) for each in sources]).reshape(-1, 2).T
        seen = seen * np.stack([beam(east, north, each) for each in frequency.tolist()], axis=1)
    found: NDArray[np.float64] = stokes * seen[..., None]
    return found


def _known_sky(simulation: Simulation) -> tuple[Source, ...]:
    return tuple(
        Source(name, east * ARCMIN, north * ARCMIN, stokes, "steady", 0, simulation.integrations)
        for name, east, north, stokes in STEADY_SKY
    )


def _drawn_sky(simulation: Simulation) -> tuple[Source, ...]:
    """Unpolarised sources, brightest first at 1.4 GHz, evenly over the field that the dishes see."""
    random = np.random.default_rng([simulation.seed, 0, _DRAWN])
    width = AIRY_WIDTH * SPEED_OF_LIGHT / simulation.frequency / layouts.DISH_DIAMETER
    radius = min(FIELD_RADIUS * width, LARGEST_RADIUS)
    area = 2 * math.pi * (1 - math.sqrt(1 - radius**2))
    flux = counts.drawn_fluxes(simulation.sources, area, random)
    index = random.normal(*SPECTRAL_INDEX, simulation.sources)
    flux = flux * (simulation.frequency / counts.FREQUENCY) ** index
    away = radius * np.sqrt(random.uniform(size=simulation.sources))
    turn = random.uniform(0, 2 * math.pi, simulation.sources)
    places = zip(away * np.sin(turn), away * np.cos(turn), flux, index, strict=True)
    digits = len(str(simulation.sources))
    return tuple(
        Source(
            f"S{number:0{digits}d}",
            float(l),
            float(m),
            (float(jansky), 0.0, 0.0, 0.0),
            "steady",
            0,
            simulation.integrations,
            float(slope),
        )
        for number, (l, m, jansky, slope) in enumerate(places, 1)  # noqa: E741
    )
