"""The words of what is known of the sky beforehand."""

import math
from dataclasses import dataclass

SATELLITES, SOLAR_SYSTEM = "satellites", "solar system"
"""The lists that are no catalogues, as `Match.of` has them."""

IS_SATELLITE, IS_BODY, IS_KNOWN = "satellite", "solar-system", "known"
"""Labels (of `fip.events.words.LABELS`) that a match may give."""


@dataclass(frozen=True, slots=True)
class Match:
    """An object that is at the place of an event, at its time."""

    name: str  # of the object, as its list has it
    of: str  # the list: "satellites", "solar system", or the name of a catalogue
    separation: float  # rad, from the place of the event
    chance: float  # that some object of the list is so near by chance, 0 to 1; NaN if that is not known
    label: str = ""  # of `fip.events.words.LABELS`, if the match speaks against the event
    target: str = ""  # the one target of alerts to which the event is reported; "": all


@dataclass(frozen=True, slots=True)
class Seen:
    """An event, as those see it who look up what is known to be there."""

    longitude: float  # rad, ICRS
    latitude: float  # rad
    beam: float  # rad, full width at half maximum of the beam along its major axis
    begin: float  # s UTC since MJD 0
    end: float
    slices: int = 1  # of its best boxcar
    site: tuple[float, float, float] | None = None  # m, ITRF, of the array; None if that is not known
    follows: str = ""  # the body that its images follow, as "sun": what is found there is what is looked for

    @property
    def middle(self) -> float:
        """s UTC since MJD 0."""
        return (self.begin + self.end) / 2


def chance_of(expected: float) -> float:
    """Return the probability, 0 to 1, that there is at least one if so many are expected."""
    return -math.expm1(-expected)
