"""What a run found out stays to be read: in its last words, its log, `fip status`, the report, the ledger."""

import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable
from numpy.typing import NDArray

from fip.archive.file_names import LOG_FILE
from support import small_ms
from support.fip_command import fip, images
from support.small_ms import BAND, Columns

HIGH = BAND + 1e8
DUMPS, SCAN = 24, 6  # integrations, and how many of them make a scan; the second scan is of another window
BURST = 2  # in which all sources are fifty times brighter
DEAD, LOUD = 4, 1  # antennas
ANTENNAS = 12
OPTIONS = ("--size", 64, "--scale", "20arcsec", "--workers", 1)


def sky(columns: Columns, frequency: NDArray[np.float64], count: int) -> NDArray[np.complexfloating]:
    """Noise, ten times as much in the upper window; a burst; an antenna of zeros, and one that is too loud."""
    random = np.random.default_rng(round(frequency[0] % 97))
    burst = columns["TIME"] == small_ms.START + 10.0 * BURST
    values = small_ms.point_source(columns, frequency, count) * np.where(burst, 50.0, 0.0)[:, None, None]
    noise = random.normal(size=values.shape) + 1j * random.normal(size=values.shape)
    values = values + noise * (10.0 if frequency[0] > BAND[-1] else 1.0)
    values[(columns["ANTENNA1"] == LOUD) | (columns["ANTENNA2"] == LOUD)] *= 5
    values[(columns["ANTENNA1"] == DEAD) | (columns["ANTENNA2"] == DEAD)] = 0
    return values.astype(np.complex64)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory of a run, and what `fip run` said."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        offsets = np.random.default_rng(5).normal(0, 250, (ANTENNAS, 3))
        patch.setattr(small_ms, "POSITIONS", small_ms.POSITIONS[0] + offsets)
        columns = small_ms.rows(DUMPS)
        scan = np.round((columns["TIME"] - small_ms.START) / 10).astype(int) // SCAN
        columns["SCAN_NUMBER"], columns["DATA_DESC_ID"] = scan.astype(np.int32), (scan == 1).astype(np.int32)
        ms = small_ms.write(folder / "turns.ms", columns, bands=(BAND, HIGH), data={"DATA": sky})
    with small_ms.edit(ms / "ANTENNA") as table:
        table.putcol("NAME", [f"A{number}" for number in range(ANTENNAS)])
    done = fip("run", ms, "--output", folder / "out", *OPTIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out", done.stdout


def test_antennas_are_named_afterwards(made: tuple[Path, str]) -> None:
    """The one that is filled with zeros, and the one that is too loud: wherever one looks when the run is over."""
    directory, said = made
    report = fip("report", directory)
    assert report.returncode == 0
    log = (directory / LOG_FILE).read_text()
    for text in (said, fip("status", directory).stdout, log):
        assert "antennas flagged away: A4 100%" in text
        assert "antennas of unlike amplitude: A1 x" in text
    page = (directory / "report.html").read_text()
    assert "Antennas to look at" in page
    assert ">A4<" in page and ">A1<" in page


def test_doubtful_images_are_named_and_the_burst_is_none(made: tuple[Path, str]) -> None:
    """Noise is judged among images of one band, and a flare is no noise: nothing is doubtful here."""
    directory, said = made
    database = sqlite3.connect(directory / "fip.sqlite")
    found = dict(database.execute("SELECT slice, quality FROM slices"))
    rms = dict(database.execute("SELECT slice, rms FROM slices"))
    database.close()
    assert max(rms.values()) > 5 * min(rms.values())
    assert rms[BURST] > 2 * rms[BURST + 1]
    assert {index: quality for index, quality in found.items() if quality != "good"} == {}
    assert "doubtful" not in said


def test_light_curves_tell_the_frequency(made: tuple[Path, str]) -> None:
    """They keep bands that take turns apart."""
    directory, _ = made
    text = fip("lightcurve", directory, "3h49m10.987s", "-28d38m52.4s").stdout
    curve = QTable.read(text, format="ascii.ecsv")
    turns = np.arange(DUMPS) // SCAN == 1
    assert curve["frequency"].to_value("Hz") == pytest.approx(np.where(turns, HIGH.mean(), BAND.mean()))


def test_the_ledger_has_what_was_left_out(made: tuple[Path, str]) -> None:
    """Zeros of each slice, and the band that its header says."""
    directory, _ = made
    database = sqlite3.connect(directory / "fip.sqlite")
    zeros = database.execute("SELECT value FROM numbers WHERE name = 'zeros' ORDER BY slice").fetchall()
    widths = database.execute("SELECT DISTINCT value, unit FROM numbers WHERE name = 'band_width'").fetchall()
    database.close()
    assert zeros == [((ANTENNAS - 1) * BAND.size,)] * DUMPS == [(44.0,)] * len(images(directory))
    assert [(round(value), unit) for value, unit in widths] == [(4_000_000, "Hz")]


def test_a_run_of_which_every_slice_fails_does_not_say_that_all_was_stored(tmp_path: Path) -> None:
    """A row in the midst of each integration cannot be read, which nobody sees before it is cut."""
    ms = small_ms.write(tmp_path / "rotten.ms", small_ms.rows(2))
    with small_ms.edit(ms) as table:
        for row in (5, 15):
            table.putcell("DATA", row, np.ones((2, 4), np.complex64))
    done = fip("run", ms, "--output", tmp_path / "out", *OPTIONS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 slices failed" in done.stdout
    assert "nothing was left to do" not in done.stdout


SLOW_TO_COMPILE = """
import time
from types import SimpleNamespace

import fip.local.run as run

ahead = 0.0

def warm(*arguments):
    global ahead
    ahead = 1000.0

run.warm = warm
run.time = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead, sleep=time.sleep)
"""


def test_to_compile_is_no_imaging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a command compiled for a quarter of an hour, the images took less than its clock says."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_TO_COMPILE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    ms = small_ms.write(tmp_path / "small.ms", small_ms.rows(3))
    done = fip("run", ms, "--output", tmp_path / "out", *OPTIONS)
    told = re.search(r"3 made in ([0-9.]+) s", done.stdout)
    assert told, done.stdout + done.stderr
    assert float(told[1]) < 1000
