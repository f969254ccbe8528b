"""What is asked of a search: it is read back as it was written."""

import pytest

from fip.data.detecting import format_averages, format_budget, parse_averages, parse_budget


@pytest.mark.parametrize("text", ["1/week", "0.5/day", "1/10 min", "3/0.25 s", "1/1000000 year", "100/hour"])
def test_a_budget_is_written_as_a_person_writes_it(text: str) -> None:
    """The same text comes back, and so does any other, to the last bit."""
    assert format_budget(parse_budget(text)) == text
    assert parse_budget(format_budget(parse_budget(text))) == parse_budget(text)


@pytest.mark.parametrize(("text", "averages"), [("", ()), ("32", (32,)), ("1024", (1024,)), ("32,1024", (32, 1024))])
def test_averages_are_written_as_a_person_writes_them(text: str, averages: tuple[int, ...]) -> None:
    """None, one of them, or both."""
    assert parse_averages(text) == averages
    assert format_averages(averages) == text
