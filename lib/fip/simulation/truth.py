"""What is in a simulated set, written beside it: a table, and a sky model that FIP, WSClean and DP3 read."""

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.polynomial import Polynomial

from fip.corrections.sky.bbs_writing import format_line, point_line
from fip.simulation.plan import Simulation
from fip.simulation.sky import Source, received

_TERMS = 8  # of the spectrum of what is seen through a primary beam: exact to 1e-6 of the beam's peak over an octave


def truth_table(simulation: Simulation, sources: tuple[Source, ...]) -> Table:
    """A row a source; the meta holds every parameter of the simulation.

    Columns: name; ra, dec (deg, J2000); I, Q, U, V (Jy, at the centre of the band, without the primary beam); kind,
    "steady" or "transient"; first, end (integrations in which it is on, the end left out); index (flux density ~
    frequency^index); beam (what the primary beam leaves of it at the centre of the band).
    """
    meta = asdict(simulation) | {
        "transient_on": list(simulation.transient_integrations),
        "flagged_antenna": simulation.flagged_antenna,
        "comment": "A source is on in integrations first <= k < end. Directions are J2000.",
    }
    seen = received(simulation, sources, np.array([simulation.frequency]))[:, 0, 0]
    rows = [
        (s.name, *_direction(simulation, s), *s.stokes, s.kind, s.first, s.end, s.index, flux / s.stokes[0])
        for s, flux in zip(sources, seen.tolist(), strict=True)
    ]
    names = ("name", "ra", "dec", *"IQUV", "kind", "first", "end", "index", "beam")
    units = {"ra": "deg", "dec": "deg"} | dict.fromkeys("IQUV", "Jy")
    return Table(rows=rows, names=names, units=units, meta=meta)


def write_sky_model(path: Path, simulation: Simulation, sources: tuple[Source, ...]) -> None:
    """The steady sources in the format of BBS and WSClean, as the dishes receive them: apparent flux densities.

    Without a primary beam that is their flux density and spectral index (LogarithmicSI true). What is seen through a
    beam follows no power law: it is a polynomial in frequency / reference - 1 (LogarithmicSI false), fitted to the
    channels.
    """
    beam = simulation.primary_beam is not None
    seen = (
        f"apparent: what is seen through the primary beam {simulation.primary_beam}" if beam else "intrinsic: no beam"
    )
    lines = [
        format_line(simulation.frequency),
        f"# steady sources of a simulation; flux densities are {seen}",
    ]
    steady = tuple(each for each in sources if each.kind == "steady")
    for source in steady:
        flux, terms = _spectrum(simulation, source) if beam else (source.stokes[0], [source.index])
        place = _direction(simulation, source)
        lines.append(point_line(source.name, place, flux, terms, not beam, simulation.frequency))
    path.write_text("\n".join(lines) + "\n")


def _spectrum(simulation: Simulation, source: Source) -> tuple[float, list[float]]:
    """Flux density at the centre of the band, and the factors of the powers of frequency / centre - 1, in Jy."""
    frequency = simulation.channel_frequencies
    seen = received(simulation, (source,), frequency)[0, :, 0]
    terms = min(_TERMS, len(frequency))
    fitted = Polynomial.fit(frequency / simulation.frequency - 1.0, seen, terms - 1).convert().coef
    flux, *others = np.pad(fitted, (0, terms - len(fitted))).tolist()
    return flux, others


def _direction(simulation: Simulation, source: Source) -> tuple[float, float]:
    """J2000 right ascension and declination in degrees of a source: the inverse of the SIN projection."""
    ra, dec = simulation.right_ascension, simulation.declination
    n = math.sqrt(1.0 - source.l**2 - source.m**2)
    turned = math.atan2(source.l, n * math.cos(dec) - source.m * math.sin(dec))
    height = math.asin(source.m * math.cos(dec) + n * math.sin(dec))
    return math.degrees(ra + turned) % 360.0, math.degrees(height)
