"""What a path is that holds nothing that FIP can image, in a few words, and what would help."""

import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

READ = "FIP reads MeasurementSets, UVH5 and UVFITS"

ZARR = "a Zarr store, as MSv4: FIP images the MeasurementSet (v2) that it was made of"
FOLDERS: Mapping[str, str] = {
    ".zgroup": ZARR,
    ".zmetadata": ZARR,
    "zarr.json": ZARR,
    "ASDM.xml": "an ASDM: CASA's importasdm makes a MeasurementSet of it",
    "visdata": "a Miriad set: Miriad's fits (op=uvout) makes UVFITS of it",
    "bl_read": "a MIR set of the SMA: pyuvdata makes a MeasurementSet of it",
}
"""A file that a folder of the kind has, and what that is: one recording, though FIP does not read it."""

IMAGES, OF_IMAGES = "fip.sqlite", "a directory of images that FIP has made: name what they were made of"
"""A file that a directory of images has, which is no recording at all; and what is said of it."""

TABLES: Mapping[str, str] = {
    "Image": "a CASA image: FIP makes images of visibilities; name the MeasurementSet that it was made of",
    "Calibration": "a calibration table: give it with --gains, and name the MeasurementSet that it is for",
    "Component List": "a component list of CASA, which is a model of the sky: name the MeasurementSet",
}
"""casacore's type of a table, and what that is."""

ARRAYS = "arrays of numpy: a package of yours can open them (docs/extending/recording.md)"
BEGINNINGS: Mapping[bytes, str] = {
    b"\x1f\x8b": "compressed by gzip: unpack it first (tar -xzf, gunzip)",
    b"BZh": "compressed by bzip2: unpack it first (tar -xjf)",
    b"\xfd7zXZ\x00": "compressed by xz: unpack it first (tar -xJf)",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it first (tar --zstd -xf)",
    b"REDIS": "a MeerKAT capture of katdal (.rdb): katdal's mvftoms makes a MeasurementSet of it",
    b"OSKARBIN": "a file of OSKAR: oskar_vis_to_ms makes a MeasurementSet of it",
    b"GILDAS": "a UV table of GILDAS: its FITS command makes UVFITS of it",
    b"SQLite format 3": "a database, as the ledger of FIP's images: name what was imaged",
    b"\x93NUMPY": ARRAYS,
    b"\x0c\x00\x00\x00HEADER_START": "a filterbank file, which holds one beam and no visibilities",
}
HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP, OF_NUMPY = b"PK\x03\x04", b".npy"
TAR, TAR_AT = b"ustar", 257
FITS = b"SIMPLE  ="
LOOKED_AT = 28800  # bytes of a file: ten blocks of FITS
SHOWN = 3  # names
_LINE = 40  # characters of a text that are shown

_SPECIAL: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISFIFO, "a pipe: write what comes out of it to a file first"),
    (stat.S_ISSOCK, "a socket, which holds no data"),
    (stat.S_ISCHR, "a device, which holds no data"),
    (stat.S_ISBLK, "a disk: mount it, and name what is on it"),
)


def what_it_is(path: Path) -> str:
    """Say what a path is, and what would help, in a few words; "" if it is not known."""
    try:
        mode = path.stat().st_mode
        special = next((what for holds, what in _SPECIAL if holds(mode)), "")
        if special or stat.S_ISDIR(mode):
            return special or _folder(path)
        with path.open("rb") as file:
            begin = file.read(LOOKED_AT)
        return _hdf5(path) if begin.startswith(HDF5) else _file(begin)
    except OSError:
        return ""


def _folder(path: Path) -> str:
    if (path / "table.dat").exists():
        return _table(path)
    known = next((what for name, what in (*FOLDERS.items(), (IMAGES, OF_IMAGES)) if (path / name).exists()), "")
    if known:
        return known
    if not any(path.iterdir()):
        return "an empty folder"
    held = sorted(each.name for each in path.iterdir() if _holds_visibilities(each))
    more = f" and {len(held) - SHOWN} more" if len(held) > SHOWN else ""
    return (
        f"a folder that holds {', '.join(held[:SHOWN])}{more}: name those, or give --follow if more arrive"
        if held
        else ""
    )


