"""Selections as people write them: what is read is what was meant, and anything else is refused in one line."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.data.quantities import format_range, parse_range
from fip.data.selection import (
    Average,
    UvRange,
    WindowChoice,
    format_average,
    format_scans,
    format_spw,
    format_time_range,
    format_uv_range,
    parse_antennas,
    parse_average,
    parse_names,
    parse_scans,
    parse_spw,
    parse_time_range,
    parse_uv_range,
)
from fip.data.settings import Selection, describe, selected

PARSERS: tuple[Callable[[str], Any], ...] = (
    *(parse_names, parse_antennas, parse_spw, parse_scans),
    *(parse_uv_range, parse_time_range, parse_average, parse_range),
)
NAMES = st.lists(st.from_regex(r"[A-Za-z0-9+_.-]+( [A-Za-z0-9+_.-]+)?", fullmatch=True), min_size=1, max_size=5)
NUMBER = st.integers(0, 999_999_999)
RANGE = st.tuples(NUMBER, NUMBER).map(lambda ends: (min(ends), max(ends)))
CHOICE = st.builds(WindowChoice, RANGE, st.lists(RANGE, max_size=3).map(tuple))
LENGTH = st.floats(0, 1e9, allow_subnormal=False).filter(lambda length: length == 0 or length > 1e-9)
UV = st.builds(
    lambda ends, unit: UvRange(min(ends), max(ends), unit),
    st.tuples(LENGTH, LENGTH).filter(lambda ends: ends[0] != ends[1]),
    st.sampled_from(["m", "lambda"]),
)
MICROSECONDS = st.integers(4_000_000_000_000_000, 6_000_000_000_000_000)  # 1985 to 2048
TIMES = (
    st.tuples(MICROSECONDS, MICROSECONDS).filter(lambda ends: ends[0] < ends[1]).map(lambda e: (e[0] / 1e6, e[1] / 1e6))
)
AVERAGE = st.one_of(
    st.integers(1, 999_999).map(lambda count: Average(count, "integrations")),
    st.floats(1e-3, 1e6).map(lambda seconds: Average(seconds, "s")),
)


@given(NAMES, st.lists(CHOICE, min_size=1, max_size=4), st.lists(RANGE, min_size=1, max_size=4), UV, TIMES, AVERAGE)
def test_what_is_written_is_read_again(
    names: list[str],
    windows: list[WindowChoice],
    scans: list[tuple[int, int]],
    reach: UvRange,
    times: tuple[float, float],
    average: Average,
) -> None:
    """Every selection that there can be is written so that reading it gives the same."""
    assert parse_names(",".join(names)) == tuple(names)
    left_out = tuple(f"!{name}" for name in names)
    assert parse_antennas(",".join(left_out)) == left_out
    assert parse_spw(format_spw(tuple(windows))) == tuple(windows)
    assert parse_scans(format_scans(tuple(scans))) == tuple(scans)
    assert parse_uv_range(format_uv_range(reach)) == reach
    assert parse_time_range(format_time_range(times)) == times
    assert parse_average(format_average(average)) == average


@given(st.one_of(st.text(max_size=30), st.text("0123456789~,;:!.smklabd eE+-TZ", max_size=30)))
def test_any_text_is_a_selection_or_is_refused(text: str) -> None:
    """Whatever is typed, a parser returns or raises ValueError with one line that quotes it."""
    for parse in PARSERS:
        try:
            parse(text)
        except ValueError as error:
            assert text in str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:100~900,2", (WindowChoice((0, 0), ((100, 900),)), WindowChoice((2, 2)))),
        ("0:0~10;20~30", (WindowChoice((0, 0), ((0, 10), (20, 30))),)),
        (" 1 ~ 3 : 5 ", (WindowChoice((1, 3), ((5, 5),)),)),
    ],
)
def test_windows_and_channels(text: str, expected: tuple[WindowChoice, ...]) -> None:
    """The text is written as in CASA."""
    assert parse_spw(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100lambda~5klambda", UvRange(100, 5000, "lambda")),
        ("0.2~5km", UvRange(200, 5000, "m")),
        ("30m~1km", UvRange(30, 1000, "m")),
        ("0~1.5Mlambda", UvRange(0, 1.5e6, "lambda")),
    ],
)
def test_units_of_baselines(text: str, expected: UvRange) -> None:
    """The first end has the unit of the second if it has none of its own."""
    assert parse_uv_range(text) == expected


def test_times_are_utc() -> None:
    """They may have a zone; a day begins at midnight. MJD 60370 is 1 March 2024."""
    begin, end = parse_time_range("2024-03-01~2024-03-01T12:00:00+02:00")
    assert (begin, end) == (60370 * 86400, 60370 * 86400 + 36000)
    assert parse_time_range("2024-03-01T00:00:00Z ~ 2024-03-01 10:00:00.25") == (begin, end + 0.25)


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (parse_spw, "9~3", "reversed"),
        (parse_spw, "0:9~3", "reversed"),
        (parse_spw, "0:", "windows"),
        (parse_scans, "7~3", "reversed"),
        (parse_scans, "3-7", "scans"),
        (parse_antennas, "!", "without an antenna"),
        (parse_antennas, "m000,,m001", "antennas"),
        (parse_uv_range, "5klambda~100lambda", "reversed"),
        (parse_uv_range, "100m~5klambda", "mixes"),
        (parse_uv_range, "100~5000", "units"),
        (parse_uv_range, "100furlong~5km", "units"),
        (parse_time_range, "2024-03-02~2024-03-01", "reversed"),
        (parse_time_range, "12:00~13:00", "UTC"),
        (parse_average, "0", "32s"),
        (parse_average, "2.5", "32s"),
        (parse_average, "4h", "32s"),
        (parse_range, "200~100", "left out"),
    ],
)
def test_what_is_refused(parse: Callable[[str], Any], text: str, says: str) -> None:
    """The message says what would work."""
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_a_subset_in_one_line() -> None:
    """If nothing is selected, nothing is said; each kind of selection has a text."""
    assert describe(Selection()) == ""
    subset = Selection(
        field=("target",), spw=(WindowChoice((0, 0), ((1, 2),)),), scan=((3, 7),), antenna=("!m012",),
        uv_range=UvRange(1e3, 2e3, "m"), interval=(1, 9), time_range=(0, 60.5), average=Average(2, "integrations"),
    )  # fmt: skip
    no_part = {"join", "column", "gains", "flag", "sky_model", "smear", "subtract_model", "parallactic", "keep_zeros"}
    no_part |= {"askap_scale", "uvw"}
    assert {*selected(subset), *no_part} == {each.name for each in fields(Selection)}
    assert describe(subset) == (
        "field target; spw 0:1~2; scan 3~7; antenna !m012; uv_range 1000m~2000m; interval 1~9; "
        "time_range 1858-11-17T00:00:00~1858-11-17T00:01:00.500000; average 2"
    )
    assert parse_range(format_range((1, 9))) == (1, 9)
