"""Gains that cannot be applied: one line that names the file, what was found, and what would work."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from fip.corrections.gains.opening import open_gains, paths_read
from fip.corrections.observed import Expected
from fip.data.errors import InputError, UsageError
from support.casa_gains import write_gains
from support.gain_cases import ANTENNAS, BEGIN, CASES, FREQUENCY, TIMES, expected_of, observed_of, solutions
from support.h5parms import write_h5parm

DAY = 86400.0
EXPECTED = expected_of(CASES["all-tables"])
MIDDLE = [np.array([FREQUENCY.mean()])]


def gains(folder: Path, kind: str = "G Jones", **more: Any) -> Path:
    """A good table, but for what is said."""
    time, antenna, values = solutions(TIMES, 1, 1)
    said: dict[str, Any] = {
        "antennas": ANTENNAS,
        "time": time,
        "antenna": antenna,
        "values": values,
        "frequencies": MIDDLE,
    } | more
    return write_gains(folder / "g", kind, **said)


def of_another_array(folder: Path) -> Path:
    return gains(folder, antennas=[f"ea{number:02}" for number in range(5)])


def standing_elsewhere(folder: Path) -> Path:
    return gains(folder, position=np.full((5, 3), 5000.0))


def of_last_month(folder: Path) -> Path:
    time, _, _ = solutions(TIMES - 30 * DAY, 1, 1)
    return gains(folder, time=time)


def of_another_band(folder: Path) -> Path:
    return gains(folder, frequencies=[np.array([816e6])])


def unreadable(folder: Path) -> Path:
    path = gains(folder)
    for file in path.glob("table.f*"):
        file.write_bytes(file.read_bytes()[:100])
    return path


def without_subtable(folder: Path) -> Path:
    path = gains(folder)
    shutil.rmtree(path / "ANTENNA")
    return path


def all_flagged(folder: Path) -> Path:
    return gains(folder, flag=np.ones((len(TIMES) * 5, 1, 2), bool))


def no_kind(folder: Path) -> Path:
    path = gains(folder)
    with table(str(path), readonly=False, ack=False) as main:
        main.removekeyword("VisCal")
    return path


def not_a_time(folder: Path) -> Path:
    time = solutions(TIMES, 1, 1)[0]
    time[7] = np.nan
    return gains(folder, time=time)


def twice(folder: Path) -> Path:
    time, _, _ = solutions(TIMES, 1, 1)
    time[12] = time[7]
    return gains(folder, time=time)


def empty(folder: Path) -> Path:
    with table(str(gains(folder)), ack=False) as main:
        main.copy(str(folder / "none"), deep=True, copynorows=True)
    return folder / "none"


def atomic(folder: Path) -> Path:
    path = gains(folder)
    with table(str(path), readonly=False, ack=False) as main:
        main.putcolkeywords("TIME", {"QuantumUnits": ["s"], "MEASINFO": {"type": "epoch", "Ref": "TAI"}})
    return path


def unlike_its_window(folder: Path) -> Path:
    return gains(folder, frequencies=[FREQUENCY])


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (of_another_array, "is of another array: its antennas are ea00, ea01, ea02, ea03 and 1 more, those of some.ms"),
        (standing_elsewhere, "antenna m000 stands 8660 m from where some.ms has it; give a table of the same antennas"),
        (of_last_month, "no overlap in time: its solutions are from"),
        (of_another_band, "no overlap in frequency: its solutions are for 816 to 816 MHz, and spectral window 0"),
        (unreadable, "cannot be read as a CASA table of gains"),
        (without_subtable, "cannot be read as a CASA table of gains"),
        (all_flagged, "window 0: all solutions are flagged; solve for gains again"),
        (no_kind, "is no table of gains of CASA's (it has no keyword VisCal)"),
        (not_a_time, "row 7: TIME is nan"),
        (twice, "rows 7 and 12 are of one antenna, window and time"),
        (empty, "is empty"),
        (atomic, "TIME is in the frame TAI"),
        (unlike_its_window, "row 0: CPARAM has the shape (1, 2), and should have (8, 2)"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(
    write: Callable[[Path], Path], said: str, tmp_path: Path
) -> None:
    path = write(tmp_path)
    expected = replace(EXPECTED, position=np.full((5, 3), 10000.0))
    assert said in refused([path], expected)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("T Jones", "is of the troposphere"),
        ("D Jones", "is of leakage"),
        ("Df Jones", "is of leakage"),
        ("KAntPos Jones", "corrects antenna positions, which changes uvw, too"),
        ("Fringe Jones", "is of fringes, with rates"),
        ("EGainCurve", "is a gain curve, which goes with elevation"),
        ("Something Jones", "is of a kind that FIP does not apply"),
    ],
)
def test_other_kinds_are_refused_with_the_reason(kind: str, why: str, tmp_path: Path) -> None:
    found = refused([gains(tmp_path, kind)])
    assert f"{kind} {why}" in found
    assert "(--gains takes K Jones, B Jones, G Jones)" in found


def test_what_is_no_gains_is_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("remember the milk\n")
    assert f"--gains {text}: is neither a CASA table, nor an h5parm file" in refused([text])
    assert "no such table, file or folder" in refused([tmp_path / "absent"])
    assert "cannot be read: File name too long" in refused([tmp_path / ("long" * 99)])
    (tmp_path / "empty").mkdir()
    assert "holds no table of gains" in refused([tmp_path / "empty"])
    with pytest.raises(UsageError, match="names nothing"):
        open_gains([], EXPECTED)


def test_correlations_that_have_no_receptors_are_refused(tmp_path: Path) -> None:
    expected = expected_of(CASES["all-tables"], ("I",))
    assert "gains apply to XX, XY, YX, YY or RR, RL, LR, LL, and spectral window 0 has I" in refused(
        [gains(tmp_path)], expected
    )


def test_gains_go_by_names_which_must_differ(tmp_path: Path) -> None:
    expected = replace(EXPECTED, antennas=("m000", "m001", "m001", "m003", "m004"))
    assert "two antennas of some.ms have the name 'm001'" in refused([gains(tmp_path)], expected)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("caltable='g' tinterp='cubic'", "tinterp='cubic' is not supported (nearest, linear)"),
        (
            "caltable='g' finterp='spline'",
            "finterp='spline' is not supported (nearest, linear, nearestflag, linearflag)",
        ),
        ("caltable='g' spwmap=[1]", "spwmap has 1 for spectral window 0, and the table has solutions for 0"),
        ("caltable='g' spwmap=['a']", "spwmap=['a'] is no list of numbers"),
        ("caltable='g' fldmap=[3]", "fldmap has 3, and the table has solutions for fields 0"),
        ("caltable='g' fldmap='nobody'", "fldmap has nobody, and the table has solutions for fields 0"),
        ("caltable='g' calwt=3", "calwt=3 is neither True nor False"),
        ("caltable='g' field='0'", "field is not supported: FIP applies a table to all that it images"),
        ("caltable='g' interp='linear'", "interp is no key of a cal library"),
        ("caltable='g' linear", "'linear' is no KEY=VALUE of a cal library"),
        ("caltable=g", "caltable=g is no value (texts have quotes, lists brackets)"),
        ("tinterp='linear' # caltable", "names no caltable"),
        ("caltable='h'", "no such table: neither a CASA table nor an h5parm file"),
    ],
)
def test_a_line_of_a_cal_library_that_is_wrong_is_named(line: str, said: str, tmp_path: Path) -> None:
    gains(tmp_path)
    library = tmp_path / "lib.txt"
    library.write_text(f"# first caltable\n{line}\n")
    found = refused([library])
    assert found.startswith(f"{library}: line 2: ")
    assert said in found


def test_all_that_a_cal_library_would_read_is_told_beforehand(tmp_path: Path) -> None:
    path = gains(tmp_path)
    library = tmp_path / "lib.txt"
    library.write_text(f"\n# a note\ncaltable='g', calwt=F\ncaltable = \"{path}\" spwmap=[0] fldmap='nearest'\n")
    assert paths_read([str(library), str(path)], EXPECTED) == (library, path, path, path)
    assert len(open_gains([str(library)], EXPECTED).named.split(",")) == 2


AXES: dict[str, Any] = {"time": TIMES, "ant": ANTENNAS, "freq": FREQUENCY, "pol": ("XX", "YY"), "dir": ("[a]",)}
ONES = np.ones([len(each) for each in AXES.values()])


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"phase000": (ONES.repeat(3, 4), AXES | {"dir": ("[a]", "[b]", "[c]")})},
            "has 3 along dir: FIP applies solutions",
        ),
        ({"rotationmeasure000": (ONES, AXES)}, "rotationmeasure000 holds rotationmeasure, which FIP does not apply"),
        ({"phase000": (ONES, AXES), "phase001": (ONES, AXES)}, "has two tables of phase"),
        ({"phase000": (ONES * np.nan, AXES)}, "all solutions are NaN or have weight 0"),
        ({"phase000": (ONES, AXES | {"ant": ("CS001HBA0",) * 5})}, "is of another array: its antennas are CS001HBA0"),
        ({"phase000": (ONES, AXES | {"freq": FREQUENCY / 9})}, "no overlap in frequency"),
        ({"phase000": (ONES, AXES | {"time": TIMES - 3 * DAY})}, "no overlap in time"),
        ({"phase000": (ONES, AXES | {"time": TIMES[::-1]})}, "times or frequencies do not ascend"),
        ({"phase000": (ONES, AXES | {"pol": ("XX", "XY")})}, "its polarisations are XX, XY, and should be XX, YY"),
        (
            {"phase000": (ONES, AXES), "amplitude000": (ONES[:1], AXES | {"time": TIMES[:1]})},
            "amplitude and phase have different axes",
        ),
    ],
)
def test_an_h5parm_file_that_does_not_fit_is_refused_in_one_line(
    tables: dict[str, Any], said: str, tmp_path: Path
) -> None:
    assert said in refused([write_h5parm(tmp_path / "s.h5", tables)])


def test_whole_matrices_need_four_correlations(tmp_path: Path) -> None:
    axes = {"ant": ANTENNAS, "pol": ("XX", "XY", "YX", "YY")}
    path = write_h5parm(tmp_path / "s.h5", {"amplitude000": (np.ones((5, 4)), axes)})
    expected = expected_of(CASES["all-tables"], ("XX", "YY"))
    assert "whole 2 x 2 matrices need four correlations, and spectral window 0 has XX, YY" in refused([path], expected)


def test_a_damaged_h5parm_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write_h5parm(tmp_path / "s.h5", {"phase000": (ONES, AXES)})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    assert f"--gains {path}: cannot be read as an h5parm file" in refused([path])


def test_times_within_a_day_are_taken_and_times_of_zero_always(tmp_path: Path) -> None:
    time, _, _ = solutions(TIMES, 1, 1)
    for name, shift in (("before", -DAY + 100), ("after", DAY - 100)):
        (tmp_path / name).mkdir()
        assert open_gains([str(gains(tmp_path / name, time=time + shift))], EXPECTED).notes
    time, antenna, values = solutions(np.zeros(1), 1, 1)
    (tmp_path / "always").mkdir()
    always = gains(tmp_path / "always", time=time, antenna=antenna, values=values)
    assert open_gains([str(always)], replace(EXPECTED, end=BEGIN + 100 * DAY)).notes == ()


def test_samples_of_a_field_that_came_later_are_refused_in_one_line(tmp_path: Path) -> None:
    opened = open_gains([str(gains(tmp_path))], EXPECTED)
    with pytest.raises(InputError, match=r"^some\.ms: spectral window 0 and field 7 came after the gains of g "):
        opened.apply(replace(observed_of(CASES["all-tables"]), field=7))


def refused(paths: list[Path], expected: Expected = EXPECTED) -> str:
    """The line with which gains are refused."""
    with pytest.raises(InputError) as raised:
        open_gains([str(each) for each in paths], expected)
    line = str(raised.value)
    assert "\n" not in line
    return line
