"""`fip completeness`: shares, their intervals and the points of a fit, of sources whose chance to be found is known."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from scipy.special import ndtr
from scipy.stats import binom

from fip.data.errors import UsageError
from fip.events.completeness import (
    BRIGHTNESS,
    Tried,
    as_lines,
    as_objects,
    injections_table,
    points_of,
    read_injections,
    series_key,
    threshold_of,
)
from fip.search.points import interval
from support.fip_command import fip

U, HALF = 6.4, 6.2


def rows(count: int, seed: int = 1, average: int = 1) -> list[dict[str, Any]]:
    """Return rows of a journal: half of its sources are found at S/N 6.2, and nine tenths at 7.48."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        snr, seen = float(random.uniform(5, 12)), False
        seen = bool(random.random() < ndtr(snr - HALF))
        found.append({
            "what": "injection", "series": series_key("ab12", "A/b", "V", average), "x": 1.5, "y": 2.25,
            "first": number, "width": int(65 ** random.random()),
            "snr": snr, "found": seen, "event": number if seen else None,
        })  # fmt: skip
    return found


def tried(of: list[dict[str, Any]], average: int = 1) -> tuple[Tried, ...]:
    """The same as it is read."""
    return tuple(Tried(average, row["width"], row["snr"], row["found"]) for row in of)


def searched(directory: Path, of: list[dict[str, Any]]) -> Path:
    """A directory whose search put these in."""
    (directory / "transients").mkdir()
    (directory / "fip.sqlite").touch()
    injections_table(of).write(directory / "transients" / "injections.ecsv", format="ascii.ecsv")
    Table({"threshold": [U, U]}).write(directory / "transients" / "rates.ecsv", format="ascii.ecsv")
    return directory


def test_points_and_errors_are_those_of_the_chance_to_be_found() -> None:
    found = [points_of(tried(rows(300, seed))) for seed in range(30)]
    for values, errors, true in (
        ([each.half for each in found], [each.half_error for each in found], HALF),
        ([each.most for each in found], [each.most_error for each in found], HALF + 1.2816),
    ):
        assert np.mean(values) == pytest.approx(true, abs=4 * float(np.mean(errors)) / math.sqrt(30))
        assert np.std(values) == pytest.approx(np.mean(errors), rel=0.4)


@pytest.mark.parametrize("of", [[], [(7.0, True)], [(7.0, False)], [(5.0, False), (6.0, False), (6.1, True)]])
def test_points_are_unknown_if_nothing_tells_them(of: list[tuple[float, bool]]) -> None:
    assert math.isnan(points_of(Tried(1, 1, *each) for each in of).half)


@pytest.mark.parametrize("true", [0.03, 0.5, 0.97])
def test_an_interval_holds_the_share_in_95_of_100_cases_or_more(true: float) -> None:
    counts = np.arange(21)
    holds = np.array([low <= true <= high for low, high in (interval(int(found), 20) for found in counts)])
    assert 0.95 <= binom.pmf(counts, 20, true)[holds].sum() <= 0.999
    assert interval(0, 3)[0] == 0
    assert interval(3, 3)[1] == 1


def test_a_table_says_what_was_found_what_theory_says_and_what_is_wanted() -> None:
    of = rows(1000)
    seen = [sum(row["found"] for row in of if low <= row["snr"] < high) for low, high in (*BRIGHTNESS, (5, 12))]
    lines = as_lines(tried(of), U)
    assert f"{seen[-1]} found of 1000 sources" in lines[0]
    assert "events are from S/N 6.40 on" in lines[0]
    by_name = {line.split("  ")[0]: line.split() for line in lines[1:]}
    assert set(by_name) >= {"1", "2 to 3", "4 to 7", "8 to 15", "16 to 31", "32 to 64", "all", "95 %", "theory"}
    assert [int(cell.split("/")[0]) for cell in by_name["all"][1:7]] == seen
    assert float(by_name["theory"][2]) == pytest.approx(0.54, abs=0.03)  # the mean over 6..7 of Phi(S - 6.4)
    assert "<= 6.70" in lines[-2]
    assert "<= 7.98" in lines[-2]


def test_few_sources_are_said_to_be_few() -> None:
    assert "12 sources are few" in as_lines(tried(rows(12)), None)[-1]
    assert not any("are few" in line for line in as_lines(tried(rows(60)), None))
    (line,) = as_lines((), U)
    assert "no source was put in yet" in line


def test_each_average_has_a_table_of_its_own() -> None:
    all_ = (*tried(rows(30)), *tried(rows(20, 2), 32))
    one, other = as_objects(all_, U)
    assert (one["average"], one["asked"], other["average"], other["asked"]) == (1, 30, 32, 20)
    assert one["half_wanted"] == pytest.approx(U + 0.3)
    assert sum(each["asked"] for each in one["by_width"]) == 30
    assert sum("means of 32 slices" in line for line in as_lines(all_, U)) == 1


def test_the_command_reads_what_a_search_has_written(tmp_path: Path) -> None:
    of = rows(40)
    told = fip("completeness", searched(tmp_path, of))
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == as_lines(tried(of), U)
    assert read_injections(tmp_path) == tried(of)
    assert threshold_of(tmp_path) == U
    table = Table.read(tmp_path / "transients" / "injections.ecsv", format="ascii.ecsv")
    assert (table["field"][0], table["stokes"][0], table["x"].unit) == ("A/b", "V", "pix")
    assert [row["event"] is not np.ma.masked for row in table] == [row["found"] for row in of]
    in_json = fip("completeness", tmp_path, "--json")
    assert json.loads(in_json.stdout) == as_objects(tried(of), U)


def test_a_search_that_put_nothing_in_has_an_empty_table(tmp_path: Path) -> None:
    assert read_injections(searched(tmp_path, [])) == ()


def test_what_cannot_be_told_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a directory of images"):
        read_injections(tmp_path)
    (tmp_path / "fip.sqlite").touch()
    with pytest.raises(UsageError, match=r"no search has put sources into its images: `fip detect .*` does"):
        read_injections(tmp_path)
    (tmp_path / "transients").mkdir()
    path = tmp_path / "transients" / "injections.ecsv"
    Table({"snr": [1.0]}).write(path, format="ascii.ecsv")
    with pytest.raises(UsageError, match="it has no column average"):
        read_injections(tmp_path)
    path.write_text("nothing\nof the kind, at all")
    with pytest.raises(UsageError, match=f"{path}: cannot be read") as refused:
        read_injections(tmp_path)
    assert "\n" not in str(refused.value)
