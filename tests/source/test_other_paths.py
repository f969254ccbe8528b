"""A path that holds no MeasurementSet, or may not be read, is refused with what it is and what would do."""

import gzip
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from fip.data.errors import InputError
from fip.source.tables.measurement_set import MeasurementSet
from support.fip_command import FIP, WITHIN


def uvfits(path: Path) -> None:
    """A file of random groups."""
    data = fits.GroupData(np.zeros((2, 1, 1, 3), "f4"), bitpix=-32, parnames=["UU", "VV"], pardata=[np.zeros(2)] * 2)
    fits.GroupsHDU(data).writeto(path)


def fits_idi(path: Path) -> None:
    """A file of tables."""
    column = fits.Column("ANNAME", "8A", array=["ANT1"])
    table = fits.BinTableHDU.from_columns([column], name="ARRAY_GEOMETRY")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


def archive(path: Path) -> None:
    """A tar of a folder."""
    (path.parent / "folder").mkdir()
    with tarfile.open(path, "w") as tar:
        tar.add(path.parent / "folder", "obs.ms")


def folder_with(name: str) -> Callable[[Path], None]:
    """A folder that has a file of this name."""

    def make(path: Path) -> None:
        path.mkdir()
        (path / name).write_text("{}")

    return make


def folder_of_sets(path: Path) -> None:
    """A folder of five MeasurementSets."""
    for number in range(5):
        (path / f"{number}.ms" / "ANTENNA").mkdir(parents=True)
        (path / f"{number}.ms" / "table.dat").touch()


KINDS: tuple[tuple[str, Callable[[Path], object], str], ...] = (
    ("obs.zarr", folder_with(".zgroup"), "a Zarr store"),
    ("obs.ps.zarr", folder_with("zarr.json"), "a Zarr store"),
    ("uid___A002", folder_with("ASDM.xml"), "importasdm"),
    ("obs.mir", folder_with("visdata"), "a Miriad set"),
    ("obs.uvfits", uvfits, "UVFITS: CASA's importuvfits"),
    ("obs.idifits", fits_idi, "FITS-IDI: CASA's importfitsidi"),
    ("image.fits", lambda path: fits.PrimaryHDU(np.zeros((4, 4))).writeto(path), "a FITS file, and no visibilities"),
    ("obs.ms.tar", archive, "a tar archive: unpack it first"),
    ("obs.ms.tgz", lambda path: path.write_bytes(gzip.compress(b"x")), "gzip: unpack it first"),
    ("obs.uvh5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n..."), "an HDF5 file"),
    ("night", folder_of_sets, "a folder that holds 0.ms, 1.ms, 2.ms and 2 more: name those"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "make", "says"), KINDS, ids=[name for name, _, _ in KINDS])
def test_what_is_there_is_named(name: str, make: Callable[[Path], object], says: str, tmp_path: Path) -> None:
    """Not that it does not exist: what it is, and how it becomes a MeasurementSet."""
    make(tmp_path / name)
    with pytest.raises(InputError) as refused:
        MeasurementSet(tmp_path / name)
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / name}: not a MeasurementSet, but ")
    assert says in said
    assert "exist" not in said
    assert "\n" not in said


def test_advice_opens_no_more_than_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that is closed: x for the way to it, and r for the set alone, never for all that is in the home."""
    home = tmp_path / "home" / "astro nomer"
    table = home / "data" / "obs.ms"
    table.mkdir(parents=True)
    (table / "table.dat").touch()
    really = os.access

    def but_for(place: Path) -> Callable[..., bool]:
        return lambda path, how, **others: Path(path) != place and really(path, how)

    monkeypatch.setattr(os, "access", but_for(home))
    with pytest.raises(InputError) as refused:
        MeasurementSet(table)
    said = str(refused.value)
    assert f":x '{home}')" in said
    assert f":rX '{table}')" in said
    assert f":rX '{home}'" not in said
    assert "chmod" not in said
    for closed in (table, table / "table.dat"):
        monkeypatch.setattr(os, "access", but_for(closed))
        with pytest.raises(InputError, match=rf"may not read {closed}: let that user read the table \(setfacl -R"):
            MeasurementSet(table)


def test_a_user_without_a_name_is_told_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container."""
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_001)
    monkeypatch.setattr(os, "access", lambda path, how, **others: Path(path) != tmp_path)
    with pytest.raises(InputError, match="user 4000001 may not read"):
        MeasurementSet(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount needs root")
def test_a_set_that_private_tmp_hides(tmp_path: Path) -> None:
    """In a service that has a /tmp of its own, as systemd makes it, a set in /tmp is not there: it is said why."""
    own = tmp_path / "systemd-private-1-fip-ventilator.service-2" / "tmp"
    own.mkdir(parents=True)
    script = f"mount --make-rprivate / && mount --bind {own} /var/tmp && exec {FIP} info /var/tmp/obs.ms"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=WITHIN, check=False
    )
    assert done.returncode == 2
    assert "no such file or folder that this service sees: it has a /var/tmp of its own (PrivateTmp)" in done.stderr
    with pytest.raises(InputError, match=r"no such file or folder$"):
        MeasurementSet(tmp_path / "obs.ms")
