"""A ledger that is damaged is a mistake of no program: one clear line, whoever reads it, whatever is wrong with it."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.data.errors import FipError
from support.fip_command import fip
from support.stored_run import RUN, store_run

PAGE = 4096


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of images."""
    directory = tmp_path_factory.mktemp("stored") / "night.fip"
    store_run(directory, failed=(3,))
    return directory


def says(*statements: str) -> Callable[[Path], None]:
    """Damage by an editor of tables."""

    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    return damage


def zeros(begin: int, end: int) -> Callable[[Path], None]:
    """Return a function that damages a file as a disk does."""

    def damage(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[:begin] + bytes(max(0, min(end, len(whole)) - begin)) + whole[end:])

    return damage


def becomes_a_folder(path: Path) -> None:
    """Damage the path as a person might."""
    path.unlink()
    path.mkdir()


COLUMNS = ("seconds", "label", "quality", "begin", "rms", "empty", "worker", "integration", "major", "bytes")
GARBLED = "CAST(X'fffe' AS TEXT)"
DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: PAGE + 100]),
    "empty": lambda path: path.write_bytes(b""),
    "another file": lambda path: path.write_bytes(b"junk" * PAGE),
    "folder": becomes_a_folder,
    "header": zeros(20, 100),
    **{f"page {number}": zeros(number * PAGE, (number + 1) * PAGE) for number in range(1, 9)},
    "rest": zeros(2 * PAGE, 1 << 30),
    "no slices": says("DROP TABLE slices"),
    "no directory": says("DROP TABLE directory"),
    "no runs": says("DELETE FROM runs"),
    "another schema": says("PRAGMA user_version = 99"),
    **{
        f"selection {text}": says(f"UPDATE directory SET selection = '{text}'")
        for text in ("{x", "[1]", "7", "null", '{"imaging.size": "a"}', '{"subset": 1}')
    },
    **{
        f"{column} {value}": says(f"UPDATE slices SET {column} = {value} WHERE slice < 5")
        for column in COLUMNS
        for value in ("NULL", "'x'", GARBLED, "'[]'", "9e999")
    },
    **{f"{column} {value}": says(f"UPDATE runs SET {column} = {value}")
       for column in ("name", "measurement_set", "total", "opened", "final") for value in ("'x'", GARBLED, "-5")},
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_whoever_reads_a_damaged_ledger_is_told_so(damage: str, stored: Path, tmp_path: Path) -> None:
    """Every question to it is answered, or ends in an error of FIP's own."""
    directory = Path(shutil.copytree(stored, tmp_path / "damaged.fip"))
    DAMAGES[damage](directory / LEDGER)
    with suppress(FipError), closing(Ledger(directory, read_only=True)) as ledger:
        questions: list[Callable[[], object]] = [
            ledger.asked, ledger.totals, ledger.runs, ledger.bytes_stored, ledger.images_in_time_order,
            lambda: list(ledger.files()), lambda: list(ledger.entries()), lambda: ledger.stored(RUN),
        ]  # fmt: skip
        for question in questions:
            with suppress(FipError):
                question()
        with suppress(FipError):  # every error is of this type: whoever shows it may rely on that
            assert all(type(each.begin + each.size + each.recorded) is float for each in ledger.entries())
        with suppress(FipError):
            assert all(type(each.name + each.measurement_set) is str for each in ledger.runs())


@pytest.mark.parametrize("command", [("status",), ("report",), ("lightcurve", "10h20m00s", "-45d00m00s"), ("verify",)])
def test_a_person_gets_one_line(command: tuple[str, ...], stored: Path, tmp_path: Path) -> None:
    """Each command that reads it says one line."""
    directory = Path(shutil.copytree(stored, tmp_path / "damaged.fip"))
    DAMAGES["cut"](directory / LEDGER)
    done = fip(command[0], directory, *command[1:])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"ledger {directory / LEDGER} is damaged: database disk image is malformed; move it away" in done.stderr
