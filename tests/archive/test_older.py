"""What an older FIP left goes on: directories of images, the ids of runs, ledgers, and jobs that wait."""

import json
import shlex
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from fip.archive.ledger import Ledger
from fip.archive.schema import OLDEST_SCHEMA, SCHEMA_VERSION
from fip.config import all_options, load
from fip.data.errors import StoreError
from fip.data.settings import Asked, asked
from fip.source.growing import Growing
from fip.source.open_run import open_run
from fip.ventilator.job_queue import Queue
from fip.wire.messages import Follow
from support import small_ms
from support.fip_command import fip, images
from support.mesh import Mesh

LEFT = Path(__file__).parent / "at_0c91216"
IDS: dict[str, str] = json.loads((LEFT / "ids.json").read_text())
SMALL = "--size 32 --scale 40arcsec"
SELECTED = next(options for options in IDS if options.startswith("--size 32x24"))


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MeasurementSet of that time, written again somewhere else."""
    return small_ms.write(tmp_path_factory.mktemp("six") / "small.ms", small_ms.rows(integrations=6))


def unpacked(name: str, folder: Path) -> Path:
    """A directory of images, as it was left."""
    with tarfile.open(LEFT / f"{name}.tar.xz") as tar:
        tar.extractall(folder, filter="data")
    return folder / name


def given(options: str) -> tuple[Asked, bool]:
    """What these options of `fip run` ask for, and whether the set is followed."""
    names = {name: key for key, option in all_options().items()
             for name in option.names or (f"--{key.rpartition('.')[2].replace('_', '-')}",)}  # fmt: skip
    words, values = shlex.split(options), dict[str, Any]()
    while words:
        key = names[words.pop(0)]
        values[key] = True if all_options()[key].flag else words.pop(0)
    config = load(overrides=values).config
    return config.asked, config.source.follow


@pytest.mark.parametrize("options", IDS)
def test_the_id_of_that_time_is_known(six: Path, options: str) -> None:
    """It is known for every option, and for some together; the id of today is another one."""
    wanted, follow = given(options)
    if follow:
        growing = Growing(six, wanted)
        run = growing.look(complete=True, ended=True)
        growing.close()
    else:
        run = open_run(six, wanted)
        run.close()
    assert run.older == IDS[options]
    assert run.id != run.older


@pytest.mark.parametrize(("name", "options", "stored", "total"), [("small", SMALL, 3, 6), ("selected", SELECTED, 2, 3)])
def test_a_directory_that_was_interrupted_goes_on(
    six: Path, tmp_path: Path, name: str, options: str, stored: int, total: int
) -> None:
    """Under the id that it has; what is stored stays as it is, and the rest is what a whole run makes."""
    directory, whole = unpacked(f"{name}.fip", tmp_path), tmp_path / "whole"
    before = {path: path.read_bytes() for path in directory.glob("*.fits")}
    done = fip("run", six, "--output", directory, *shlex.split(options))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{total - stored} made" in done.stdout
    assert {path: path.read_bytes() for path in before} == before
    ledger = Ledger(directory, read_only=True)
    assert [(run.run, run.stored, run.total) for run in ledger.totals()] == [(IDS[options], total, total)]
    ledger.close()
    assert fip("run", six, "--output", whole, *shlex.split(options)).returncode == 0
    assert [image.name for image in images(directory)] == [image.name for image in images(whole)]
    for image in images(directory):
        with fits.open(image) as ours, fits.open(whole / image.name) as fresh:
            assert ours[0].header["FIPRUN"] == IDS[options]
            assert ours[0].header["DATASUM"] == fresh[0].header["DATASUM"]
    assert "nothing was left to do" in fip("run", six, "--output", directory, *shlex.split(options)).stdout
    refused = fip("run", six, "--output", directory, "--size", 34)
    assert refused.returncode == 2
    assert "size 32x" in refused.stderr


def test_an_older_ledger_is_read_as_it_is_and_brought_up_to_date_by_its_writer(tmp_path: Path) -> None:
    """A reader changes nothing; a writer adds what the ledger lacks."""
    directory = unpacked("selected.fip", tmp_path)
    content = (directory / "fip.sqlite").read_bytes()
    reader = Ledger(directory, read_only=True)
    assert (reader.asked(), [run.stored for run in reader.totals()]) == (given(SELECTED)[0], [2])
    reader.close()
    assert (directory / "fip.sqlite").read_bytes() == content
    writer = Ledger(directory)
    assert (writer.asked(), [run.stored for run in writer.totals()]) == (given(SELECTED)[0], [2])
    writer.close()
    database = sqlite3.connect(directory / "fip.sqlite")
    assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert database.execute("SELECT run, slice, name, value, unit FROM numbers").fetchall() == []
    database.close()


@pytest.mark.parametrize("version", [OLDEST_SCHEMA - 1, SCHEMA_VERSION + 1])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_ledger_of_another_time_is_refused_and_left_alone(tmp_path: Path, version: int, read_only: bool) -> None:
    """One from before what can be read, and one of a FIP to come."""
    directory = unpacked("selected.fip", tmp_path)
    database = sqlite3.connect(directory / "fip.sqlite")
    database.execute(f"PRAGMA user_version = {version}")
    tables = database.execute("SELECT sql FROM sqlite_schema").fetchall()
    with pytest.raises(StoreError, match=f"has schema {version}"):
        Ledger(directory, read_only)
    assert database.execute("SELECT sql FROM sqlite_schema").fetchall() == tables
    assert database.execute("PRAGMA user_version").fetchone() == (version,)
    database.close()


def test_jobs_that_wait_since_then_are_done(six: Path, tmp_path: Path) -> None:
    """They are done with all that they ask for."""
    script = (LEFT / "queue.sql").read_text().replace("PLACE", str(six.parent))
    script = script.replace('"complete_after":10.0,"end_after":300.0', '"complete_after":0.5,"end_after":2.0')
    (tmp_path / "m").mkdir()
    with sqlite3.connect(tmp_path / "m" / "jobs.sqlite") as database:
        database.executescript(
            script.replace('"complete_after":10.0,"end_after":300.0', '"complete_after":0.5,"end_after":2.0')
        )
    database.close()
    queue = Queue(tmp_path / "m" / "jobs.sqlite")
    plain, follows = (submit for submit, *_ in queue.jobs())
    queue.close()
    assert plain.asked == Asked()
    assert follows.asked == asked(weight="briggs", robust=0.5, phase_centre="57.3deg -28.65deg", size="32x24",
                                  scale="39.5arcsec", average=2, uv_range="1~900m", spw="0:0~2")  # fmt: skip
    assert (follows.pace, follows.follow) == (1.0, Follow(0.5, 2.0))
    with Mesh(tmp_path / "m") as mesh:
        for job, count in ((plain.job, 6), (follows.job, 3)):
            mesh.wait_for_job(job)
            assert len(images(mesh.images / job)) == count
