"""A path that holds no MeasurementSet, or may not be read, is refused with what it is and what would work."""

import gzip
import os
import socket
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits
from casacore import tables

from fip.data.errors import InputError
from fip.source.sources import open_recording
from fip.source.tables.measurement_set import MeasurementSet
from fip.source.tables.other_formats import what_it_is
from support.fip_command import FIP, WITHIN


def fits_idi(path: Path) -> None:
    """Write a file of tables (FITS-IDI)."""
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


def tables_of(name: str) -> Callable[[Path], None]:
    """A FITS file that has a table of this name."""
    return lambda path: fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(name=name)]).writeto(path)


def groups_of(*names: str) -> Callable[[Path], None]:
    """A file of random groups that have two parameters of these names."""

    def make(path: Path) -> None:
        data = fits.GroupData(np.zeros((2, 1, 3), "f4"), bitpix=-32, parnames=[*names], pardata=[np.zeros(2)] * 2)
        fits.GroupsHDU(data).writeto(path)

    return make


def of_type(kind: str) -> Callable[[Path], None]:
    """A table of casacore that says what it is."""

    def make(path: Path) -> None:
        with tables.table(str(path), tables.maketabdesc([tables.makescacoldesc("TIME", 0.0)]), ack=False) as made:
            made.putinfo({"type": kind, "subType": "", "readme": ""})

    return make


def hdf5_with(*names: str) -> Callable[[Path], None]:
    """An HDF5 file that has groups of these names."""

    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name in names:
                file.create_group(name)

    return make


def bytes_of(content: bytes) -> Callable[[Path], object]:
    """A file of these bytes."""
    return lambda path: path.write_bytes(content)


def socket_at(path: Path) -> None:
    """A socket, which goes on being there."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


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
    ("obs.idifits", fits_idi, "FITS-IDI: CASA's importfitsidi"),
    ("image.fits", lambda path: fits.PrimaryHDU(np.zeros((4, 4))).writeto(path), "a FITS image"),
    ("obs.ms.tar", archive, "a tar archive: unpack it first"),
    ("obs.ms.tgz", lambda path: path.write_bytes(gzip.compress(b"x")), "gzip: unpack it first"),
    ("bad.h5", bytes_of(b"\x89HDF\r\n\x1a\n..."), "an HDF5 file that cannot be read"),
    ("other.h5", hdf5_with("beam"), "an HDF5 file that holds beam, and no Header as UVH5 has"),
    ("obs.uvh5", hdf5_with("Header", "Data"), "UVH5, which FIP images; here it takes a MeasurementSet"),
    ("obs.uvfits", groups_of("UU", "VV"), "UVFITS, which FIP images; here it takes a MeasurementSet"),
    ("sols.h5", hdf5_with("sol000"), "an h5parm file of solutions: give it with --gains"),
    ("kat.h5", hdf5_with("MetaData"), "katdal's mvftoms"),
    ("cal.G", of_type("Calibration"), "a calibration table: give it with --gains"),
    ("clean.image", of_type("Image"), "a CASA image: FIP makes images of visibilities"),
    ("sky.cl", of_type("Component List"), "a component list"),
    ("odd.table", of_type("Sky Catalog"), "a table of casacore of the type Sky Catalog"),
    ("mir", folder_with("bl_read"), "a MIR set of the SMA"),
    ("run.fip", folder_with("fip.sqlite"), "a directory of images that FIP has made"),
    ("empty", lambda path: path.mkdir(), "an empty folder"),
    ("groups.fits", groups_of("A", "B"), "without u, v and w"),
    ("single.fits", tables_of("SINGLE DISH"), "of a single dish"),
    ("table.fits", tables_of("CATALOGUE"), "a FITS file, and no visibilities that FIP knows; FIP reads"),
    ("nothing.ms", lambda path: path.touch(), "an empty file"),
    ("capture.rdb", bytes_of(b"REDIS0009"), "a MeerKAT capture of katdal"),
    ("sim.vis", bytes_of(b"OSKARBIN\0"), "oskar_vis_to_ms"),
    ("a.uvt", bytes_of(b"GILDAS_UVFIL"), "a UV table of GILDAS"),
    ("fip.sqlite", bytes_of(b"SQLite format 3\0"), "a database"),
    ("beam.fil", bytes_of(b"\x0c\x00\x00\x00HEADER_START"), "a filterbank file"),
    ("a.npy", lambda path: np.save(path, np.zeros(3)), "arrays of numpy"),
    ("b.npz", lambda path: np.savez(path, a=np.zeros(3)), "arrays of numpy"),
    ("a.zip", bytes_of(b"PK\x03\x04obs.ms/"), "a zip archive"),
    ("list.txt", lambda path: path.write_text("a.ms\nb.ms\n"), "a text file that begins 'a.ms': FIP reads"),
    ("pipe", os.mkfifo, "a pipe"),
    ("socket", socket_at, "a socket"),
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


def test_a_part_of_a_set_is_named_with_the_set(ms: Path) -> None:
    """Whoever has completed a name too far gives such a path."""
    with pytest.raises(InputError, match=f"but the subtable ANTENNA of one: name {ms}$"):
        open_recording(ms / "ANTENNA")


def test_visibilities_of_aips_that_are_no_groups(tmp_path: Path) -> None:
    """AIPS writes its own tables, too."""
    path = tmp_path / "a.uvfits"
    fits.PrimaryHDU().writeto(path)
    cards = path.read_bytes().replace(b"NAXIS   =                    0", b"NAXIS1  =            777777701")
    path.write_bytes(cards)
    assert "write it as UVFITS (AIPS: FITTP)" in what_it_is(path)


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
    """A container may have no name for it."""
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
