"""A simulation that can be made: what was asked, checked, and what follows from it. Pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.primary_beam import parse_primary_beam
from fip.data.quantities import MJD_0
from fip.simulation import layouts
from fip.simulation.options import Options
from fip.source.advice import geometry


@dataclass(frozen=True)
class Simulation(Options):
    """What to simulate. UsageError if a value cannot be simulated."""

    def __post_init__(self) -> None:
        _check_numbers(self)
        first, end = self.transient_integrations
        if not 0 <= first < end <= self.integrations:
            raise UsageError(
                f"transient on in integrations {first}~{end}: a range within 0~{self.integrations} is needed, "
                "its end left out"
            )
        towards = (uvw_axes(self, integration)[2] for integration in (0, self.integrations - 1))
        lowest = min(math.asin(float(direction @ layouts.LOCAL_AXES[2])) for direction in towards)
        if lowest < 0.0:
            raise UsageError(
                f"the phase centre is {-math.degrees(lowest):.0f} deg below MeerKAT's horizon "
                f"between {self.start} and the end: another start or phase centre is needed"
            )

    @property
    def transient_integrations(self) -> tuple[int, int]:
        """The integrations in which the transient is on, the end left out."""
        if self.transient_on is not None:
            return self.transient_on
        first = 2 * self.integrations // 5
        return first, max(3 * self.integrations // 5, first + 1)

    @property
    def flagged_antenna(self) -> int | None:
        """The antenna all of whose visibilities are flagged; None without flags or with fewer than 4 antennas."""
        return self.antennas // 2 if self.flag_fraction > 0 and self.antennas >= 4 else None

    @property
    def channel_frequencies(self) -> NDArray[np.float64]:
        """Centres of the channels [channel], Hz, ascending."""
        width = self.bandwidth / self.channels
        return self.frequency - self.bandwidth / 2 + width * (np.arange(self.channels, dtype=np.float64) + 0.5)

    def time(self, integration: float) -> float:
        """Middle of an integration, s UTC since MJD 0."""
        begin = datetime.fromisoformat(self.start).replace(tzinfo=UTC)
        return (begin - MJD_0).total_seconds() + (integration + 0.5) * self.cadence


def uvw_axes(simulation: Simulation, integration: float) -> NDArray[np.float64]:
    """Unit vectors of u, v, w [3, 3] in ITRF at the middle of an integration, or a share of one later."""
    return geometry.uvw_axes(simulation.time(integration), simulation.right_ascension, simulation.declination)


def _check_numbers(simulation: Simulation) -> None:
    s = simulation
    positive = {name: getattr(s, name) for name in ("channels", "integrations", "cadence", "frequency", "bandwidth")}
    fluxes = {name: getattr(s, name) for name in ("noise", "transient")}
    needed = {
        **{f"{name} {each}: a number above 0 is needed": 0 < each < math.inf for name, each in positive.items()},
        **{f"{name} {each} Jy: 0 or more is needed": 0 <= each < math.inf for name, each in fluxes.items()},
        f"antennas {s.antennas}: 2 to 512 can be simulated": 2 <= s.antennas <= 512,
        f"bandwidth {s.bandwidth:g} Hz around {s.frequency:g} Hz reaches below 0": s.bandwidth < 2 * s.frequency,
        f"flag fraction {s.flag_fraction}: 0 to below 1 is needed": 0 <= s.flag_fraction < 1,
        f"declination {math.degrees(s.declination):g} deg: -90 to 90 is needed": abs(s.declination) <= math.pi / 2,
        f"seed {s.seed}: 0 or more is needed": s.seed >= 0,
        f"sources {s.sources}: 0 or more is needed, 0 for the known ones": s.sources >= 0,
        f"interference {s.interference}: a share of 0 to 0.5 is needed": 0 <= s.interference <= 0.5,
        f"dead antenna {s.dead_antenna}: 0 to {s.antennas - 1} is needed": 0 <= (s.dead_antenna or 0) < s.antennas,
        f"gain errors {s.gain_errors}: a share of 0 to 0.5 and 0 to 90 deg are needed": all(
            0 <= each <= most for each, most in zip(s.gain_errors or (), (0.5, 90.0), strict=False)
        ),
    }
    for wrong, holds in needed.items():
        if not holds:
            raise UsageError(wrong)
    try:
        parse_primary_beam(s.primary_beam or "airy")
    except ValueError as error:
        raise UsageError(f"primary beam: {error}") from None
    try:
        start = datetime.fromisoformat(s.start)
    except ValueError:
        raise UsageError(f"start {s.start!r}: a UTC time as 2026-03-01T20:00:00 is needed") from None
    if start.utcoffset() not in (None, timedelta(0)):
        raise UsageError(f"start {s.start!r}: UTC is needed, without an offset")
