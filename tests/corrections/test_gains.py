"""Gains, applied to samples: what CASA's applycal and DP3 made of the same, kept as fixtures."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.corrections.gains.opening import Gains, open_gains
from fip.corrections.observed import Observed
from support.casa_gains import write_gains
from support.gain_cases import (
    ANTENNAS,
    BEGIN,
    CASES,
    COARSE,
    FREQUENCY,
    TIMES,
    Case,
    expected_of,
    observed_of,
    solutions,
    tables_of,
)
from support.h5parms import write_h5parm

FIXTURES = Path(__file__).parent / "fixtures/gains"
ANY = CASES["all-tables"]
MIDDLE = [np.array([FREQUENCY.mean()])]


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_corrected_samples_are_those_of_casa_and_dp3(case: Case, tmp_path: Path) -> None:
    theirs = np.load(FIXTURES / f"{case.name}.npz")
    tables_of(case, tmp_path)
    ours = open_gains([str(tmp_path / case.file)], expected_of(case)).apply(observed_of(case))
    flag = ours.bad
    if case.program == "dp3":  # which flags all correlations of a sample if one has no solution
        flag = np.broadcast_to(flag.any(axis=-1, keepdims=True), flag.shape)
    assert np.array_equal(flag, theirs["flag"])
    assert relative(ours.visibility, theirs["visibility"], ~flag) < 1e-6
    if case.weights:
        assert relative(ours.weight, theirs["weight"], ~flag) < 1e-6
    else:
        assert (ours.weight == 1).all()


def test_a_set_with_both_columns_gives_what_applycal_wrote_into_the_other(tmp_path: Path) -> None:
    corrected = np.load(FIXTURES / "all-tables.npz")["visibility"]
    tables_of(ANY, tmp_path)
    expected = expected_of(ANY)
    one_by_one = [str(tmp_path / each) for each in ("all.K", "all.B", "all.G")]
    for paths in ([str(tmp_path / ANY.file)], one_by_one):
        data = observed_of(ANY)
        assert relative(data.visibility, corrected, ~data.bad) > 0.1
        assert relative(open_gains(paths, expected).apply(data).visibility, corrected, ~data.bad) < 1e-6


@pytest.mark.parametrize("names", ["XX", "YY", "XX YY", "YY XX", "XX XY YX YY", "RR LL", "LL", "RR RL LR LL"])
def test_any_number_of_correlations_is_corrected_by_its_own_receptors(names: str, tmp_path: Path) -> None:
    correlations = tuple(names.split())
    tables_of(ANY, tmp_path)
    whole = open_gains([str(tmp_path / ANY.file)], expected_of(ANY)).apply(data := observed_of(ANY))
    receptors = {"X": 0, "Y": 1, "R": 0, "L": 1}
    planes = [2 * receptors[each[0]] + receptors[each[1]] for each in correlations]
    some: dict[str, Any] = {name: each[..., planes] for name, each in arrays(observed_of(ANY)).items()}
    fewer = replace(observed_of(ANY), correlations=correlations, **some)
    found = open_gains([str(tmp_path / ANY.file)], expected_of(ANY, correlations)).apply(fewer)
    assert np.array_equal(found.visibility, whole.visibility[..., planes])
    assert np.array_equal(found.weight, data.weight[..., planes])


def test_whole_matrices_undo_what_they_do_to_the_sky(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    jones = random.normal(size=(len(ANTENNAS), 1, 2, 2, 2)) @ [1, 1j]
    axes = {"ant": ANTENNAS, "pol": ("XX", "XY", "YX", "YY")}
    elements = jones.reshape(len(ANTENNAS), 4)
    path = write_h5parm(
        tmp_path / "j.h5", {"amplitude000": (np.abs(elements), axes), "phase000": (np.angle(elements), axes)}
    )
    sky = observed_of(ANY)
    seen = jones[sky.antenna1] @ sky.visibility.reshape(*sky.visibility.shape[:2], 2, 2)
    seen = seen @ np.swapaxes(jones[sky.antenna2].conj(), -1, -2)
    data = replace(observed_of(ANY), visibility=seen.reshape(sky.visibility.shape).astype(np.complex64))
    found = open_gains([str(path)], expected_of(ANY)).apply(data)
    assert relative(found.visibility, sky.visibility, ~found.bad) < 2e-5  # these matrices are no better conditioned


def test_solutions_hold_beyond_their_ends_and_that_is_said(tmp_path: Path) -> None:
    times = TIMES[0] + np.array([10.0, 30.0])
    path = gains_at(tmp_path / "g", times, phases=[0.5, 2.5])
    gains = open_gains([path], expected_of(ANY))
    assert [note.partition("g: ")[2] for note in gains.notes] == [
        "its first solutions are 10 s after the begin: they hold until then, too",
        "its last solutions are 10 s before the end: they hold after that, too",
    ]
    for time, phase in ((0, 0.5), (10, 0.5), (20, 1.5), (25, 2.0), (30, 2.5), (35, 2.5)):
        assert phase_of(gains, TIMES[0] + time) == pytest.approx(phase, abs=1e-6)
    growing = open_gains([path], replace(expected_of(ANY), growing=True, end=float(TIMES[0])))
    assert any("hold for what is observed later, too" in note for note in growing.notes)


def test_phases_take_the_shorter_way_round(tmp_path: Path) -> None:
    gains = open_gains([gains_at(tmp_path / "g", TIMES[:2], phases=[3.0, -3.0])], expected_of(ANY))
    assert phase_of(gains, TIMES[0] + 2.0) == pytest.approx(3.0 + (2 * np.pi - 6) / 4, abs=1e-6)


def test_each_integration_of_a_slice_has_the_gains_of_its_own_time(tmp_path: Path) -> None:
    path = gains_at(tmp_path / "g", TIMES, phases=list(np.arange(len(TIMES))))
    data = observed_of(ANY)
    shuffled = np.random.default_rng(0).permutation(len(data.time))
    for order in (np.arange(len(shuffled)), shuffled):
        sorted_by = ("antenna1", "antenna2", "time", "integration", "visibility", "weight", "bad")
        some: dict[str, Any] = {name: getattr(data, name)[order].copy() for name in sorted_by}
        rows = replace(data, **some)
        before = rows.visibility.copy()
        turned = np.angle(before / open_gains([path], expected_of(ANY)).apply(rows).visibility)
        wanted = np.where(rows.antenna1 == 0, rows.integration, 0.0)
        assert np.abs(np.exp(1j * turned) - np.exp(1j * wanted)[:, None, None]).max() < 1e-6


def test_samples_without_a_solution_are_bad_and_counted_in_a_note(tmp_path: Path) -> None:
    time, antenna, values = solutions(TIMES, 1, 1)
    values[antenna == 2] = np.nan
    values[antenna == 1] = 0
    names = (*ANTENNAS[:4], "elsewhere")
    path = write_gains(tmp_path / "g", "G Jones", names, time, antenna, values, MIDDLE)
    gains = open_gains([str(path)], expected_of(ANY))
    found = gains.apply(observed_of(ANY))
    lost = np.isin(found.antenna1, [1, 2, 4]) | np.isin(found.antenna2, [1, 2, 4])
    assert np.array_equal(found.bad, np.broadcast_to(lost[:, None, None], found.bad.shape))
    assert np.isfinite(found.visibility).all()
    notes = "\n".join(gains.notes)
    assert "has no m004: their samples are flagged" in notes
    assert "24 of 48 solutions are 0 or no finite number: flagged" in notes


@pytest.mark.filterwarnings("error")
def test_samples_that_are_no_numbers_pass_without_a_word(tmp_path: Path) -> None:
    tables_of(ANY, tmp_path)
    data = observed_of(ANY)
    data.visibility[::3] = np.nan
    data.visibility[1::3] = np.inf
    data.visibility[2::6] = 3e38
    assert np.isfinite(open_gains([str(tmp_path / ANY.file)], expected_of(ANY)).apply(data).visibility[5::6]).all()


def test_what_is_told_goes_with_what_is_applied(tmp_path: Path) -> None:
    first, other = (gains_at(tmp_path / name, TIMES, phases=[0.1] * 6) for name in ("one", "two"))
    changed = gains_at(tmp_path / "three", TIMES, phases=[0.1] * 5 + [0.2])
    mapped = tmp_path / "lib.txt"
    mapped.write_text(f"caltable='{first}' tinterp='nearest' calwt=False\n")
    opened = [open_gains([path], expected_of(ANY)) for path in (first, other, changed, str(mapped))]
    assert opened[0].digest == opened[1].digest
    assert len({each.digest for each in opened}) == 3
    assert all(len(each.digest) == 16 and int(each.digest, 16) >= 0 for each in opened)
    assert opened[0].named == f"one@{opened[0].digest}" == opened[0].used(BEGIN)
    both = open_gains([first, changed], expected_of(ANY))
    assert both.named == f"one@{opened[0].digest},three@{opened[2].digest}"
    assert both.digest not in {each.digest for each in opened}


def test_matrices_that_time_does_not_change_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fip.corrections.gains import solutions as module

    made: list[str] = []
    real = module.Factor.jones

    def counted(factor: module.Factor, *more: Any) -> module.Jones:
        made.append(factor.law)
        return real(factor, *more)

    monkeypatch.setattr(module.Factor, "jones", counted)
    tables_of(ANY, tmp_path)
    gains = open_gains([str(tmp_path / ANY.file)], expected_of(ANY))
    data = observed_of(ANY)
    for _ in range(2):
        gains.apply(data)
    assert made.count("delay") == 1  # K and B are made once; G, whose times may come again, at each
    assert made.count("gain") > len(TIMES)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("polarisations", [("XX", "YY"), ("XX", "XY", "YX", "YY")])
def test_gains_that_cannot_be_undone_are_bad(polarisations: tuple[str, ...], tmp_path: Path) -> None:
    axes: dict[str, Any] = {"ant": ANTENNAS, "pol": polarisations}
    gains = np.ones((5, 2)) if len(polarisations) == 2 else np.tile([1.0, 0.5, 0.5, 2.0], (5, 1))
    gains[0], gains[1], gains[2] = 1e-300, 1e300, 0.0
    gains[3] = np.array([1.0, 1.0, 1.0, 1.0])[: len(polarisations)]  # as a matrix it has no inverse
    lost = [0, 1, 2] if len(polarisations) == 2 else [0, 1, 2, 3]
    path = write_h5parm(tmp_path / "s.h5", {"amplitude000": (gains, axes)})
    found = open_gains([str(path)], expected_of(ANY)).apply(observed_of(ANY))
    rows = np.isin(found.antenna1, lost) | np.isin(found.antenna2, lost)
    assert np.array_equal(found.bad, np.broadcast_to(rows[:, None, None], found.bad.shape))
    assert np.isfinite(found.visibility).all()


def test_one_solution_is_for_all_windows_that_are_imaged(tmp_path: Path) -> None:
    axes: dict[str, Any] = {"time": TIMES, "freq": FREQUENCY[:1], "ant": ANTENNAS}
    ones: NDArray[np.float64] = np.ones((len(TIMES), 1, len(ANTENNAS)))
    path = write_h5parm(tmp_path / "s.h5", {"phase000": (ones, axes), "tec000": (ones, axes)})
    window = expected_of(ANY).windows[0]
    both = (window, replace(window, spectral_window=1, frequency=FREQUENCY + 40e6))
    assert not open_gains([str(path)], replace(expected_of(ANY), windows=both)).apply(observed_of(ANY)).bad.any()


def test_gains_can_be_handed_to_another_process(tmp_path: Path) -> None:
    tables_of(ANY, tmp_path)
    gains = open_gains([str(tmp_path / ANY.file)], expected_of(ANY))
    wanted = gains.apply(observed_of(ANY)).visibility
    other = pickle.loads(pickle.dumps(gains))
    assert np.array_equal(other.apply(observed_of(ANY)).visibility, wanted)
    assert (other.named, other.digest, other.notes) == (gains.named, gains.digest, gains.notes)


def test_a_window_goes_to_the_one_of_its_frequencies_if_numbers_differ(tmp_path: Path) -> None:
    time, antenna, values = solutions(np.array([BEGIN]), len(COARSE), 3)
    path = write_gains(tmp_path / "b", "B Jones", ANTENNAS, time, antenna, values, [COARSE + 500e6, COARSE], window=1)
    gains = open_gains([str(path)], expected_of(ANY))
    assert any("its window 1 is taken for spectral window 0, by frequency" in note for note in gains.notes)
    assert not gains.apply(observed_of(ANY)).bad.any()


def test_a_band_that_descends_is_interpolated_as_one_that_ascends(tmp_path: Path) -> None:
    time, antenna, values = solutions(np.array([BEGIN]), len(COARSE), 3)
    paths = [
        str(write_gains(tmp_path / f"b{step}", "B Jones", ANTENNAS, time, antenna, values[:, ::step], [COARSE[::step]]))
        for step in (1, -1)
    ]
    up, down = (open_gains([each], expected_of(ANY)).apply(observed_of(ANY)) for each in paths)
    assert np.array_equal(up.visibility, down.visibility)


def gains_at(path: Path, times: NDArray[np.floating], phases: list[float]) -> str:
    """Gains of 1, but that antenna 0 turns by these phases (rad)."""
    time, antenna, values = solutions(times, 1, 0)
    turn = np.repeat(np.asarray(phases), len(ANTENNAS)) * (antenna == 0)
    values = np.exp(1j * turn)[:, None, None] * np.ones_like(values)
    return str(write_gains(path, "G Jones", ANTENNAS, time, antenna, values, MIDDLE))


def phase_of(gains: Gains, time: float) -> float:
    """Return the phase by which antenna 0 is turned at a time."""
    data = observed_of(ANY, times=np.array([time]))
    before = data.visibility.copy()
    row = int(np.flatnonzero(data.antenna1 == 0)[0])
    return float(np.angle(before / gains.apply(data).visibility)[row, 0, 0] % (2 * np.pi))


def arrays(data: Observed) -> dict[str, NDArray[Any]]:
    """Return the arrays that are corrected."""
    return {"visibility": data.visibility, "weight": data.weight, "bad": data.bad}


def relative(ours: NDArray[Any], theirs: NDArray[Any], good: NDArray[np.bool_]) -> float:
    """The largest difference, relative to the largest value."""
    return float(np.abs(ours - theirs)[good].max() / np.abs(theirs[good]).max())
