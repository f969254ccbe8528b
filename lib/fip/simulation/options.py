"""What can be asked of a simulation: each option once, with its default and what the command line says of it."""

import math
from dataclasses import dataclass
from typing import Annotated

from fip.data.options import Option


@dataclass(frozen=True)
class Options:
    """What to simulate. What no option is made of stays at its default on the command line."""

    antennas: Annotated[int, Option("Antennas, laid out like MeerKAT's.")] = 64
    channels: Annotated[int, Option("Channels of the spectral window.")] = 64
    integrations: Annotated[int, Option("Integrations, one after the other.")] = 20
    cadence: Annotated[float, Option("Seconds from one integration to the next.")] = 8.0
    frequency: Annotated[float, Option("Centre of the band, Hz.")] = 1.284e9
    bandwidth: Annotated[float, Option("Width of the band, Hz.")] = 100e6
    right_ascension: float = math.radians(155.0)  # J2000, rad, of the phase centre
    declination: float = math.radians(-45.0)  # J2000, rad, of the phase centre
    start: Annotated[
        str, Option("UTC, begin of the first integration; now: this moment, and declination -80, always up.")
    ] = "2026-03-01T20:00:00"  # ISO 8601
    noise: Annotated[float, Option("Jy, standard deviation of a visibility's real part.")] = 0.5  # and its imaginary
    transient: Annotated[float, Option("Jy, the transient while it is on; 0 for none.")] = 0.3  # Stokes I
    transient_on: Annotated[
        tuple[int, int] | None, Option("Integrations A~B, B left out.  [default: the middle fifth]")
    ] = None
    flag_fraction: Annotated[float, Option("Flagged share of the samples; 0 for no flags at all.")] = 0.04
    autocorrelations: Annotated[bool, Option("Write them, too.", flag=True)] = False
    weight_spectrum: Annotated[bool, Option("Write WEIGHT_SPECTRUM, too.", flag=True)] = False
    sources: Annotated[int, Option("Steady sources as the radio sky has them; 0 for five known ones.")] = 0
    primary_beam: Annotated[str | None, Option("airy: that of the dishes; or as of fip run.  [default: none]")] = None
    smear: Annotated[bool, Option("Average over each integration and channel: 256 times the work.", flag=True)] = False
    gain_errors: Annotated[
        tuple[float, float] | None,
        Option("Gains drift by a share and degrees, as 0.02,3; the truth is in OUT.B and OUT.G.", metavar="AMP,DEG"),
    ] = None  # standard deviations of amplitude (about 1) and phase
    interference: Annotated[float, Option("Share of the samples with interference, unflagged.")] = 0.0
    dead_antenna: Annotated[int | None, Option("Number of an antenna of noise alone, unflagged.", metavar="N")] = None
    seed: Annotated[int, Option("Of all that is drawn.")] = 0
