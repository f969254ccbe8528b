"""Files of known bands, and what `--flag` takes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fip.corrections.flags.opening import open_flags
from fip.data.errors import UsageError
from support.observed_slices import expected, noise

OBSERVED = noise(antennas=5, channels=100)  # 1 MHz each, from 1230 MHz
EXPECTED = expected(OBSERVED)


def opened(folder: Path, content: str) -> Path:
    path = folder / "bands.txt"
    path.write_text(content)
    return path


def test_a_band_takes_the_channels_that_it_reaches_into(tmp_path: Path) -> None:
    path = opened(tmp_path, "# GPS\n\n1240.5~1242MHz  # L2\n1.3 ~ 1.3001 GHz\n")
    flags = open_flags(str(path), EXPECTED)
    assert flags is not None
    made = flags.before(replace(OBSERVED, bad=OBSERVED.bad.copy()))
    assert np.flatnonzero(made.bad.all(axis=(0, 2))).tolist() == [10, 11, 70]
    assert np.count_nonzero(made.bad.any(axis=(0, 2))) == 3
    assert flags.after(made) is made


def test_a_band_with_a_limit_takes_shorter_baselines_alone(tmp_path: Path) -> None:
    length = np.hypot(OBSERVED.uvw[:, 0], OBSERVED.uvw[:, 1])
    limit = float(np.sort(length)[3:5].mean())
    flags = open_flags(str(opened(tmp_path, f"1250~1251MHz uv<{limit / 1e3:.9f}km")), EXPECTED)
    assert flags is not None
    made = flags.before(replace(OBSERVED, bad=OBSERVED.bad.copy()))
    assert np.array_equal(made.bad[:, 20].all(axis=1), length < limit)
    assert np.count_nonzero(made.bad.any(axis=(1, 2))) == 4


def test_the_digest_is_that_of_the_file_and_its_name_is_for_the_header(tmp_path: Path) -> None:
    path = opened(tmp_path, "1250~1251MHz\n933~960MHz\n")
    one = open_flags(str(path), EXPECTED)
    assert one is not None and one.named == f"bands.txt@{one.digest}"
    assert one.notes == (f"flags {path}: 2 known bands, 1 of them beyond what is imaged",)
    path.write_text("1250~1252MHz\n")
    other = open_flags(str(path), EXPECTED)
    assert other is not None and other.digest != one.digest


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("1240~1242", "is no band"),
        ("1242~1240MHz", "ends before it begins"),
        ("1240~1242MHz uv>100m", "is no band"),
        ("1240~1242MHz uv<0m", "is for no baseline"),
        ("nan~1242MHz", "is no band"),
    ],
)
def test_a_line_that_is_no_band_is_named(tmp_path: Path, line: str, found: str) -> None:
    path = opened(tmp_path, f"# known\n{line}\n")
    with pytest.raises(UsageError, match=rf"--flag {path}: line 2: '.*' {found}"):
        open_flags(str(path), EXPECTED)


def test_what_is_no_file_of_bands_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "image.fits"
    text.write_bytes(b"\xff\xfe\x00")
    for asked, found in (
        (str(tmp_path / "none.txt"), "No such file"),
        (str(tmp_path), "is no plain file"),
        (str(opened(tmp_path, "# nothing\n")), "holds no band"),
        (str(text), "is no text"),
        ("aoflagger:generic", "does not run AOFlagger"),
    ):
        with pytest.raises(UsageError, match=f"^--flag {asked}: .*{found}") as refused:
            open_flags(asked, EXPECTED)
        assert "\n" not in str(refused.value)


def test_none_and_auto_need_no_file() -> None:
    assert open_flags("none", EXPECTED) is None
    auto = open_flags("auto", EXPECTED)
    assert auto is not None and auto.named == "auto" and re.fullmatch("[0-9a-f]{16}", auto.digest)
    assert auto.before(OBSERVED) is OBSERVED
