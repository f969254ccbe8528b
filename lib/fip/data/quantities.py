"""Angles, sizes and other values as astronomers write them: `1.2arcsec`, `2asec`, `1024x768`, `IQUV`."""

import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, TypeVar

from annotated_types import Interval
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

Value = TypeVar("Value")

SPEED_OF_LIGHT = 299792458.0  # m/s
MJD_0 = datetime(1858, 11, 17, tzinfo=UTC)
ARCSEC = math.pi / 648000  # rad
SECONDS_PER_DAY = 86400.0
UNIX_EPOCH = 40587 * SECONDS_PER_DAY  # s since MJD 0
SLOWEST, FASTEST = 1e-6, 1e9  # times real time: paces within which there is a time at which each slice is due
ANGLE_UNITS = {
    "rad": 1.0,
    "deg": math.pi / 180,
    "arcmin": 60 * ARCSEC,
    "amin": 60 * ARCSEC,
    "arcsec": ARCSEC,
    "asec": ARCSEC,
    "marcsec": 1e-3 * ARCSEC,
    "masec": 1e-3 * ARCSEC,
    "mas": 1e-3 * ARCSEC,
}

AS_WRITTEN = {"as_written": True}
"""The context in which a bare number is something that a person wrote, as `average = 4` in a file, and is parsed."""


def reads(parse: Callable[[str], Value]) -> BeforeValidator:
    """Return a validator that reads a value from text, or from a bare number in a file."""

    def read(value: object, info: ValidationInfo) -> object:
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        written = isinstance(value, str) or (numeric and (info.context == AS_WRITTEN or isinstance(value, int)))
        return parse(str(value)) if written else value

    return BeforeValidator(read)


def parse_angle(text: str) -> float:
    """An angle in rad from a number with its unit (those of WSClean and CASA); ValueError without one."""
    match = re.fullmatch(r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([a-z]*)\s*", text)
    if not match or match[2] not in ANGLE_UNITS:
        raise ValueError(f"'{text}' is not an angle with its unit, as 1.2arcsec (units: {', '.join(ANGLE_UNITS)})")
    return float(match[1]) * ANGLE_UNITS[match[2]]


def format_angle(radians: float, digits: int = 6) -> str:
    """An angle as a person writes it, in the unit that suits its size."""
    for unit in ("deg", "arcmin"):
        if radians >= ANGLE_UNITS[unit]:
            return f"{radians / ANGLE_UNITS[unit]:.{digits}g}{unit}"
    return f"{radians / ARCSEC:.{digits}g}arcsec"


def exact_angle(radians: float) -> str:
    """An angle as a person writes it, in the unit that takes the fewest digits; `parse_angle` reads back each bit."""
    return min((exact_in(radians, unit) for unit in ("deg", "arcmin", "arcsec")), key=len)


def exact_in(radians: float, unit: str) -> str:
    """An angle in this unit, of `ANGLE_UNITS`, with as many digits as give it back to the last bit; or else in rad."""
    for digits in range(1, 18):
        text = f"{Decimal(f'{radians / ANGLE_UNITS[unit]:.{digits}g}'):f}"
        if float(text) * ANGLE_UNITS[unit] == radians:
            return f"{text}{unit}"
    return f"{Decimal(repr(radians)):f}rad"


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) in pixels from `1024` or `1024x768`; ValueError for anything else."""
    match = re.fullmatch(r"\s*(\d+)(?:\s*[x,]\s*(\d+))?\s*", text)
    if not match:
        raise ValueError(f"'{text}' is not a size in pixels, as 1024 or 1024x768")
    return int(match[1]), int(match[2] or match[1])


def format_size(size: tuple[int, int]) -> str:
    """A size as `parse_size` reads it."""
    return f"{size[0]}x{size[1]}"


def parse_range(text: str) -> tuple[int, int]:
    """(first, end) from `first~end`, the end left out, as WSClean counts integrations; ValueError otherwise."""
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*~\s*([0-9]{1,9})\s*", text)
    if not match or int(match[1]) >= int(match[2]):
        raise ValueError(f"'{text}' is not a range, as 8~12, its end left out")
    return int(match[1]), int(match[2])


def parse_brightness(text: str) -> tuple[float, float]:
    """(low, high) in Jy/beam from `-0.001~0.02`; ValueError otherwise."""
    low, found, high = text.partition("~")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = 0.0, 0.0
    if not found or not math.isfinite(sum(map(abs, ends))) or ends[0] >= ends[1] or ends[1] <= 0:
        raise ValueError(f"'{text}' is not a range of brightness in Jy/beam, as -0.001~0.02")
    return ends


def format_range(ends: tuple[int, int]) -> str:
    """A range as `parse_range` reads it."""
    return f"{ends[0]}~{ends[1]}"


def is_unit(text: str) -> bool:
    """Whether a text can stand for a unit in headers, tables and the ledger; "" for none."""
    return re.fullmatch(r"[A-Za-z0-9._+*/^() %-]{0,32}", text) is not None


def _checked_unit(text: str) -> str:
    if not is_unit(text):
        raise ValueError(f"{text!r:.40} is no unit, as Jy/beam")
    return text


def iso_utc(seconds: float) -> str:
    """Seconds of UTC since MJD 0 as FITS writes them: microseconds, no zone."""
    return (MJD_0 + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="microseconds")


_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_bytes(text: str) -> int:
    """Bytes with their unit: `500MB`, `1.5GB`."""
    match = re.fullmatch(r"([0-9]*\.?[0-9]+) ?(kB|MB|GB|TB)", text.strip())
    if not match or float(match[1]) == 0:
        raise ValueError(f"'{text}' is not a number of bytes with its unit, as 500MB or 1.5GB")
    return round(float(match[1]) * _BYTES[match[2]])


def format_bytes(number: int) -> str:
    """Format bytes as `parse_bytes` reads them."""
    unit = next((unit for unit in reversed(_BYTES) if _BYTES[unit] <= number), "kB")
    return f"{number / _BYTES[unit]:.6g}{unit}"


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of what is stored is kept in a directory; None is all."""

    seconds: float | None = None
    size: int | None = None  # bytes


