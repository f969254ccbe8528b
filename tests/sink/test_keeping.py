"""What becomes of images after they are stored: a ring of the newest, ledgers elsewhere, network file systems."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive.file_names import LEDGER
from fip.archive.file_systems import network_type
from fip.archive.ledger import Ledger
from fip.config import load
from fip.data.quantities import Retention
from fip.data.settings import Asked
from fip.data.values import FitsFile, ImageFile
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from support.fip_command import fip, images
from support.made_values import SMALLEST, make_image
from support.set_clock import SetClock

COUNT = 6
PLAN = RunPlan("run", "a", COUNT, "/a.ms", Asked(), "")
BOTH = 2 * len(SMALLEST)
MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 21 0:44 / /data rw,relatime shared:20 - nfs4 head:/data rw,vers=4.2
41 40 8:17 / /data/local\\040disk rw,relatime shared:21 - xfs /dev/sdb1 rw
42 21 0:50 / /mnt rw - fuse.sshfs host:/ rw
"""


def image(index: int) -> ImageFile:
    """An image with its point spread function, 5760 bytes together."""
    return replace(
        make_image(FitsFile("dirty", SMALLEST), FitsFile("psf", SMALLEST)), index=index, integration=index, label=""
    )


def filled(store: Store) -> Store:
    """The store with all images."""
    assert store.open_run(PLAN) == ""
    for index in range(COUNT):
        store.put(image(index))
    return store


def test_the_oldest_beyond_some_bytes_expire(tmp_path: Path) -> None:
    """Two fit: the others' files are gone, the ledger counts them as stored, and they are not made again."""
    store = filled(Store(tmp_path, Retention(size=2 * BOTH + 1)))
    assert store.expire() == COUNT - 2
    assert store.expire() == 0
    names = sorted(path.name for path in tmp_path.glob("*.fits"))
    assert names == [f"a-t{n:06d}-{kind}.fits" for n in (COUNT - 2, COUNT - 1) for kind in ("dirty", "psf")]
    assert sorted(store.ledger.files()) == names
    store.close()
    again = Store(tmp_path, Retention(size=BOTH))
    assert again.open_run(PLAN) == ""
    assert again.ledger.stored("run") == ((0, COUNT),)
    assert again.expire() == 1
    (totals,) = again.ledger.totals()
    assert (totals.stored, totals.expired, totals.failed) == (COUNT, COUNT - 1, ())
    again.close()
    assert (tmp_path / "images.txt").read_text() == f"a-t{COUNT - 1:06d}-dirty.fits\n"


def test_the_oldest_expire_by_their_age_but_the_last_stays(tmp_path: Path) -> None:
    """An hour after they were stored all but the newest have expired; before, none."""
    hands = SetClock()
    store = filled(Store(tmp_path, Retention(seconds=3600.0), clock=hands.clock))
    hands.seconds += 3500.0
    assert store.expire() == 0
    hands.seconds += 200.0
    assert store.expire() == COUNT - 1
    assert len(images(tmp_path)) == 1
    store.close()


def test_a_sink_that_was_killed_while_images_expired_goes_on(tmp_path: Path) -> None:
    """Files that were removed before the ledger had it are no obstacle."""
    store = filled(Store(tmp_path, Retention(size=BOTH)))
    (tmp_path / "a-t000000-dirty.fits").unlink()
    assert store.expire() == COUNT - 1
    store.close()


def test_a_ledger_elsewhere_is_read_through_its_directory(tmp_path: Path) -> None:
    """The folder has the ledgers of two directories of one name; each is read by its directory, and cleared alone."""
    ledgers = tmp_path / "ledgers"
    for parent in ("first", "second"):
        filled(Store(tmp_path / parent / "out", ledgers=ledgers)).close()
    assert len(list(ledgers.iterdir())) == 2
    place = tmp_path / "first" / "out"
    assert (place / LEDGER).is_symlink()
    ledger = Ledger(place, read_only=True)
    assert len(list(ledger.files())) == 2 * COUNT
    ledger.close()
    store = Store(place, ledgers=ledgers)
    store.clear()
    assert list(store.ledger.files()) == []
    store.close()
    ledger = Ledger(tmp_path / "second" / "out", read_only=True)
    assert len(list(ledger.files())) == 2 * COUNT
    ledger.close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/data/x", "nfs4"), ("/data", "nfs4"), ("/database", ""), ("/data/local disk/x", ""), ("/mnt/x", "fuse.sshfs")],
)
def test_network_file_systems_are_known(path: str, kind: str) -> None:
    """The innermost mount that a directory is in decides."""
    assert network_type(Path(path), MOUNTS) == kind


def test_a_ledger_on_a_network_has_no_write_ahead_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is written there is no file of shared memory beside it; elsewhere there is."""
    modes = {}
    for kind in ("", "nfs4"):
        monkeypatch.setattr("fip.archive.ledger_file.network_type", lambda path, kind=kind: kind)
        store = filled(Store(tmp_path / f"on-{kind}"))
        with sqlite3.connect(f"file:{store.ledger.path}?mode=ro", uri=True) as reader:
            modes[kind] = reader.execute("PRAGMA journal_mode").fetchone()[0]
        reader.close()
        assert (tmp_path / f"on-{kind}" / f"{LEDGER}-shm").exists() == (kind == "")
        store.close()
    assert modes == {"": "wal", "nfs4": "delete"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not write")
def test_a_ledger_that_is_closed_is_read_without_the_right_to_write(shared: Path) -> None:
    """Another user reads it, who may not write the file nor its folder."""
    directory = shared / "out"
    filled(Store(directory)).close()
    os.seteuid(65534)
    try:
        assert not os.access(directory, os.W_OK, effective_ids=True)
        ledger = Ledger(directory, read_only=True)
        (totals,) = ledger.totals()
        ledger.close()
    finally:
        os.seteuid(0)
    assert totals.stored == COUNT


def test_what_is_to_be_kept_is_read_and_written_alike(tmp_path: Path) -> None:
    """The form is the one that a person writes."""
    file = tmp_path / "fip.toml"
    for text, keep in (
        ("all", Retention()),
        ("6h", Retention(6 * 3600.0)),
        ("90min", Retention(5400.0)),
        ("500GB", Retention(None, 5 * 10**11)),
    ):
        file.write_text(f'[sink]\nkeep = "{text}"\n')
        assert load(file).config.sink.keep == keep
        file.write_text(f'[sink]\nkeep = "{load(file).config.model_dump(mode="json")["sink"]["keep"]}"\n')
        assert load(file).config.sink.keep == keep


def test_a_run_into_a_ring_is_whole_and_is_not_made_again(tmp_path: Path) -> None:
    """`fip run` ends with exit 0 and says how many have expired; given again, nothing is left to do."""
    simulate(tmp_path / "a.ms", Simulation(antennas=8, channels=4, integrations=8))
    file = tmp_path / "fip.toml"
    file.write_text('[sink]\nkeep = "100kB"\n')
    command = ("run", tmp_path / "a.ms", "--output", tmp_path / "out", "--size", "128", "--scale", "20arcsec")
    first = fip(*command, "--config", file)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "8 of 8 images" in first.stdout
    assert "expired since" in first.stdout
    left = {path: path.stat().st_ino for path in images(tmp_path / "out")}
    assert sum(path.stat().st_size for path in left) <= 100_000
    again = fip(*command, "--config", file)
    assert again.returncode == 0
    assert "nothing was left to do" in again.stdout
    assert {path: path.stat().st_ino for path in images(tmp_path / "out")} == left
