"""Which sets belong together, how they are called, and what is no way to join them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fip.data.joining import name_of, parse_join
from fip.source.joined.grouping import grouped, of_one_time
from fip.source.joined.manifest import Part


def span(begin: float, end: float, window: int, path: str = "") -> Part:
    return Part(path or f"{window}@{begin}", 1, begin, end, (window,), (0,), ())


def test_parts_that_overlap_by_more_than_half_of_the_shorter_are_of_one_group() -> None:
    parts = [span(20, 30, 0), span(0, 10, 0), span(24, 33, 2), span(2, 12, 1), span(30, 40, 1), span(10, 20, 2)]
    assert [[part.path for part in group.parts] for group in grouped(parts)] == [
        ["0@0", "1@2"], ["2@10"], ["0@20", "2@24"], ["1@30"],
    ]  # fmt: skip
    assert of_one_time(span(5, 5, 0), span(0, 10, 1))  # nobody says how long the first one is
    assert not of_one_time(span(11, 11, 0), span(0, 10, 1))


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (("20260301_15MHz", "20260301_18MHz"), "20260301"),
        (("15MHz_night", "18MHz_night"), "night"),
        (("obs", "obs"), "obs"),
        (("obs", "obs.b"), "obs"),
        (("a1", "a2"), "a1"),
    ],
)
def test_joined_sets_are_called_by_what_their_names_have_in_common(names: Sequence[str], name: str) -> None:
    path, *others = (Path(f"/data/{each}.ms") for each in names)
    assert name_of(path, others) == name


@pytest.mark.parametrize("text", ["beams", "bands,b.ms", ""])
def test_what_is_no_way_to_join_sets_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="join"):
        parse_join(text)
