"""A folder into which tables of gains arrive: which of them a slice has."""

import gc
import os
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fip.corrections.gains.folder import Folder
from fip.corrections.gains.opening import Gains, open_gains
from fip.corrections.gains.source import Source
from fip.corrections.observed import ExpectedWindow
from fip.data.errors import InputError
from support.casa_gains import write_gains
from support.gain_cases import ANTENNAS, CASES, COARSE, FREQUENCY, TIMES, expected_of, observed_of, solutions

ANY = CASES["all-tables"]
EXPECTED = replace(expected_of(ANY), growing=True, end=float(TIMES[0]))


def arrive(folder: Path, name: str, time: float, gain: float, settled: bool = True, kind: str = "G Jones") -> Path:
    """A table whose solutions begin at a time after the first integration (s)."""
    rows, antenna, values = solutions(np.array([TIMES[0] + time]), 1, 0)
    values = np.full_like(values, gain)
    path = write_gains(folder / name, kind, ANTENNAS, rows, antenna, values, [np.array([FREQUENCY.mean()])])
    return settle(path) if settled else path


def settle(path: Path) -> Path:
    """Make it look as if nobody had written into it for a minute."""
    for each in [path, *path.rglob("*")]:
        stat = each.stat()
        os.utime(each, ns=(stat.st_atime_ns, stat.st_mtime_ns - 60_000_000_000))
    return path


def applied(gains: Gains, time: float) -> float:
    """The gain that samples are divided by, at a time after the first integration; 0 if they are flagged."""
    data = observed_of(ANY, times=np.array([TIMES[0] + time]))
    before = data.visibility.copy()
    found = gains.apply(data)
    return 0.0 if found.bad.all() else float(np.sqrt(np.abs(before / found.visibility).mean()))


def test_a_slice_has_the_newest_table_that_begins_not_after_it(tmp_path: Path) -> None:
    arrive(tmp_path, "a", -60, 2.0)
    gains = open_gains([str(tmp_path)], EXPECTED)
    assert applied(gains, 0) == applied(gains, 100) == pytest.approx(2)
    assert gains.named == f"{tmp_path.name}/latest@{gains.digest}"
    first = gains.used(TIMES[0])
    assert first.startswith("a@")
    arrive(tmp_path, "c", 200, 4.0)
    arrive(tmp_path, "b", 100, 3.0)
    assert [applied(gains, time) for time in (0, 99, 100, 150, 200, 1000)] == pytest.approx([2, 2, 3, 3, 4, 4])
    assert [gains.used(TIMES[0] + time)[:2] for time in (0, 150, 1000)] == ["a@", "b@", "c@"]
    assert gains.used(TIMES[0]) == first


def test_a_slice_that_is_cut_again_elsewhere_has_the_same_table(tmp_path: Path) -> None:
    arrive(tmp_path, "a", -60, 2.0)
    arrive(tmp_path, "b", 100, 3.0)
    one, other = (open_gains([str(tmp_path)], EXPECTED) for _ in range(2))
    arrive(tmp_path, "c", 200, 4.0)
    assert one.digest == other.digest
    assert applied(one, 150) == applied(other, 150) == pytest.approx(3)
    assert one.used(TIMES[0] + 150) == other.used(TIMES[0] + 150)


def test_a_table_that_is_being_written_waits_until_it_is_whole(tmp_path: Path) -> None:
    arrive(tmp_path, "a", -60, 2.0)
    gains = open_gains([str(tmp_path)], EXPECTED)
    path = arrive(tmp_path, "b", -30, 3.0, settled=False)
    assert applied(gains, 0) == pytest.approx(2)
    settle(path)
    assert applied(gains, 0) == pytest.approx(3)


