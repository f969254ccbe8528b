"""Numbers, durations, sizes and times as people read them, in every view. Pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

Value = TypeVar("Value")

NONE = "–"
LISTED = 16  # names, before the others are only counted


def optional(value: Value | None, shown: Callable[[Value], str]) -> str:
    """A value that may be unknown."""
    return NONE if value is None else shown(value)


def printable(text: str) -> str:
    """Text without the characters that a terminal would act on."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def printable_lines(text: str) -> str:
    """The same of a text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def number(value: float) -> str:
    """Three digits, or all of a whole number: "0.0123", "12", "1,234"."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def percent(share: float) -> str:
    """Format a share in percent, as "12%"."""
    return f"{100 * share:.0f}%"


def duration(seconds: float) -> str:
    """Format seconds as "0 s", "12 ms", "3.4 s", "12 s", "1:05", "2:03:04"."""
    if seconds < 0.0005:
        return "0 s"
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Bytes, as "12 kB", "3.4 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{number(count)} {unit}"
        count /= 1000
    return f"{number(count)} TB"


def clock(time: float, now: float) -> str:
    """A Unix time as the time of day, "20:00:04 UTC"; with its date, if that is not the one of `now`."""
    when = datetime.fromtimestamp(time, UTC)
    same = when.date() == datetime.fromtimestamp(now, UTC).date()
    return f"{when:%H:%M:%S} UTC" if same else f"{when:%Y-%m-%d %H:%M:%S} UTC"


def repeated(text: str, times: int) -> str:
    """Return a text with how often it was said."""
    return f"{text} ({times} times)" if times > 1 else text


def listed(names: Sequence[str]) -> tuple[str, ...]:
    """The first of many names, and how many more there are."""
    more = len(names) - LISTED
    return (*names[:LISTED], f"and {more} more") if more > 0 else tuple(names)


def done(counters: dict[str, int], rate: float, what: str) -> str:
    """Say what was done so far, and how fast in the last seconds: "12 imaged, 3.0/s, 1 failed"."""
    failures = counters.get("failures", 0)
    return f"{counters.get('images', 0)} {what}, {rate:.1f}/s" + (f", {failures} failed" if failures else "")
