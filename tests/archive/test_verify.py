"""`fip verify` and `--repair`: files that are missing, cut, emptied, swapped or another's are named and made again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.archive.verify import faults
from fip.data.settings import asked
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from support.fip_command import fip, images
from support.stored_run import RUN, store_run, stored_image

COUNT = 6


def name(index: int) -> str:
    """The name of an image of `store_run`."""
    return f"night-t{index:06d}-dirty.fits"


def flip(path: Path, at: int) -> None:
    """Change a byte, and not the size."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def swap(first: Path, second: Path) -> None:
    """Give each the name of the other."""
    between = first.with_name("between")
    first.rename(between)
    second.rename(first)
    between.rename(second)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A directory of six images, among files that are nobody's business."""
    store_run(tmp_path, COUNT, failed=[5])
    for other in ("notes.txt", "other-t000001-dirty.fits", "night-t000001-residual.fits", "movie.mp4"):
        (tmp_path / other).write_text("mine")
    return tmp_path


def found(directory: Path, digests: bool = False) -> dict[str, str]:
    """What is wrong with which file."""
    with closing(Ledger(directory, read_only=True)) as ledger, closing(Folder(directory, make=False)) as folder:
        return {each.name: each.what for each in faults(folder, ledger, digests)}


def test_files_that_are_as_they_were_stored_are_all_there(stored: Path) -> None:
    """Other files are not named, nor is one that a sink has linked and not yet entered."""
    with closing(sqlite3.connect(stored / "fip.sqlite")) as database:
        database.execute("DELETE FROM slices WHERE slice = 2")
        database.commit()
    done = fip("verify", stored, "--digests")
    assert (done.returncode, done.stdout) == (0, "4 files are there, with the content that was stored\n")


def test_what_is_wrong_with_each_file_is_named(stored: Path) -> None:
    """Missing, cut, emptied, swapped, another's in the place of a stored and of a failed one."""
    (stored / name(0)).unlink()
    (stored / name(1)).write_bytes((stored / name(1)).read_bytes()[:-2880])
    swap(stored / name(2), stored / name(3))
    (stored / name(4)).write_bytes(b"")
    (stored / name(5)).write_text("mine")
    done = fip("verify", stored)
    assert done.returncode == 1, done.stdout + done.stderr
    *lines, last = done.stdout.splitlines()
    size = (stored / name(2)).stat().st_size
    assert lines == [
        f"{name(0)} is missing",
        f"{name(1)} is cut short: it has {size - 2880} of {size} bytes",
        f"{name(2)} is foreign: it is the image (dirty) of integration 3 of run {RUN}",
        f"{name(3)} is foreign: it is the image (dirty) of integration 2 of run {RUN}",
        f"{name(4)} is cut short: it has 0 of {size} bytes",
        f"{name(5)} is foreign: it is no image of FIP's",
    ]
    assert last == "6 files are not as stored; `fip run` with --repair images them again"


def test_a_changed_pixel_is_found_by_its_digest(stored: Path) -> None:
    """Without digests the header and the size are looked at."""
    flip(stored / name(3), -3000)
    assert found(stored) == {}
    assert found(stored, digests=True) == {name(3): "has changed: its content is not what was stored"}


def test_a_directory_without_a_ledger_cannot_be_verified(tmp_path: Path) -> None:
    """A fault of usage, in one line."""
    done = fip("verify", tmp_path)
    assert done.returncode == 2
    assert "there is no fip.sqlite" in done.stderr


def test_a_link_that_leads_nowhere_is_in_the_place_of_an_image(stored: Path) -> None:
    """Its file is missing, and its name is taken: it is moved aside when the slice is made again."""
    (stored / name(1)).unlink()
    (stored / name(1)).symlink_to("nowhere")
    with closing(Store(stored)) as store:
        store.repair(store.faults())
        assert store.ledger.stored(RUN) == ((0, 1), (2, 5))
        store.open_run(RunPlan(RUN, "night", COUNT, "/data/night.ms", asked(), ""))
        store.put(stored_image(RUN, 1))
    assert found(stored, digests=True) == {}
    assert (stored / f"{name(1)}.replaced").is_symlink()


def test_a_run_that_resumes_names_what_is_wrong_and_repairs_it_when_asked(tmp_path: Path) -> None:
    """Exit 1 until it is repaired; what stood in the place of an image is kept, and all images are as they were."""
    simulate(tmp_path / "a.ms", Simulation(antennas=8, channels=4, integrations=COUNT))
    out = tmp_path / "out"
    command = ("run", tmp_path / "a.ms", "--output", out, "--size", "64", "--scale", "40arcsec", "--make-psf")
    assert fip(*command).returncode == 0
    first, second, third, *_ = images(out)
    before = {path.name: path.read_bytes() for path in out.glob("*.fits")}
    assert len(before) == 2 * COUNT
    first.unlink()
    second.write_bytes(b"")
    (out / third.name.replace("dirty", "psf")).write_text("mine")
    resumed = fip(*command)
    assert resumed.returncode == 1, resumed.stdout + resumed.stderr
    for part in ("3 files are not as stored: --repair", f"{first.name} is missing", f"{second.name} is cut short"):
        assert part in resumed.stdout
    assert not first.exists()
    simulate(tmp_path / "b.ms", Simulation(antennas=8, channels=4, integrations=1, seed=2))
    another = fip("run", tmp_path / "b.ms", *command[2:], "--repair")
    assert another.returncode == 1
    assert "3 files are not as stored: --repair, with the MeasurementSets that they are of" in another.stdout
    before |= {path.name: path.read_bytes() for path in out.glob("b-*.fits")}
    repaired = fip(*command, "--repair")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "3 made" in repaired.stdout
    assert {path.name: path.read_bytes() for path in out.glob("*.fits")} == before
    assert sorted(path.name for path in out.glob("*.replaced")) == [
        f"{second.name}.replaced", f"{third.name.replace('dirty', 'psf')}.replaced",
    ]  # fmt: skip
    assert (out / f"{third.name.replace('dirty', 'psf')}.replaced").read_text() == "mine"
    assert fip("verify", out, "--digests").returncode == 0
    assert sorted((out / "images.txt").read_text().split()) == [path.name for path in images(out)]
