"""What can be asked of a search for transients, as astronomers write it: `1/week`, `64`, `32,1024`."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer

from fip.data.quantities import SECONDS_PER_DAY, reads

WIDTHS = (1, 2, 4, 8, 16, 32, 64)
"""Slices of the longest transient that can be looked for."""

AVERAGES = (32, 1024)
"""Numbers of slices: means of so many are searched, too, and may be kept as images."""

UNITS = {
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": SECONDS_PER_DAY,
    "day": SECONDS_PER_DAY,
    "week": 7 * SECONDS_PER_DAY,
    "month": 30 * SECONDS_PER_DAY,
    "year": 365.25 * SECONDS_PER_DAY,
}


@dataclass(frozen=True, slots=True)
class Budget:
    """How many false events are expected in a time that is observed: over all fields, planes, signs and averages."""

    events: float
    seconds: float

    @property
    def per_second(self) -> float:
        """False events a second of observed time."""
        return self.events / self.seconds


def parse_budget(text: str) -> Budget:
    """A budget from `1/week`, `0.5/day` or `1/10 min`; ValueError for anything else."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*/\s*([0-9]*\.?[0-9]+)?\s*([a-z]+)\s*", text)
    number, times, unit = match.groups() if match else ("", "", "")
    if unit not in UNITS or not float(number) > 0 or (times and not float(times) > 0):
        raise ValueError(f"'{text}' is not a rate of false events, as 1/week or 1/10 min (units: {', '.join(UNITS)})")
    return Budget(float(number), float(times or 1) * UNITS[unit])


def format_budget(budget: Budget) -> str:
    """Format a budget as `parse_budget` reads it: in the longest unit that divides its time evenly."""
    unit = next((unit for unit in reversed(UNITS) if budget.seconds % UNITS[unit] == 0), "s")
    times = budget.seconds / UNITS[unit]
    return f"{_number(budget.events)}/" + (unit if times == 1 else f"{_number(times)} {unit}")


def parse_widths(text: str) -> int:
    """Slices of the longest transient that is looked for, from `64`; ValueError for anything else."""
    if text.strip() not in map(str, WIDTHS):
        raise ValueError(f"'{text}' is not a number of slices of the longest transient: {_listed(WIDTHS)}")
    return int(text)


def parse_averages(text: str) -> tuple[int, ...]:
    """Parse `32,1024`, the numbers of slices whose means are kept as images; "" for none; ValueError for the rest."""
    numbers = [part.strip() for part in text.split(",") if text.strip()]
    if not set(numbers) <= set(map(str, AVERAGES)) or len(set(numbers)) < len(numbers):
        raise ValueError(f"'{text}' is not of how many slices means are kept: {_listed(AVERAGES)}, each once, or ''")
    return tuple(map(int, numbers))


def format_averages(averages: tuple[int, ...]) -> str:
    """Averages as `parse_averages` reads them."""
    return ",".join(map(str, averages))


FalseAlarms = Annotated[Budget, reads(parse_budget), PlainSerializer(format_budget)]
Widths = Annotated[int, reads(parse_widths)]
Averages = Annotated[tuple[int, ...], reads(parse_averages), PlainSerializer(format_averages)]


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" or {numbers[-1]}"


def _number(value: float) -> str:
    """A number with as few digits as give it back, without an exponent."""
    return f"{Decimal(repr(value)):f}".removesuffix(".0")
