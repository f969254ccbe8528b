"""What of a MeasurementSet is imaged, as a person writes it and back: `0:100~900,2`, `3~7`, `!m012`, `4`, `32s`.

Ranges are A~B. Those of windows, channels and scans include B, as CASA's do; that of integrations leaves it out, as
WSClean's does. Every parser raises ValueError, with what was found and what would do.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import PlainSerializer

from fip.data.quantities import MJD_0, iso_utc, reads


@dataclass(frozen=True, slots=True)
class WindowChoice:
    """Spectral windows, and channels of each."""

    windows: tuple[int, int]  # SPECTRAL_WINDOW_ID, first and last
    channels: tuple[tuple[int, int], ...] = ()  # first and last of each range, as numbered on file; () for all


@dataclass(frozen=True, slots=True)
class UvRange:
    """Lengths of baselines, |(u, v)|, both ends included; in wavelengths it holds for each channel by itself."""

    least: float
    most: float
    unit: Literal["m", "lambda"]


@dataclass(frozen=True, slots=True)
class Average:
    """How much is imaged together; uvw are not averaged."""

    length: float
    unit: Literal["integrations", "s"]


_NUMBER = "[0-9]{1,9}"
_REAL = r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]{1,2})?"
_UV_UNITS = {
    "m": (1.0, "m"),
    "km": (1e3, "m"),
    "lambda": (1.0, "lambda"),
    "klambda": (1e3, "lambda"),
    "Mlambda": (1e6, "lambda"),
}
_TIME_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0}


def parse_names(text: str) -> tuple[str, ...]:
    """Names or numbers of fields, in the order given: `3C48,2`."""
    return _items(text, "names or numbers, as target,2")


def parse_antennas(text: str) -> tuple[str, ...]:
    """Names or numbers of antennas: `m000,m001` keeps the baselines among them, `!m012` leaves out that antenna."""
    items = _items(text, "names or numbers of antennas, as m000,m001 or !m012")
    if any(not item.strip("! ") for item in items):
        raise ValueError(f"'{text}' has a ! without an antenna, as in !m012")
    return tuple("!" + item[1:].strip() if item.startswith("!") else item for item in items)


def parse_spw(text: str) -> tuple[WindowChoice, ...]:
    """Spectral windows and their channels: `0:100~900,2` or `0~3:0~10;20~30`, both ends included."""
    return tuple(_window(text, item) for item in _items(text, "windows, as 0:100~900,2"))


def parse_scans(text: str) -> tuple[tuple[int, int], ...]:
    """Scan numbers, first and last of each range: `3~7,9`."""
    return tuple(_inclusive(text, item, "scans, as 3~7 or 3,5") for item in _items(text, "scans, as 3~7 or 3,5"))


def parse_uv_range(text: str) -> UvRange:
    """Shortest and longest |(u, v)|: `100lambda~5klambda`, `0.2~5km`, both included."""
    wanted = f"'{text}' is not a range of baselines, as 100lambda~5klambda (units: {', '.join(_UV_UNITS)})"
    match = re.fullmatch(rf"\s*({_REAL})\s*([a-zA-Z]*)\s*~\s*({_REAL})\s*([a-zA-Z]+)\s*", text)
    if not match or match[4] not in _UV_UNITS or (match[2] or match[4]) not in _UV_UNITS:
        raise ValueError(wanted)
    (factor, unit), (last_factor, last_unit) = _UV_UNITS[match[2] or match[4]], _UV_UNITS[match[4]]
    if unit != last_unit:
        raise ValueError(f"'{text}' mixes metres and wavelengths: give both ends in one of them")
    least, most = float(match[1]) * factor, float(match[3]) * last_factor
    if not least < most < float("inf"):
        raise ValueError(f"'{text}' is reversed or empty: give the shorter baseline first, as 100lambda~5klambda")
    return UvRange(least, most, "m" if unit == "m" else "lambda")


def parse_time_range(text: str) -> tuple[float, float]:
    """Begin and end in s of UTC since MJD 0 from `2024-03-01T22:00:00~2024-03-01T22:30:00`, the end left out."""
    ends = text.split("~")
    try:
        begin, end = (_seconds(each) for each in ends)
    except ValueError:
        raise ValueError(f"'{text}' is not a range of UTC times, as 2024-03-01T22:00:00~2024-03-01T22:30:00") from None
    if not begin < end:
        raise ValueError(f"'{text}' is reversed or empty: give the earlier time first")
    return begin, end


def parse_average(text: str) -> Average:
    """How much is imaged together: `4` integrations, or `32s` of them (units: ms, s, min)."""
    match = re.fullmatch(rf"\s*({_REAL})\s*([a-z]*)\s*", text)
    if match and not match[2] and re.fullmatch(_NUMBER, match[1]) and int(match[1]) > 0:
        return Average(int(match[1]), "integrations")
    if match and match[2] in _TIME_UNITS and 0 < float(match[1]) < float("inf"):
        return Average(float(match[1]) * _TIME_UNITS[match[2]], "s")
    raise ValueError(f"'{text}' is not a number of integrations, as 4, nor a time, as 32s (units: ms, s, min)")


def format_spw(choices: tuple[WindowChoice, ...]) -> str:
    """Format choices of windows as `parse_spw` reads them."""
    return ",".join(
        format_inclusive(each.windows)
        + (":" + ";".join(format_inclusive(part) for part in each.channels) if each.channels else "")
        for each in choices
    )


def format_scans(scans: tuple[tuple[int, int], ...]) -> str:
    """Format scans as `parse_scans` reads them."""
    return ",".join(format_inclusive(each) for each in scans)


def format_inclusive(both: tuple[int, int]) -> str:
    """A range whose end is included, or a number: `3~7`, `3`."""
    return f"{both[0]}~{both[1]}" if both[0] != both[1] else str(both[0])


def format_uv_range(reach: UvRange) -> str:
    """Format a range as `parse_uv_range` reads it."""
    return f"{_shortest(reach.least)}{reach.unit}~{_shortest(reach.most)}{reach.unit}"


def format_time_range(times: tuple[float, float]) -> str:
    """Format two times as `parse_time_range` reads them."""
    return "~".join(iso_utc(each).removesuffix(".000000") for each in times)


def format_average(average: Average) -> str:
    """Format an average as `parse_average` reads it."""
    return f"{average.length:g}" if average.unit == "integrations" else f"{_shortest(average.length)}s"


def _items(text: str, what: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in text.split(","))
    if not all(items):
        raise ValueError(f"'{text}' is not a list of {what}")
    return items


def _window(text: str, item: str) -> WindowChoice:
    windows, colon, channels = item.partition(":")
    what = "windows and channels, as 0:100~900,2 or 0:0~10;20~30"
    parts = tuple(_inclusive(text, part, what) for part in channels.split(";")) if colon else ()
    return WindowChoice(_inclusive(text, windows, what), parts)


def _inclusive(text: str, item: str, what: str) -> tuple[int, int]:
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(?:~\s*({_NUMBER})\s*)?", item)
    if not match:
        raise ValueError(f"'{text}' is not a list of {what}")
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise ValueError(f"'{text}': {first}~{last} is reversed: give the smaller number first")
    return first, last


def _seconds(text: str) -> float:
    time = datetime.fromisoformat(text.strip())
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - MJD_0).total_seconds()


def _shortest(value: float) -> str:
    """Format a number in as many digits as it takes."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


Names = Annotated[tuple[str, ...], reads(parse_names), PlainSerializer(",".join)]
Antennas = Annotated[tuple[str, ...], reads(parse_antennas), PlainSerializer(",".join)]
Windows = Annotated[tuple[WindowChoice, ...], reads(parse_spw), PlainSerializer(format_spw)]
Scans = Annotated[tuple[tuple[int, int], ...], reads(parse_scans), PlainSerializer(format_scans)]
Baselines = Annotated[UvRange, reads(parse_uv_range), PlainSerializer(format_uv_range)]
UtcRange = Annotated[tuple[float, float], reads(parse_time_range), PlainSerializer(format_time_range)]
Length = Annotated[Average, reads(parse_average), PlainSerializer(format_average)]
