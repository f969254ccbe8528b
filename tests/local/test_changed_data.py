"""A directory's images are all of one state of the data: what was changed since is refused, all else goes on."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest
from casacore import tables

from fip.archive.known_data import NUMBERS
from fip.archive.ledger import Ledger
from fip.data.errors import UsageError
from fip.data.fingerprints import to_compare
from fip.local.comparing import check_data, compare_all, compare_run
from fip.sink.store import Store
from fip.source.child import Child
from fip.source.requests import look
from support import small_ms
from support.fip_command import WITHIN, fip, images, started
from support.many_slices import OPTIONS, SLICES

GRID = ("--size", "32", "--scale", "40arcsec")
COUNT = 3  # integrations of the small set
BEGUN = "its files were written since: what is stored is compared with the data"
SAME = "stored slices were compared and are of the same data"
REFUSED = "name another --output, or --overwrite"


def brighter(measurement_set: Path) -> None:
    """Change the calibration of the set."""
    small_ms.change(measurement_set, "DATA", lambda values: 10 * values)


def fainter_by_little(measurement_set: Path) -> None:
    """One by a few parts in a hundred thousand."""
    small_ms.change(measurement_set, "DATA", lambda values: values * np.float32(1 + 4e-5))


def turned(measurement_set: Path) -> None:
    """Other phases, of the same amplitude."""
    small_ms.change(measurement_set, "DATA", lambda values: values * np.complex64(1j))


def flagged(measurement_set: Path, integration: int = COUNT - 1) -> None:
    """A sample more is flagged, of the last integration or of another one."""
    baselines = small_ms.rows(1)["TIME"].size

    def one_more(flags: np.ndarray) -> np.ndarray:
        flags[integration * baselines, 0, 0] = True
        return flags

    small_ms.change(measurement_set, "FLAG", one_more)


def reweighted(measurement_set: Path) -> None:
    """Change the weights of the set."""
    small_ms.change(measurement_set, "WEIGHT", lambda values: 2 * values)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small set and, in `out`, its images."""
    folder = tmp_path_factory.mktemp("made")
    ms = small_ms.write(folder / "small.ms", small_ms.rows())
    done = fip("run", ms, "--output", folder / "out", *GRID)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def ms(made: Path, tmp_path: Path) -> Path:
    """A copy of the set, with the times of its files."""
    return shutil.copytree(made / "small.ms", tmp_path / "small.ms")


@pytest.fixture
def imaged(made: Path, tmp_path: Path) -> Path:
    """A copy of the images."""
    return shutil.copytree(made / "out", tmp_path / "out")


def again(ms: Path, directory: Path, *options: str) -> tuple[int, str]:
    """Run the same command; return its exit code, and what it says."""
    done = fip("run", ms, "--output", directory, *GRID, *options)
    return done.returncode, done.stdout + done.stderr


def checked(ms: Path, directory: Path) -> list[str]:
    """What the same command says of the data before it goes on. UsageError if it does not."""
    said: list[str] = []
    with closing(Store(directory)) as store, Child.fork() as reader:
        asked = store.ledger.asked()
        assert asked is not None
        found = reader.call(look, ms, asked)
        check_data(store, ms, asked, found, reader, said.append)
    return said


@pytest.mark.parametrize(
    ("change", "differ", "first"),
    [(brighter, 3, 0), (fainter_by_little, 3, 0), (turned, 3, 0), (flagged, 1, 2), (reweighted, 3, 0)],
)
def test_changed_data_are_refused(
    ms: Path, imaged: Path, change: Callable[[Path], None], differ: int, first: int
) -> None:
    """One line says how many slices differ, the first of them, and what would work; and again."""
    change(ms)
    for _ in range(2):
        with pytest.raises(UsageError) as refused:
            checked(ms, imaged)
        assert f"{differ} of {COUNT} stored slices that were compared differ, the first is slice {first}" in str(
            refused.value
        )
        assert REFUSED in str(refused.value)


def test_the_command_says_so_in_one_line(ms: Path, imaged: Path) -> None:
    """It leaves the images alone; what it says would work does."""
    brighter(ms)
    before = {image: image.stat().st_ino for image in images(imaged)}
    code, said = again(ms, imaged)
    assert code == 2, said
    (line,) = [line for line in said.splitlines() if line.startswith("fip: ")]
    assert REFUSED in line
    assert {image: image.stat().st_ino for image in images(imaged)} == before
    (imaged / "transients").mkdir()
    (imaged / "transients" / "events.ecsv").touch()  # what was found in images that are no more
    assert again(ms, imaged, "--overwrite")[0] == 0
    assert not (imaged / "transients" / "events.ecsv").exists()
    assert checked(ms, imaged) == []


