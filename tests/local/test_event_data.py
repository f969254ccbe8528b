"""`fip event DIR ID --ms OUT.ms`: what an event was made of, as a MeasurementSet that gives the same images."""

import shlex
import shutil
from contextlib import closing
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from casacore import tables
from typer.testing import CliRunner

from fip.archive.ledger import Ledger
from fip.cli.app import app
from fip.data.errors import FipError
from support import small_ms
from support.fip_command import fip, images
from support.found_events import event, write_found

COUNT, ROWS = (
    24,
    15,
)  # integrations of each set, five of two fields in turn; baselines, those of an antenna and itself too
FIELDS = (("near", (1.0, -0.5)), ("far", (1.2, -0.4)))
FAR, FIRST = "far", 12
"""The event: one slice, of the second field, in the middle of the second set."""
OPTIONS = ("--size", "32x32", "--spw", "1", "--antenna", "!4", "--field", "near,far")


def observation(path: Path, begin: float) -> Path:
    """Noise, of two fields and two windows, with autocorrelations; some of it is flagged."""
    chance = np.random.default_rng(int(begin))
    columns = small_ms.rows(COUNT, windows=2, autocorrelations=True)
    dump = np.repeat(np.arange(COUNT), columns["TIME"].size // COUNT)
    columns["FIELD_ID"], columns["SCAN_NUMBER"] = ((dump // 5 + 1) % 2).astype(np.int32), (dump // 5).astype(np.int32)
    columns["TIME"] = columns["TIME"] + begin

    def noise(given: small_ms.Columns, frequency: np.ndarray, correlations: int) -> np.ndarray:
        parts = chance.normal(size=(2, given["TIME"].size, frequency.size, correlations))
        return np.asarray(parts[0] + 1j * parts[1], np.complex64)

    small_ms.write(path, columns, bands=(small_ms.BAND, small_ms.BAND + 5e6), fields=FIELDS, data={"DATA": noise})
    small_ms.change(path, "FLAG", lambda flags: chance.random(flags.shape) < 0.1)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets, their images in `out`, and an event in those of the second."""
    folder = tmp_path_factory.mktemp("made")
    sets = [observation(folder / "a.ms", 0.0), observation(folder / "b.ms", 7e4)]
    done = fip("run", *sets, "--output", folder / "out", "--workers", "1", *OPTIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    with closing(Ledger(folder / "out", read_only=True)) as ledger:
        (run,) = [each.run for each in ledger.runs() if each.measurement_set == str(sets[1])]
        (index,) = [each.index for each in ledger.entries(run) if each.index == FIRST and each.label == FAR] or [-1]
    assert index == FIRST
    write_found(folder / "out", [event("flare", "", (FIRST, FIRST), (9, 9), run=run, field=FAR)], folders=False)
    return folder


def said(*words: object) -> tuple[int, list[str]]:
    """Return the exit code of `fip event`, and the lines that it prints: if there is an error, one line."""
    import_module("fip.cli")  # which has all commands
    done = CliRunner().invoke(app, ["event", *map(str, words)])
    if isinstance(done.exception, FipError):
        return done.exception.exit_code, [str(done.exception)]
    assert done.exception is None, done.output
    return done.exit_code, done.output.splitlines()


def test_the_copy_gives_the_same_images_bit_for_bit(made: Path, tmp_path: Path) -> None:
    """The command that is shown makes it; it has the event's set, field and windows alone, and all subtables."""
    output = tmp_path / "flare.ms"
    code, lines = said(made / "out", "flare", "--ms", output, "--margin", "4")
    assert code == 0
    slices = [10, 11, 12, 13, 14]  # of those from 8 to 16, the ones of the field
    assert lines[0] == f"{output}: {5 * ROWS} rows of {made / 'b.ms'}, slices 10 to 14 of run b"
    with (
        closing(tables.table(str(output), ack=False)) as main,
        closing(tables.table(str(made / "b.ms"), ack=False)) as b,
    ):
        assert main.nrows() == 5 * ROWS
        assert set(main.getcol("FIELD_ID")) == {1}
        assert set(main.getcol("DATA_DESC_ID")) == {1}
        assert set(main.keywordnames()) == set(b.keywordnames())
        for name in ("FIELD", "SPECTRAL_WINDOW", "ANTENNA"):
            ours, theirs = (
                tables.table(each.getkeyword(name).removeprefix("Table: "), ack=False) for each in (main, b)
            )
            assert ours.nrows() == theirs.nrows() > 1
            ours.close()
            theirs.close()
    command = shlex.split(lines[1].removeprefix("the same images: "))
    assert command[:3] == ["fip", "run", str(output)]
    done = fip(*command[1:], "--workers", "1", "--output", tmp_path / "again")
    assert done.returncode == 0, done.stdout + done.stderr
    before = {path.name: path for path in images(made / "out")}
    with closing(Ledger(made / "out", read_only=True)) as ledger:
        names = {each.index: each.file for run in ledger.runs() if run.name == "b" for each in ledger.entries(run.run)}
    after = images(tmp_path / "again")
    assert len(after) == len(slices)
    for index, path in zip(slices, after, strict=True):
        assert fits.getdata(path).tobytes() == fits.getdata(before[names[index]]).tobytes()
        ours, theirs = fits.getheader(path), fits.getheader(before[names[index]])
        assert [ours[key] for key in ("DATE-OBS", "BMAJ", "CRVAL1", "CRVAL3")] == [
            theirs[key] for key in ("DATE-OBS", "BMAJ", "CRVAL1", "CRVAL3")
        ]


def test_what_cannot_be_copied_is_one_line_and_leaves_nothing(made: Path, tmp_path: Path) -> None:
    """A name that is taken, a set that is gone, and one with a slice that was changed."""
    folder = tmp_path / "made"
    shutil.copytree(made, folder)
    with closing(Ledger(folder / "out")) as ledger:
        ledger._file.write("UPDATE runs SET measurement_set = ? WHERE name = 'b'", [str(folder / "b.ms")])  # noqa: SLF001
    output = tmp_path / "flare.ms"
    output.mkdir()
    taken = "exists; nothing is overwritten: choose another name"
    assert said(folder / "out", "flare", "--ms", output) == (2, [f"--ms {output}: {taken}"])
    output.rmdir()
    assert said(folder / "out", "flare", "--margin", "3") == (2, ["--margin: is of --ms OUT.ms, which is not given"])
    (tmp_path / "flare.ms.partial").mkdir()
    in_the_way = f"--ms {output}: {output}.partial is in the way: move it"
    assert said(folder / "out", "flare", "--ms", output) == (2, [in_the_way])
    (tmp_path / "flare.ms.partial").rmdir()
    rows = small_ms.rows(COUNT, windows=2, autocorrelations=True)["TIME"].size // COUNT

    def brighter(values: np.ndarray) -> np.ndarray:
        values[13 * rows : 14 * rows] *= 2
        return values

    small_ms.change(folder / "b.ms", "DATA", brighter)
    assert said(folder / "out", "flare", "--ms", output, "--margin", "0")[0] == 0
    shutil.rmtree(output)
    changed = "the data of 1 slices were changed since they were imaged: 13; `fip verify --data` tells all"
    assert said(folder / "out", "flare", "--ms", output) == (2, [f"{folder / 'b.ms'}: {changed}"])
    (folder / "b.ms").rename(folder / "c.ms")
    gone = f"{folder / 'b.ms'}: no such file or folder"
    assert said(folder / "out", "flare", "--ms", output) == (2, [gone])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]