def test_a_table_that_is_written_anew_is_read_again(tmp_path: Path) -> None:
    arrive(tmp_path, "a", -60, 2.0)
    gains = open_gains([str(tmp_path)], EXPECTED)
    assert applied(gains, 0) == pytest.approx(2)
    before = gains.used(TIMES[0])
    shutil.rmtree(tmp_path / "a")
    arrive(tmp_path, "a", -60, 5.0)
    assert applied(gains, 0) == pytest.approx(5)
    assert gains.used(TIMES[0]) != before


def test_before_the_first_table_all_is_flagged_and_that_is_said(tmp_path: Path) -> None:
    arrive(tmp_path, "a", 50, 2.0)
    gains = open_gains([str(tmp_path)], EXPECTED)
    assert applied(gains, 49) == 0
    assert applied(gains, 50) == pytest.approx(2)
    assert any("what was observed before is flagged" in note for note in gains.notes)
    assert gains.used(TIMES[0]) == f"{tmp_path.name}/latest: none yet"


def test_a_table_that_does_not_fit_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    arrive(tmp_path, "a", -60, 2.0)
    arrive(tmp_path, "d", -30, 3.0, kind="D Jones")
    (tmp_path / "notes.txt").write_text("night 4\n")
    gains = open_gains([str(tmp_path)], EXPECTED)
    assert applied(gains, 0) == pytest.approx(2)
    assert any("D Jones is of leakage" in note for note in gains.notes)
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(InputError, match="D Jones is of leakage"):
        open_gains([str(tmp_path)], EXPECTED)


def test_the_newest_of_each_kind_are_multiplied_and_a_link_is_no_second_table(tmp_path: Path) -> None:
    arrive(tmp_path, "a", -60, 2.0)
    arrive(tmp_path, "a.B", -80, 3.0, kind="B Jones")
    (tmp_path / "latest").symlink_to(tmp_path / "a")
    gains = open_gains([str(tmp_path)], EXPECTED)
    assert applied(gains, 0) == pytest.approx(6)
    assert [each.partition("@")[0] for each in gains.used(TIMES[0]).split("+")] == ["a", "a.B"]


def test_tables_that_nobody_asks_for_any_more_leave_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fip.corrections.gains.folder._MOST_OPEN", 1)
    for number in range(4):
        arrive(tmp_path, f"t{number}", 10 * number, 2.0 + number)
    gains = open_gains([str(tmp_path)], EXPECTED)
    alive: weakref.WeakSet[Source] = weakref.WeakSet()
    real = Folder.at

    def watched(folder: Folder, *asked: Any) -> tuple[Source, ...]:
        found = real(folder, *asked)
        alive.update(found)
        return found

    monkeypatch.setattr(Folder, "at", watched)
    assert [applied(gains, 10 * number) for number in (0, 1, 2, 3, 0)] == pytest.approx([2, 3, 4, 5, 2])
    gc.collect()
    assert sorted(each.name for each in alive) == ["t0", "t3"]


def test_each_window_has_the_tables_of_its_own_band(tmp_path: Path) -> None:
    arrive(tmp_path, "low", -60, 2.0)
    rows, antenna, values = solutions(np.array([TIMES[0] - 30]), len(COARSE), 0)
    above = COARSE + 500e6
    write_gains(tmp_path / "high", "B Jones", ANTENNAS, rows, antenna, np.full_like(values, 7), [above])
    settle(tmp_path / "high")
    window = EXPECTED.windows[0]
    both = (window, ExpectedWindow(1, window.frequency + 500e6, window.width, window.correlations))
    gains = open_gains([str(tmp_path)], replace(EXPECTED, windows=both))
    assert applied(gains, 0) == pytest.approx(2)
    data = observed_of(ANY, times=TIMES[:1])
    before = data.visibility.copy()
    data = replace(data, spectral_window=1, frequency=window.frequency + 500e6)
    assert np.abs(before / gains.apply(data).visibility).mean() == pytest.approx(49)
    assert sorted(each.partition("@")[0] for each in gains.used(TIMES[0]).split("+")) == ["high", "low"]
