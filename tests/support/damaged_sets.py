"""Damages MeasurementSets in every way that we can think of, and says what FIP makes of each; run as a program.

`python damaged_sets.py WHOLE.ms FOLDER [NUMBER,...]` goes through these variants, and prints a line of JSON before and
after each: should casacore take the interpreter down, the last line says with which.
"""

import faulthandler
import hashlib
import json
import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables

from fip.data.errors import FipError
from fip.data.settings import asked
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.source.open_run import open_run
from fip.worker.stages import image_file

HANGS_AFTER = 30.0  # s for one variant
Damage = Callable[[Path], object]

JUNK = b"this is no table\n" * 100


def variants(whole: Path) -> list[tuple[str, Damage]]:
    """All ways to damage a set, by name; the same ones each time."""
    return [*_files(whole), *_folders(whole), *_columns(whole), *_values(), *_cells()]


def _files(whole: Path) -> Iterator[tuple[str, Damage]]:
    """Each file gone, cut short, overwritten, or with bytes changed."""
    for file in sorted(path for path in whole.rglob("*") if path.is_file()):
        name = str(file.relative_to(whole))
        size = file.stat().st_size
        yield f"{name}: gone", partial(_unlink, name)
        yield f"{name}: junk", partial(_write_junk, name)
        for length in sorted({0, size // 2, max(0, size - 1)}):
            yield f"{name}: cut to {length}", partial(_cut, name, length)
        for seed in range(2):
            yield f"{name}: bytes {seed}", partial(_spoil, name, seed)


def _unlink(name: str, ms: Path) -> None:
    (ms / name).unlink()


def _write_junk(name: str, ms: Path) -> None:
    (ms / name).write_bytes(JUNK)


def _cut(name: str, length: int, ms: Path) -> None:
    with (ms / name).open("r+b") as opened:
        opened.truncate(length)


def _spoil(name: str, seed: int, ms: Path) -> None:
    content = bytearray((ms / name).read_bytes())
    dice = random.Random(f"{name}{seed}")
    for _ in range(8 if content else 0):
        content[dice.randrange(min(len(content), 4096))] = dice.randrange(256)
    (ms / name).write_bytes(content)


def _folders(whole: Path) -> Iterator[tuple[str, Damage]]:
    """Each subtable gone, empty, or a file."""
    for folder in sorted(path for path in whole.iterdir() if path.is_dir()):
        name = folder.name
        yield f"{name}: no folder", partial(_without_folder, name)
        yield f"{name}: a file", partial(_a_file, name)
        yield f"{name}: no rows", partial(_without_rows, name)
        yield f"{name}: no keyword", partial(_without_keyword, name)
        yield f"{name}: a text", partial(_keyword, name)


def _without_folder(name: str, ms: Path) -> None:
    shutil.rmtree(ms / name)


def _a_file(name: str, ms: Path) -> None:
    shutil.rmtree(ms / name)
    (ms / name).touch()


def _without_rows(name: str, ms: Path) -> None:
    with tables.table(str(ms / name), readonly=False, ack=False) as table:
        table.removerows(list(range(table.nrows())))


def _without_keyword(name: str, ms: Path) -> None:
    with tables.table(str(ms), readonly=False, ack=False) as table:
        table.removekeyword(name)


def _keyword(name: str, ms: Path) -> None:
    with tables.table(str(ms), readonly=False, ack=False) as table:
        table.removekeyword(name)
        table.putkeyword(name, "elsewhere")


READ = {
    "": (
        *("TIME", "INTERVAL", "EXPOSURE", "ANTENNA1", "ANTENNA2", "UVW", "FLAG_ROW", "FLAG", "WEIGHT", "DATA"),
        *("FIELD_ID", "DATA_DESC_ID", "SCAN_NUMBER", "OBSERVATION_ID", "ARRAY_ID"),
    ),
    "ANTENNA": ("NAME", "POSITION", "DISH_DIAMETER"),
    "FIELD": ("NAME", "PHASE_DIR", "NUM_POLY", "TIME"),
    "SPECTRAL_WINDOW": ("CHAN_FREQ", "CHAN_WIDTH", "MEAS_FREQ_REF", "NUM_CHAN"),
    "POLARIZATION": ("CORR_TYPE", "NUM_CORR"),
    "DATA_DESCRIPTION": ("SPECTRAL_WINDOW_ID", "POLARIZATION_ID"),
    "OBSERVATION": ("TELESCOPE_NAME", "OBSERVER", "PROJECT"),
}
"""The columns that FIP reads, by table."""


def _columns(whole: Path) -> Iterator[tuple[str, Damage]]:
    """Each column that is read gone, of another type, or without units and frames."""
    for table, names in READ.items():
        for name in names:
            where = f"{table or 'main'}.{name}"
            yield f"{where}: gone", partial(_remove, table, name)
            yield f"{where}: text", partial(_retype, table, name, "")
            yield f"{where}: whole numbers", partial(_retype, table, name, 0)
            yield f"{where}: arrays", partial(_retype, table, name, None)
            yield f"{where}: empty", partial(_undefined, table, name)
            yield f"{where}: no MEASINFO", partial(_measinfo, table, name, None)
            yield f"{where}: odd MEASINFO", partial(_measinfo, table, name, "NONSENSE")


def _remove(subtable: str, name: str, ms: Path) -> None:
    with tables.table(str(ms / subtable), readonly=False, ack=False) as table:
        table.removecols(name)


def _retype(subtable: str, name: str, value: Any, ms: Path) -> None:
    """A column of that name with scalars like `value`, or with arrays of three dimensions."""
    _remove(subtable, name, ms)
    with tables.table(str(ms / subtable), readonly=False, ack=False) as table:
        if value is None:
            table.addcols(tables.maketabdesc([tables.makearrcoldesc(name, 0.0, ndim=3)]))
            table.putcol(name, np.ones((table.nrows(), 2, 1, 3)))
        else:
            table.addcols(tables.maketabdesc([tables.makescacoldesc(name, value)]))


def _undefined(subtable: str, name: str, ms: Path) -> None:
    """A column of arrays with no cell ever written, or of two dimensions more than there should be."""
    _remove(subtable, name, ms)
    with tables.table(str(ms / subtable), readonly=False, ack=False) as table:
        table.addcols(tables.maketabdesc([tables.makearrcoldesc(name, 0.0, ndim=2)]))


def _measinfo(subtable: str, name: str, frame: str | None, ms: Path) -> None:
    with tables.table(str(ms / subtable), readonly=False, ack=False) as table:
        keywords = table.getcolkeywords(name)
        keywords.pop("MEASINFO", None)
        if frame:
            keywords["MEASINFO"] = {"type": frame, "Ref": frame, "VarRefCol": frame}
        if "MEASINFO" in table.getcolkeywords(name):
            table.removecolkeyword(name, "MEASINFO")
        table.putcolkeywords(name, keywords)


def _values() -> Iterator[tuple[str, Damage]]:
    """Each column of numbers full of what is no good."""
    for table, names in READ.items():
        for name in names:
            for value in (float("nan"), float("inf"), -1.0, 0.0, 1e300, 2.0**31 - 1, -(2.0**31)):
                where = f"{table or 'main'}.{name} = {value:g}"
                yield where, partial(_fill, table, name, value, None)
                if not table:
                    yield (
                        f"{where} in one row",
                        partial(_fill, table, name, value, 7),
                    )


def _fill(subtable: str, name: str, value: float, row: int | None, ms: Path) -> None:
    with tables.table(str(ms / subtable), readonly=False, ack=False) as table, np.errstate(all="ignore"):
        old = table.getcol(name)
        if isinstance(old, list):
            table.putcol(name, ["\x00\xff\n\x1b" * 50] * len(old))
            return
        new = np.array(old)
        new[slice(None) if row is None else row] = np.float64(value).astype(new.dtype)
        table.putcol(name, new)


def _cells() -> Iterator[tuple[str, Damage]]:
    """Cells of other shapes than the tables say."""
    yield "DATA: one row of fewer channels", partial(_put, "", "DATA", 12, np.ones((2, 4), np.complex64))
    yield "DATA: one row of fewer correlations", partial(_put, "", "DATA", 12, np.ones((4, 2), np.complex64))
    yield "DATA: one row of three dimensions", partial(_put, "", "DATA", 3, np.ones((4, 4, 1), np.complex64))
    yield "FLAG: one row of fewer channels", partial(_put, "", "FLAG", 12, np.ones((2, 4), bool))
    yield "FLAG: first row of more channels", partial(_put, "", "FLAG", 0, np.ones((9, 4), bool))
    yield "WEIGHT: one row of fewer correlations", partial(_put, "", "WEIGHT", 12, np.ones(2, np.float32))
    yield "WEIGHT: all rows of one correlation", partial(_put, "", "WEIGHT", None, np.ones(1, np.float32))
    yield "SIGMA: odd", partial(_put, "", "SIGMA", 12, np.ones(7, np.float32))
    yield "CHAN_FREQ: none", partial(_put, "SPECTRAL_WINDOW", "CHAN_FREQ", 0, np.zeros(0))
    yield "CHAN_FREQ: two", partial(_put, "SPECTRAL_WINDOW", "CHAN_FREQ", 0, np.array([1e9, 2e9]))
    yield "CHAN_WIDTH: none", partial(_put, "SPECTRAL_WINDOW", "CHAN_WIDTH", 0, np.zeros(0))
    yield "CORR_TYPE: none", partial(_put, "POLARIZATION", "CORR_TYPE", 0, np.zeros(0, np.int32))
    yield "CORR_TYPE: five", partial(_put, "POLARIZATION", "CORR_TYPE", 0, np.arange(9, 14, dtype=np.int32))
    yield "CORR_TYPE: odd", partial(_put, "POLARIZATION", "CORR_TYPE", 0, np.array([1000, -3, 0, 99], np.int32))
    yield "PHASE_DIR: none", partial(_put, "FIELD", "PHASE_DIR", 0, np.zeros((0, 2)))
    yield "PHASE_DIR: three numbers", partial(_put, "FIELD", "PHASE_DIR", 0, np.zeros((1, 3)))
    yield "PHASE_DIR: huge", partial(_put, "FIELD", "PHASE_DIR", 0, np.array([[1e308, 0.5]]))
    yield "POSITION: two numbers", partial(_put, "ANTENNA", "POSITION", 2, np.zeros(2))


def _put(subtable: str, name: str, row: int | None, value: Any, ms: Path) -> None:
    with tables.table(str(ms / subtable), readonly=False, ack=False) as table:
        for each in range(table.nrows()) if row is None else (row,):
            table.putcell(name, each, value)


def deadly(ms: Path) -> None:
    """Damage that ends any process in which casacore opens the set: a class name that no casacore knows."""
    description = ms / "FIELD" / "table.dat"
    content = description.read_bytes()
    assert b"ArrayColumnDesc" in content
    description.write_bytes(content.replace(b"ArrayColumnDesc", b"ArrayKolumnDesc"))


def outcome(ms: Path) -> str:
    """Return what became of the set.

    "right" and a digest of the images if the first slices can be imaged, the one line that a user is shown if
    they cannot, and a traceback if FIP is at fault.
    """
    try:
        run = open_run(ms, asked(size=(16, 16)))
        digest = hashlib.sha256()
        try:
            for number in range(min(3, len(run.slices))):
                piece = run.read(number)
                kernel = make_kernel(piece.settings, piece.grid)
                image_file(piece, kernel, "host/cpu0", 0.0)
                digest.update(dirty_image(piece, kernel).pixels.tobytes())
        finally:
            run.close()
    except FipError as error:
        return f"exit {error.exit_code}: {error}"
    except Exception:  # noqa: BLE001, any other is what this looks for
        return traceback.format_exc()
    return f"right {digest.hexdigest()}"


def main(whole: Path, folder: Path, numbers: list[int]) -> None:
    """Go through these variants; beyond the last one is the set without any damage."""
    known = [*variants(whole), ("nothing", Path.exists)]
    for number in numbers:
        name, damage = known[number]
        ms = folder / "damaged.ms"
        shutil.rmtree(ms, ignore_errors=True)
        shutil.copytree(whole, ms)
        try:
            damage(ms)
        except RuntimeError:  # casacore will not do that damage
            continue
        _say(number, name, "")
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        said = outcome(ms)
        faulthandler.cancel_dump_traceback_later()
        _say(number, name, said)


def _say(number: int, name: str, said: str) -> None:
    sys.stdout.write(json.dumps([number, name, said]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
