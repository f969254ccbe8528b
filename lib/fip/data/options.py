"""What an option is: declared once, beside the field of a table that holds its value, and found there."""

from dataclasses import dataclass
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True)
class Card:
    """The card of an image's header that gives an option, if that is set."""

    keyword: str
    comment: str
    factor: float = 1.0  # of the card's number, to the value


@dataclass(frozen=True)
class Option:
    """How an option is given on the command line, and what help and headers say about it."""

    help: str
    names: tuple[str, ...] = ()  # on the command line; () for --its-name
    metavar: str | None = None
    card: Card | None = None
    flag: bool = False  # whether naming it is all there is to say
    several: bool = False  # whether it may be given several times, which is as values separated by commas


def options(table: type) -> dict[str, Option]:
    """The options that a table of the configuration declares, by name."""
    marks = {name: get_args(hint) for name, hint in hints(table).items()}
    return {name: mark for name, found in marks.items() for mark in found if isinstance(mark, Option)}


def hints(table: type) -> dict[str, Any]:
    """The type of each field of a table, with its parser, writer and limits."""
    found = get_type_hints(table, include_extras=True)
    return {name: hint for name, hint in found.items() if not name.startswith("_") and name != "model_config"}
