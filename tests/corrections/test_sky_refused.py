"""Source lists that cannot be used, or are damaged: refused in one line that names the fault and its place."""

import random
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from corrections.sky_support import BEGIN, FORMAT, FREQUENCY, GOOD, expected, opened, written
from fip.corrections.sky.opening import open_sky
from fip.data.errors import FipError

BAD = {
    "empty": ("", "is empty"),
    "no Format line": (GOOD, "no line 'Format ="),
    "no sources": (FORMAT, "holds no source"),
    "column": ("Format = Name, Ra, Dec, I, Hue\nx, 10:20:00, -45.00.00, 1, red", "line 1: column 'Hue' is not known"),
    "no flux column": ("Format = Name, Ra, Dec\nx, 10:20:00, -45.00.00", "line 1: no column I"),
    "twice": ("Format = Name, Ra, Dec, I, I", "column I is there twice"),
    "kind": (f"{FORMAT}\nx, SHAPELET, , 10:20:00, -45.00.00, 1", "line 2: Type is SHAPELET: POINT and GAUSSIAN"),
    "flux": (f"{FORMAT}\n{GOOD}\ny, POINT, , 10:20:00, -45.00.00, nan", "line 3: I is nan: a finite number"),
    "no flux": (f"{FORMAT}\n# a\nx, POINT, , 10:20:00, -45.00.00,", "line 3: I is empty"),
    "size": (f"{FORMAT}\nx, GAUSSIAN, , 10:20:00, -45.00.00, 1, [], , , -3, 2, 1", "line 2: MajorAxis is -3 and"),
    "place": (f"{FORMAT}\nx, POINT, , 10:20:00, -95.00.00, 1", "line 2: .*latitude is beyond"),
    "values": (f"{FORMAT}\n{GOOD}, [], true, 1e9, 1, 1, 1, true, 7", "line 2: '7' is in no column"),
    "brackets": (f"{FORMAT}\n{GOOD}, [1", "line 2: brackets"),
    "body": ("Format = Name, RefType, Ra, Dec, I\nx, SUN, 0deg, 0deg, 1", "line 2: RefType is SUN: J2000"),
    "rotation": ("Format = Name, Ra, Dec, I, RotationMeasure\nx, 10:20:00, -45.00.00, 1, 5", "RotationMeasure is 5"),
    "reference": ("Format = Name, Ra, Dec, I, SpectralIndex\nx, 10:20:00, -45.00.00, 1, [-1]", "Frequency is empty"),
    "steep": (f"{FORMAT}\n{GOOD}, [900], true, 1", "x has inf Jy within .* look at its spectrum"),
    "nameless": (f"{FORMAT}\n, POINT, , 10:20:00, -45.00.00, 1", "line 2: neither a Name nor a Patch"),
    "behind": (f"{FORMAT}\nx, POINT, , 22:20:00, 45.00.00, 1", "nothing of it is seen"),
    "logarithmic": (f"{FORMAT}\n{GOOD}, [-1], perhaps", "line 2: LogarithmicSI is 'perhaps'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_skymodel_that_cannot_be_used_is_refused_in_one_line_that_names_file_and_line(
    tmp_path: Path, case: str
) -> None:
    text, message = BAD[case]
    with pytest.raises(FipError, match=message) as error:
        opened(written(tmp_path / "bad.skymodel", *text.splitlines()))
    assert "bad.skymodel" in str(error.value)
    assert "\n" not in str(error.value)


BAD_TABLES = {
    "column": ("ra,dec,flux,redshift\n1,-45,1,2", "column 'redshift' is not known.*known: name, kind, ra"),
    "no flux": ("ra,dec\n155,-45", "neither a column flux nor I"),
    "both": ("ra,dec,flux,I\n155,-45,1,1", "both columns flux and I"),
    "frequency": ("ra,dec,flux,alpha\n155,-45,1,0\n155,-45,1,-0.7", "row 2: alpha is -0.7, and frequency is not given"),
    "nan": ("ra,dec,flux\n155,-45,nan", "row 1: flux is nan"),
    "empty": ("ra,dec,flux\n155,-45,1\n155,-45,", "row 2: flux is empty"),
    "size": ("ra,dec,flux,major\n155,-45,1,-2", "row 1: major is -2 arcsec"),
    "no rows": ("ra,dec,flux", "holds no source"),
    "word": ("ra,dec,flux\n155,-45,bright", "column flux holds 'bright': numbers are needed"),
    "dec": ("ra,dec,flux\n155,-95,1", "row 1: dec is -95 deg"),
    "kind": ("ra,dec,flux,kind\n155,-45,1,shapelet", "row 1: kind is 'shapelet'"),
    "place": ("ra,dec,flux\n10:20:00,south,1", "row 1: .*is not a direction"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_that_cannot_be_used_is_refused_in_one_line_that_names_file_and_row(tmp_path: Path, case: str) -> None:
    text, message = BAD_TABLES[case]
    with pytest.raises(FipError, match=message) as error:
        opened(written(tmp_path / "bad.csv", *text.splitlines()))
    assert "bad.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_in_another_epoch_or_unit_is_refused(tmp_path: Path) -> None:
    values = {"ra": [155.5], "dec": [-45.5], "flux": [2.0]}
    Table(values, meta={"equinox": "B1950"}).write(tmp_path / "old.ecsv")
    with pytest.raises(FipError, match="equinox is B1950: places in J2000 or ICRS are read"):
        opened(tmp_path / "old.ecsv")
    Table(values, units={"flux": "deg"}).write(tmp_path / "unit.ecsv")
    with pytest.raises(FipError, match="column flux is in deg: Jy would do"):
        opened(tmp_path / "unit.ecsv")
    vot = tmp_path / "old.vot"
    Table(values).write(vot, format="votable")
    plain = vot.read_text()
    for system, equinox, said in (("eq_FK4", "B1950", "eq_FK4"), ("eq_FK5", "J1991.25", "eq_FK5 of J1991.25")):
        vot.write_text(plain.replace("<TABLE", f'<COOSYS ID="s" system="{system}" equinox="{equinox}"/><TABLE', 1))
        with pytest.raises(FipError, match=f"COOSYS is {said}: places in J2000 or ICRS"):
            opened(vot)
    vot.write_text(plain.replace("<TABLE", '<COOSYS ID="s" system="eq_FK5" equinox="J2000"/><TABLE', 1))
    assert len(opened(vot).components(FREQUENCY, 0, BEGIN)) == 1
    with pytest.raises(FipError, match=r"is no table as \.vot has it"):
        opened(written(tmp_path / "no.vot", "<html>"))


def test_what_cannot_be_read_or_is_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    for asked, message in {
        "missing.skymodel": "cannot be read: No such file",
        "list.yaml": "no sky model of the kind '.yaml' is read: give a list",
        "": "an empty name between commas",
    }.items():
        written(tmp_path / "list.yaml", "a: 1")
        with pytest.raises(FipError, match=message):
            opened(tmp_path / asked if asked else "")
    with pytest.raises(FipError, match="nothing is named"):
        open_sky([], expected())
    (tmp_path / "bytes.skymodel").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FipError, match="is no text"):
        opened(tmp_path / "bytes.skymodel")


DAMAGE = (
    b",",
    b"nan",
    b"inf",
    b"'",
    b'"',
    b"[",
    b"]",
    b"\n",
    b" ",
    b"-",
    b"1e400",
    b":",
    b".",
    b"9",
    b"=",
    b"\0",
    b"\xff",
)


@pytest.mark.parametrize("kind", ["skymodel", "ecsv", "csv", "vot"])
def test_a_damaged_list_is_refused_in_one_line_or_holds_finite_sources(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"list.{kind}"
    if kind == "skymodel":
        written(path, FORMAT, GOOD, "y, GAUSSIAN, , 10:22:00, -45.00.00, 1, [-0.7, 1], false, 1e9, 30, 20, 10, true")
    else:
        table = Table({"name": ["a", "b"], "ra": [155.5, 154.5], "dec": [-45.5, -44.5], "flux": [2.0, 1.0],
                       "frequency": [1e9, 1e9], "alpha": [-0.7, 0], "major": [1.0, 2.0]})  # fmt: skip
        table.write(path, format="votable" if kind == "vot" else f"ascii.{kind}")
    whole, drawn = path.read_bytes(), random.Random(kind)
    for _ in range(40):
        content = bytearray(whole)
        for _ in range(drawn.randint(1, 3)):
            at = drawn.randrange(len(content))
            content[at : at + drawn.randint(0, 3)] = drawn.choice(DAMAGE)
        path.write_bytes(content)
        try:
            found = opened(path).components(FREQUENCY, 0, BEGIN)
        except FipError as error:
            assert "\n" not in str(error)
            continue
        for values in (found.towards, found.flux, found.major, found.minor, found.angle):
            assert np.isfinite(values).all()
        assert np.linalg.norm(found.towards, axis=1) == pytest.approx(np.ones(len(found)), abs=1e-12)
