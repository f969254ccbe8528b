"""UVFITS files, written by AIPS Memo 117 from MeasurementSets: they are imaged as these are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from fip.data.arriving import Writing
from fip.data.errors import InputError
from fip.source.sources import open_recording
from support import small_ms, uvfits_files
from support.cut_slices import cut
from support.fip_command import fip
from support.same_sky import a_set, assert_same_images
from support.uvfits_files import Parameters

LINEAR, CIRCULAR = (9, 12, 10, 11), (5, 8, 6, 7)  # in the order of FITS
FIELDS = (("one", (1.0, -0.5)), ("two", (2.0, 0.3)))
BANDS = (small_ms.BAND, np.linspace(1.2e9, 1.197e9, 4))


@pytest.mark.parametrize(("coding", "bitpix"), [("256", -32), ("2048", -64), ("apart", -32)])
def test_a_file_is_imaged_as_the_set_that_it_holds(coding: str, bitpix: int, tmp_path: Path) -> None:
    """I, Q, U and V, whatever it is called and however it codes baselines.

    uvw of 32 bits are within 3e-8 of themselves; a phase at the corner of 64 pixels is then within 1.5e-6 rad for the
    longest baseline, and the root of the mean of squares of an image within a quarter of that.
    """
    ms = a_set(tmp_path / "a.ms", codes=LINEAR)
    assert_same_images(uvfits_files.from_set(ms, tmp_path / "file.of_mine", coding, bitpix=bitpix), ms, "IQUV")


def test_several_sources_and_ifs_of_which_one_descends(tmp_path: Path) -> None:
    """Sources are fields, by their names, and IFs are windows."""
    ms = a_set(tmp_path / "a.ms", codes=CIRCULAR, bands=BANDS, fields=FIELDS)
    small_ms.change(ms, "FIELD_ID", lambda field: (np.arange(field.size) >= 20).astype(np.int32))
    path = uvfits_files.from_set(ms, tmp_path / "a.uvfits", several=True)
    assert_same_images(path, ms, "IQUV", field="two")
    assert_same_images(path, ms, "IV", field="one", spw="1:1~3")


def test_each_setup_has_windows_of_its_own(tmp_path: Path) -> None:
    """FREQSEL says which row of the table of frequencies holds for a group."""
    two = a_set(tmp_path / "two.ms", codes=LINEAR, bands=[band + 7e7 for band in BANDS])

    def selected(groups: Parameters) -> Parameters:
        return [*groups, ("FREQSEL", np.full(30, 9.0))]

    def second(file: fits.HDUList) -> None:
        """A setup before the one that there was."""
        before = file["AIPS FQ"].data
        columns = [(name, kind, np.concatenate([before[name] - 7e7 * (name == "IF FREQ"), before[name]]))
                   for name, kind in (("IF FREQ", "2D"), ("CH WIDTH", "2E"), ("SIDEBAND", "2J"))]  # fmt: skip
        file["AIPS FQ"] = uvfits_files.table("FQ", [("FRQSEL", "1J", [4, 9]), *columns])

    recording = open_recording(uvfits_files.from_set(two, tmp_path / "a.uvfits", alter=second, regroup=selected))
    of_set = open_recording(two)
    assert np.unique(recording.rows(range(len(recording))).column("DATA_DESC_ID")).tolist() == [2, 3]
    for mine, its in ((2, 0), (3, 1)):
        np.testing.assert_allclose(recording.window(mine).frequency, of_set.window(its).frequency, rtol=1e-12)


def test_what_describes_the_antennas(tmp_path: Path) -> None:
    """Positions turned back to the frame of the Earth, mounts, and the angles of feeds."""
    path = uvfits_files.from_set(a_set(tmp_path / "a.ms", codes=LINEAR), tmp_path / "a.uvfits")
    antennas = open_recording(path).antennas
    np.testing.assert_allclose(antennas.position, small_ms.POSITIONS, atol=1e-6)
    assert antennas.mounts == ("ALT-AZ",) * 5
    assert antennas.receptor_angle is not None
    np.testing.assert_allclose(antennas.receptor_angle, np.pi / 4, rtol=1e-6)
    described = fip("info", path)
    assert described.returncode == 0, described.stderr
    assert "0: 4 channels of 1000 kHz" in described.stdout


def test_a_file_without_intervals_or_weights(tmp_path: Path) -> None:
    """The cadence is found from the times, and nothing is flagged."""
    ms = a_set(tmp_path / "a.ms", codes=LINEAR)

    pieces = cut(
        uvfits_files.from_set(ms, tmp_path / "a.uvfits", numbers=2, regroup=without("INTTIM")), size=64, scale=1e-5
    )
    assert len(pieces) == 3
    assert pieces[0].times.end - pieces[0].times.begin == pytest.approx(10, abs=0.01)
    assert (pieces[0].blocks[0].weight == 2).all()  # of XX and YY


def card(**values: Any) -> Callable[[fits.HDUList], None]:
    """Other cards of the header."""
    return lambda file: file[0].header.update(values)


def of_table(name: str, column: str, value: Any) -> Callable[[fits.HDUList], None]:
    """Another value in a column of a table."""

    def alter(file: fits.HDUList) -> None:
        file[f"AIPS {name}"].data[column][...] = value

    return alter


def of_header(name: str, key: str, value: Any) -> Callable[[fits.HDUList], None]:
    """Another card of a table."""
    return lambda file: file[f"AIPS {name}"].header.update({key: value})


def without(name: str) -> Callable[[Parameters], Parameters]:
    """Groups that lack a parameter."""
    return lambda groups: [each for each in groups if each[0] != name]


def projected(groups: Parameters) -> Parameters:
    """u as of another projection."""
    return [("UU---NCP", groups[0][1]), *groups[1:]]


def of_two_arrays(groups: Parameters) -> Parameters:
    """The last rows are of a second array."""
    return [(name, values + 0.01 * (np.arange(30) > 20) * (name == "BASELINE")) for name, values in groups]


REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("an antenna", {"alter": of_table("AN", "NOSTA", 1)}, "antenna 7 is used"),
    ("no antennas", {"alter": lambda file: file.remove(file["AIPS AN"])}, "has no NOSTA in table AIPS AN"),
    ("sidereal time", {"alter": of_header("AN", "TIMSYS", "LAST")}, "its times are LAST"),
    ("of date", {"alter": card(EPOCH=2015.5)}, "fk5 of equinox 2015.5"),
    ("no frequencies", {"alter": card(CTYPE4="LAMBDA")}, "has no axis FREQ"),
    ("negative ones", {"alter": card(CRVAL4=-1e9)}, "window 0: its frequencies are not all positive"),
    ("a projection", {"regroup": projected}, "UU---NCP"),
    ("no baseline", {"regroup": without("BASELINE")}, "neither BASELINE nor ANTENNA1"),
    ("compressed", {"numbers": 1}, "compressed as AIPS does"),
    ("two arrays", {"regroup": of_two_arrays}, "holds 2 subarrays"),
)


@pytest.mark.parametrize(("spoil", "says"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_cannot_be_imaged_is_said_in_one_line(spoil: dict[str, Any], says: str, tmp_path: Path) -> None:
    """The line has the file, what was found, and what is read."""
    path = uvfits_files.from_set(a_set(tmp_path / "a.ms", codes=LINEAR), tmp_path / "a.uvfits", **spoil)
    with pytest.raises(InputError) as refused:
        cut(path)
    assert says in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_whatever_is_wrong_in_a_header_is_one_line(tmp_path: Path) -> None:
    """Each card in turn has another value: the file is refused, or it does not matter."""
    path, refused = uvfits_files.from_set(a_set(tmp_path / "a.ms", codes=LINEAR), tmp_path / "a.uvfits"), 0
    content = path.read_bytes()
    others = (b"0", b"-1", b"'x'", b"1E30", b"999999999", b"T", b"\x80")
    cards = [
        at for at in range(0, len(content), 80) if content[at + 8 : at + 10] == b"= " and content[at : at + 1].isupper()
    ]
    for number, at in enumerate(cards):
        if content[at : at + 7] == b"TFIELDS":  # astropy makes as many as it says
            continue
        value = others[number % len(others)].rjust(20).ljust(70)
        path.write_bytes(content[: at + 10] + value + content[at + 80 :])
        try:
            open_recording(path).close()
        except InputError as error:
            assert str(error).startswith(f"{path}: ")
            assert "\n" not in str(error)
            refused += 1
    assert refused > len(cards) / 4


def test_a_file_that_is_cut_short_or_written_is_refused(tmp_path: Path) -> None:
    """It is refused before anything is imaged of it: what is mapped must be there."""
    path = uvfits_files.from_set(a_set(tmp_path / "a.ms", codes=LINEAR), tmp_path / "a.uvfits")
    with pytest.raises(InputError, match="leave --follow out"):
        open_recording(path, Writing())
    short = tmp_path / "short.fits"
    short.write_bytes(path.read_bytes()[: 5760 + 4000])
    with pytest.raises(InputError, match=r"is cut short, \d+ of 30 groups are there: copy it again"):
        open_recording(short)