def _holds_visibilities(path: Path) -> bool:
    """Return whether it is a MeasurementSet, or a file with a suffix of those that FIP reads."""
    if path.suffix.lower() in (".uvh5", ".uvfits", ".uvf"):
        return path.is_file()
    return (path / "table.dat").exists() and (path / "ANTENNA").exists()


def _table(path: Path) -> str:
    """Say what a table is, by its file table.info, and by the folder that it is in."""
    if (path.parent / "table.dat").exists() and (path.parent / "ANTENNA").exists():
        return f"the subtable {path.name} of one: name {path.parent}"
    info = path / "table.info"
    found = re.search(r"^Type = *(.*?) *$", info.read_text(errors="replace"), re.MULTILINE) if info.exists() else None
    kind = found[1] if found else ""
    return TABLES.get(kind, f"a table of casacore of the type {kind}") if kind not in ("", "Measurement Set") else ""


def _file(begin: bytes) -> str:
    if not begin:
        return "an empty file"
    if begin.startswith(FITS):
        return _fits(begin)
    if begin.startswith(ZIP):
        return ARRAYS if OF_NUMPY in begin[:120] else "a zip archive: unpack it first (unzip)"
    if begin[TAR_AT : TAR_AT + len(TAR)] == TAR:
        return "a tar archive: unpack it first (tar -xf)"
    return next((what for magic, what in BEGINNINGS.items() if begin.startswith(magic)), "") or _text(begin)


def _fits(begin: bytes) -> str:
    """Say what a FITS file is, by the cards near its begin."""
    cards = [begin[at : at + 80].decode("ascii", "replace") for at in range(0, len(begin), 80)]
    said = {card[:8].strip(): card[10:].partition("/")[0].strip().strip("' ") for card in reversed(cards)}
    if said.get("NAXIS1") == "777777701":
        return "visibilities in tables of AIPS (FITAB): write it as UVFITS (AIPS: FITTP)"
    if any(word in begin for word in (b"ARRAY_GEOMETRY", b"FITS-IDI", b"UV_DATA")):
        return "FITS-IDI: CASA's importfitsidi makes a MeasurementSet of it"
    if b"SINGLE DISH" in begin:
        return "SDFITS, of a single dish: it holds no visibilities"
    if said.get("GROUPS") == "T" and any(said.get(f"PTYPE{at}", "").startswith("UU") for at in range(1, 10)):
        return "UVFITS, which FIP images; here it takes a MeasurementSet, which CASA's importuvfits makes of it"
    if said.get("GROUPS") == "T":
        return "random groups of FITS without u, v and w: no visibilities that FIP knows"
    if said.get("NAXIS", "0") not in ("0", "1"):
        return "a FITS image: FIP makes images of visibilities; name what holds those"
    return f"a FITS file, and no visibilities that FIP knows; {READ}"


def _hdf5(path: Path) -> str:
    """Say what an HDF5 file is, by what it holds, if h5py is there to read it."""
    try:
        import h5py

        with h5py.File(path, "r", locking=False) as file:
            held = sorted(file)
    except (ImportError, OSError, RuntimeError):
        return "an HDF5 file that cannot be read"
    if any(re.fullmatch(r"sol\d+", name) for name in held):
        return "an h5parm file of solutions: give it with --gains, and name the MeasurementSet that it is for"
    if {"Header", "Data"} <= set(held):
        return "UVH5, which FIP images; here it takes a MeasurementSet, which pyuvdata makes of it"
    if "MetaData" in held:
        return "an HDF5 file of KAT-7 or MeerKAT: katdal's mvftoms makes a MeasurementSet of it"
    what = f"that holds {', '.join(held[:SHOWN])}" if held else "that holds nothing"
    return f"an HDF5 file {what}, and no Header as UVH5 has; {READ}"


def _text(begin: bytes) -> str:
    """Say how a file begins, by its first line, if it is text."""
    try:
        text = begin.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(begin) - 4:  # else the last letter is cut
            return ""
        text = begin[: error.start].decode("utf-8")
    line = text.strip().partition("\n")[0].strip()
    if not line or not all(letter.isprintable() or letter.isspace() for letter in text):
        return ""
    shown = line if len(line) <= _LINE else f"{line[:_LINE]}..."
    return f"a text file that begins '{shown}': {READ}"