def touched(ms: Path) -> Path:
    """Files that are newer than they were."""
    for file in ms.iterdir():
        os.utime(file)
    return ms


def copied(ms: Path) -> Path:
    """A copy elsewhere, whose files are newer."""
    return shutil.copytree(ms, ms.parent / "elsewhere" / ms.name, copy_function=shutil.copy)


def with_a_column(ms: Path) -> Path:
    """A column that is not read."""
    with small_ms.edit(ms) as main:
        main.addcols(tables.makearrcoldesc("SCRATCH_DATA", 0j, ndim=2, valuetype="complex"))
        main.putcol("SCRATCH_DATA", 7 * main.getcol("DATA"))
    return ms


@pytest.mark.parametrize("harmless", [touched, copied, with_a_column])
def test_harmless_changes_do_not_matter(ms: Path, imaged: Path, harmless: Callable[[Path], Path]) -> None:
    """Every slice is compared, once, and the run goes on: there is nothing to do."""
    assert checked(ms, imaged) == []  # for nothing has changed
    ms = harmless(ms)
    assert checked(ms, imaged) == [BEGUN, f"{COUNT} {SAME}"]
    assert checked(ms, imaged) == []


def test_data_flagged_between_an_interruption_and_its_resumption_are_refused(many_ms: Path, tmp_path: Path) -> None:
    """Else one series would be of two states of the data."""
    ms = small_ms.copy(many_ms, tmp_path / "many.ms")
    output = tmp_path / "out"
    with started("run", ms, "--output", output, *OPTIONS, "--pace", "100") as process:
        known = psutil.Process(process.pid)
        while len(images(output)) < 5:
            with pytest.raises(psutil.TimeoutExpired):
                known.wait(timeout=0.02)
        process.send_signal(2)
        said, _ = process.communicate(timeout=WITHIN)
        assert process.returncode == 130, said
    stored = len(images(output))
    assert 5 <= stored < SLICES

    def first_rows(flags: np.ndarray) -> np.ndarray:
        flags[:5] = True
        return flags

    small_ms.change(ms, "FLAG", first_rows)
    done = fip("run", ms, "--output", output, *OPTIONS)
    assert done.returncode == 2, done.stdout
    assert f"1 of {stored} stored slices that were compared differ, the first is slice 0" in done.stderr
    assert len(images(output)) == stored


def test_a_set_that_was_followed_is_compared_by_some_of_its_slices(ms: Path, tmp_path: Path) -> None:
    """The first, the last and some more: here all."""
    settings, directory = tmp_path / "fip.toml", tmp_path / "followed"
    settings.write_text("[source]\nfollow = true\nfollow_complete = 0.3\nfollow_end = 0.6\n")
    code, said = again(ms, directory, "--config", str(settings))
    assert code == 0, said
    brighter(ms)
    code, said = again(ms, directory, "--config", str(settings))
    assert code == 2, said
    assert f"{COUNT} of {COUNT} stored slices that were compared differ" in said


def test_a_corrected_column_that_came_later_is_not_mixed_with_data(ms: Path, imaged: Path) -> None:
    """`applycal` adds CORRECTED_DATA: the same command would image that beside images of DATA."""
    with small_ms.edit(ms) as main:
        main.addcols(tables.makearrcoldesc("CORRECTED_DATA", 0j, ndim=2, valuetype="complex"))
        main.putcol("CORRECTED_DATA", 2 * main.getcol("DATA"))
    code, said = again(ms, imaged)
    assert code == 2, said
    assert "made from its column DATA, and another one would be imaged now" in said
    assert REFUSED in said
    assert len(images(imaged)) == COUNT
    with small_ms.edit(ms) as main:
        main.removecols("CORRECTED_DATA")
    assert checked(ms, imaged) == [BEGUN, f"{COUNT} {SAME}"]


def test_what_was_stored_without_fingerprints_goes_on_and_is_told(ms: Path, imaged: Path) -> None:
    """The ledger of an older FIP has no values to compare: one line says so."""
    for name in images(imaged)[1:]:
        name.unlink()
    with sqlite3.connect(imaged / "fip.sqlite") as database:
        database.executescript(
            "DELETE FROM slices WHERE slice > 0; DROP TABLE hints; DROP TABLE followers; DROP TABLE files;"
            "DROP TABLE backlog;"
            "DELETE FROM numbers; PRAGMA user_version = 7;"
        )
    database.close()
    brighter(ms)
    code, said = again(ms, imaged)
    assert code == 0, said
    told = "warning: 1 slices were stored before FIP took fingerprints: their values were not compared with the data"
    assert said.count(told) == 1
    assert len(images(imaged)) == COUNT
    small_ms.change(ms, "DATA", lambda values: 10 * values)
    assert "2 of 2 stored slices that were compared differ, the first is slice 1" in again(ms, imaged)[1]


