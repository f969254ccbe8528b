"""How many radio sources there are, by flux density. Pure."""

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError

COEFFICIENTS = (0.859, 0.508, 0.376, -0.049, -0.121, 0.057, -0.008)
"""log10 of S^2.5 dN/dS in Jy^1.5/sr at 1.4 GHz in powers of log10(S/mJy): Hopkins et al. 2003 (AJ 125, 465), eq. 5."""

FREQUENCY = 1.4e9  # Hz, of the counts
FAINTEST, BRIGHTEST = 5e-5, 1.0  # Jy, between which the fit holds
_STEPS = 4000  # of flux density, evenly in its logarithm


def drawn_fluxes(count: int, area: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Flux densities [count] in Jy at 1.4 GHz, brightest first, as the sources of a field of `area` sr have them.

    They are drawn down to the flux density at which so many fill the field. UsageError if the counts end before.
    """
    flux, above = _cumulative()
    number = count / area
    if number > above[0]:
        raise UsageError(
            f"sources {count}: at most {int(above[0] * area)} can be drawn: the counts end at {FAINTEST * 1e3:g} mJy"
        )
    # above falls with flux: both are turned round, as interp wants its places to rise
    logs = np.interp(random.uniform(0.0, number, count), above[::-1], np.log(flux)[::-1])
    return np.sort(np.exp(logs))[::-1]


def _cumulative() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Flux densities in Jy, ascending, and the number of sources per sr between each and the brightest."""
    flux = np.geomspace(FAINTEST, BRIGHTEST, _STEPS)
    differential = 10.0 ** np.polynomial.polynomial.polyval(np.log10(flux * 1e3), COEFFICIENTS) * flux**-2.5
    between = np.diff(flux) * (differential[1:] + differential[:-1]) / 2.0
    return flux, np.append(np.cumsum(between[::-1])[::-1], 0.0)
