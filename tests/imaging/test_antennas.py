"""The health of antennas: those that are flagged away or out of line are found in a real MeasurementSet, no others."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.data.settings import Asked, asked
from fip.imaging.antennas import health, together
from fip.source.open_run import open_run
from fip.state.antennas import antennas_view
from fip.ventilator.antenna_window import Antennas
from fip.wire.messages import LATELY
from fip.wire.status import AntennaHealth
from support import small_ms

NAMES = ("north", "east", "south", "west", "middle")
SMALL = asked(size=(64, 64))
Rows = NDArray[np.bool_]


def with_antenna(path: Path, number: int) -> Rows:
    """The rows [row] of its baselines."""
    with small_ms.edit(path) as table:
        return np.asarray((table.getcol("ANTENNA1") == number) | (table.getcol("ANTENNA2") == number))


def flag(path: Path, rows: Rows, channels: slice = slice(None)) -> None:
    """Flag these rows in some channels."""

    def alter(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        flags[rows, channels] = True
        return flags

    small_ms.change(path, "FLAG", alter)


def amplify(path: Path, rows: Rows, factor: float) -> None:
    """Make the amplitudes of these rows so many times as large."""
    small_ms.change(path, "DATA", lambda data: np.where(rows[:, None, None], factor * data, data))


@pytest.fixture
def ms(tmp_path: Path) -> Path:
    """Five antennas with names, and an autocorrelation of each that shows nothing like the sky."""
    columns = small_ms.rows(windows=2, autocorrelations=True)
    path = small_ms.write(tmp_path / "small.ms", columns, bands=(small_ms.BAND, small_ms.BAND + 4e6))
    small_ms.change(path / "ANTENNA", "NAME", lambda names: np.array(NAMES))
    amplify(path, columns["ANTENNA1"] == columns["ANTENNA2"], 1e3)
    return path


def told(path: Path, selection: Asked = SMALL) -> AntennaHealth:
    """Return the health shown after all slices of a MeasurementSet."""
    run = open_run(path, selection)
    tallies = [run.read_with_antennas(number)[1] for number in range(len(run.slices))]
    run.close()
    return health(run.id, together(tallies))


def faults(found: AntennaHealth) -> dict[str, str]:
    """The antennas that should be looked at, and why."""
    seen = antennas_view(found)
    assert seen
    return {each.name: each.fault for each in seen.faulty}


def test_antennas_that_are_well(ms: Path) -> None:
    """Nothing is flagged, and a point source is as bright on each baseline."""
    found = told(ms)
    assert found.names == NAMES
    assert found.flagged == (0.0,) * 5
    assert found.level == (1.0,) * 5
    assert faults(found) == {}


def test_one_is_flagged_and_one_is_too_bright(ms: Path) -> None:
    """Exactly these are named: the flags of the one and the amplitudes of the other are not held against the rest."""
    flag(ms, with_antenna(ms, 3))
    amplify(ms, with_antenna(ms, 1), 10.0)
    found = told(ms)
    assert faults(found) == {"west": "flagged", "east": "high"}
    assert found.flagged == (0.0, 0.0, 0.0, 1.0, 0.0)
    assert found.share == 0.4  # of ten baselines four
    assert found.level[1] == pytest.approx(10)
    assert found.level[3] is None


@pytest.mark.parametrize(("factor", "fault"), [(0.1, "low"), (1e-9, "low"), (1 / 1.9, ""), (1.9, ""), (2.1, "high")])
def test_amplitudes_count_from_a_factor_of_two(ms: Path, factor: float, fault: str) -> None:
    """This is relative to antennas that are otherwise alike; an antenna that hears next to nothing is low."""
    amplify(ms, with_antenna(ms, 0), factor)
    found = told(ms)
    assert found.level[0] == pytest.approx(factor, rel=1e-2)
    assert faults(found) == ({"north": fault} if fault else {})


def test_an_antenna_that_is_filled_with_zeros_is_flagged_away(ms: Path) -> None:
    """It has no amplitude: zeros are no samples."""
    amplify(ms, with_antenna(ms, 0), 0.0)
    found = told(ms)
    assert (found.flagged[0], found.level[0]) == (1.0, None)
    assert faults(found) == {"north": "flagged"}


def test_shares_are_of_the_samples_that_are_selected(ms: Path) -> None:
    """Three of the four channels of one of two windows: 3/8 of an antenna, and a quarter of that of each other one."""
    second = np.asarray(small_ms.rows(windows=2, autocorrelations=True)["DATA_DESC_ID"] == 1)
    flag(ms, with_antenna(ms, 2) & second, slice(1, 4))
    assert told(ms).flagged == (0.094, 0.094, 0.375, 0.094, 0.094)
    assert faults(told(ms)) == {}


def test_where_all_is_flagged_every_antenna_is(ms: Path) -> None:
    """There is no amplitude then, and no sample to compare with."""
    flag(ms, np.ones(len(with_antenna(ms, 0)), bool))
    found = told(ms)
    assert found.flagged == (1.0,) * 5
    assert found.level == (None,) * 5


def test_antennas_without_samples_are_not_told(ms: Path) -> None:
    """These are not selected, or only in the table; a baseline of unknown antennas is nobody's."""
    found = told(ms, asked(size=(64, 64), antenna=("!north",)))
    assert found.names == NAMES[1:]


@given(st.lists(st.floats(0.8, 1.25), min_size=5, max_size=60), st.floats(40, 1e6), st.data())
def test_an_outlier_is_found_among_any_scatter(levels: list[float], factor: float, data: st.DataObject) -> None:
    """Levels within 25 % of 1 have |ln level - m| <= 0.45, so that s <= 0.67, and the limit is 30 at most."""
    bad = data.draw(st.integers(0, len(levels) - 1))
    levels[bad] = factor
    seen = antennas_view(
        AntennaHealth("r", 0.0, tuple(map(str, range(len(levels)))), (0.0,) * len(levels), tuple(levels))
    )
    assert seen
    assert [each.name for each in seen.faulty] == [str(bad)]


def test_what_is_told_is_of_late(ms: Path) -> None:
    """Slices of the last seconds together, of one run; the last values stay if no more are read."""
    run = open_run(ms, SMALL)
    _, clean, _ = run.read_with_antennas(0)
    run.close()
    bad = together([clean])
    bad.good[3] = 0.0
    watch = Antennas()
    assert watch.health() is None
    for second, each in ((0.0, bad), (0.5, clean), (5.0, clean)):
        watch.add("r", each, second)
    assert shares(watch) == (0.0, 0.0, 0.0, 0.333, 0.0)
    watch.add("r", clean, LATELY + 0.1)
    assert shares(watch) == (0.0,) * 5
    watch.add("s", bad, LATELY + 0.2)
    assert shares(watch) == (0.0, 0.0, 0.0, 1.0, 0.0)
    found = watch.health()
    assert found
    assert found.run == "s"


def shares(watch: Antennas) -> tuple[float, ...]:
    """Return the shares that are shown as flagged."""
    found = watch.health()
    assert found
    return found.flagged