def test_what_can_no_longer_be_read_is_counted(ms: Path, imaged: Path) -> None:
    """The cells of one integration are gone: the others are compared."""
    with small_ms.edit(ms) as main:
        last = main.nrows() - 1
        for row in range(last - 9, last + 1):
            main.putcell("FLAG", row, np.zeros((2, 4), bool))
    assert checked(ms, imaged) == [
        BEGUN,
        f"2 {SAME}",
        "warning: 1 slices can no longer be read: they were not compared with the data",
    ]


def test_a_fingerprint_is_a_number_of_each_slice(ms: Path, imaged: Path) -> None:
    """It is what a sum by hand gives; a set is compared as a whole if that is asked for."""
    ledger = Ledger(imaged, read_only=True)
    known = ledger.data.fingerprints(ledger.runs()[0].run)
    assert sorted(known) == list(range(COUNT))
    with tables.table(str(ms), ack=False) as main:
        data = main.getcol("DATA")[:10, :, [0, 3]].astype(complex)
    total = data.sum() * 0.5
    assert known[0].used == 40
    assert known[0].weight > 0
    assert complex(known[0].real, known[0].imaginary) * 40 / known[0].weight == pytest.approx(total, rel=1e-5)
    assert known[0].power / known[0].weight == pytest.approx(1.0, rel=1e-5)
    with Child.fork() as reader:
        asked = ledger.asked()
        assert asked is not None
        found = reader.call(look, ms, asked)
        assert compare_run(ledger, imaged, ms, asked, found, reader, whole=True).alike == COUNT
    ledger.close()
    with sqlite3.connect(imaged / "fip.sqlite") as database:
        names = {name for (name,) in database.execute("SELECT DISTINCT name FROM numbers WHERE run = ?", (found.run,))}
    database.close()
    assert names >= set(NUMBERS)


def test_a_whole_directory_is_compared(ms: Path, tmp_path: Path) -> None:
    """Each slice of each run, also those that a resumed run does not look at; data that are gone are reported."""
    directory, many = tmp_path / "both", 14
    followed, settings = small_ms.write(tmp_path / "followed.ms", small_ms.rows(many)), tmp_path / "fip.toml"
    settings.write_text("[source]\nfollow_complete = 0.3\nfollow_end = 0.6\n")
    assert again(ms, directory)[0] == 0
    assert again(followed, directory, "--follow", "--config", str(settings))[0] == 0
    said: list[str] = []
    assert compare_all(directory, said.append)
    assert said == [f"small: {COUNT} {SAME}", f"followed: {many} {SAME}"]
    with closing(Ledger(directory, read_only=True)) as ledger:
        (run,) = (each.run for each in ledger.runs() if each.name == "followed")
    spared = min(set(range(many)).difference(to_compare(run, ((0, many),), grows=True)))
    flagged(followed, spared)
    said.clear()
    assert not compare_all(directory, said.append)
    assert said == [
        f"small: {COUNT} {SAME}",
        f"followed: {many - 1} {SAME}",
        f"followed: the data of 1 slices were changed: {spared}",
    ]
    brighter(ms)
    shutil.rmtree(followed)
    found = fip("verify", directory, "--data")
    assert found.returncode == 1, found.stderr
    assert found.stdout.splitlines()[1:] == [
        "small: the data of 3 slices were changed: 0~2",
        f"followed: its slices cannot be compared: {followed}: no such file or folder",
    ]
    assert fip("verify", directory).returncode == 0


def test_a_model_that_was_changed_is_refused_and_told(ms: Path, tmp_path: Path) -> None:
    """The data were not changed, and yet the images would be no series."""
    model = tmp_path / "field.csv"
    model.write_text("ra,dec,flux\n57.3,-28.6,1\n")
    directory = tmp_path / "corrected.fip"
    options = ("run", str(ms), *GRID, "--sky-model", str(model), "--output", str(directory), "--workers", "1")
    assert fip(*options).returncode == 0
    assert fip(*options).returncode == 0
    model.write_text("ra,dec,flux\n57.3,-28.6,2\n")
    refused = fip(*options)
    assert refused.returncode == 2
    assert f"corrected by another content of {model}: {REFUSED}" in refused.stderr
    told: list[str] = []
    compare_all(directory, told.append)
    assert f"is another one than when it was imaged, or one of the files that correct it is: {model}" in told[0]
