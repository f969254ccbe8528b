"""The words of what is known of the sky beforehand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    """An object that is at the place of an event, at its time."""

    name: str  # of the object, as its list has it
    of: str  # the list: "satellites", "solar system", or the name of a catalogue
    separation: float  # rad, from the place of the event
    chance: float  # that some object of the list is so near by chance, 0 to 1; NaN if that is not known
    label: str = ""  # of `fip.events.words.LABELS`, if the match speaks against the event
    target: str = ""  # the one target of alerts to which the event is told; "": all