_TIMES = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_time(text: str) -> float:
    """Seconds from a time with its unit, as `30s`, `10min`, `1h`, `2d`; ValueError otherwise."""
    match = re.fullmatch(r"([0-9]*\.?[0-9]+) ?(s|min|h|d)", text.strip())
    if not match or float(match[1]) == 0:
        raise ValueError(f"'{text}' is not a time with its unit, as 30s, 10min, 1h or 2d")
    return float(match[1]) * _TIMES[match[2]]


def format_time(seconds: float) -> str:
    """Format seconds as `parse_time` reads them."""
    unit = next((unit for unit in reversed(_TIMES) if _TIMES[unit] <= seconds), "s")
    return f"{seconds / _TIMES[unit]:.10g}{unit}"


def parse_keep(text: str) -> Retention:
    """`all`, a time as `6h`, or bytes as `500GB`."""
    if text.strip() == "all":
        return Retention()
    with suppress(ValueError):
        return Retention(seconds=parse_time(text))
    try:
        return Retention(size=parse_bytes(text))
    except ValueError:
        raise ValueError(f"'{text}' is not all, a time as 6h or 2d, or a number of bytes as 500GB") from None


def format_keep(keep: Retention) -> str:
    """Format a retention as `parse_keep` reads it."""
    if keep.seconds is not None:
        return format_time(keep.seconds)
    return "all" if keep.size is None else format_bytes(keep.size)


def parse_pace(text: str) -> float:
    """Times real time from `max` (0), `realtime` (1) or a number above 0; ValueError otherwise."""
    named = {"max": 0.0, "realtime": 1.0}
    if text in named:
        return named[text]
    try:
        pace = float(text)
    except ValueError:
        pace = 0.0
    if not SLOWEST <= pace < FASTEST:
        raise ValueError(f"'{text}' is not a pace: max, realtime, or a number of times real time above 0")
    return pace


def _checked_pace(pace: float) -> float:
    """ValueError for a pace at which nothing would ever be due."""
    if 0 < pace < SLOWEST:
        raise ValueError(f"{pace:g} is no pace: 0, or {SLOWEST:g} times real time and more")
    return pace


AnyPace = Annotated[float, Interval(ge=0, lt=FASTEST), AfterValidator(_checked_pace)]
"""A pace as a message has it."""


def format_pace(pace: float) -> str:
    """A pace as `parse_pace` reads it."""
    return {0.0: "max", 1.0: "realtime"}.get(pace, f"{pace:g}")


Angle = Annotated[float, reads(parse_angle), PlainSerializer(exact_angle), Field(gt=0)]  # rad
Pixels = Annotated[tuple[int, int], reads(parse_size), PlainSerializer(format_size)]
Integrations = Annotated[tuple[int, int], reads(parse_range), PlainSerializer(format_range)]
Bytes = Annotated[int, reads(parse_bytes), PlainSerializer(format_bytes)]
Time = Annotated[float, reads(parse_time), PlainSerializer(format_time), Field(gt=0)]  # s
Kept = Annotated[Retention, reads(parse_keep), PlainSerializer(format_keep)]
Unit = Annotated[str, AfterValidator(_checked_unit)]
"""As `Jy/beam`; "" for none."""
Pace = Annotated[float, reads(parse_pace), PlainSerializer(format_pace)]  # times real time; 0: as fast as it goes
