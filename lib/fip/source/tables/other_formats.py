"""What a path is that is no MeasurementSet, and how it becomes one. FIP itself reads casacore's tables alone."""

from collections.abc import Mapping
from pathlib import Path

ZARR = "a Zarr store, as MSv4: FIP images the MeasurementSet (v2) that it was made of"
FOLDERS: Mapping[str, str] = {
    ".zgroup": ZARR,
    ".zmetadata": ZARR,
    "zarr.json": ZARR,
    "ASDM.xml": "an ASDM: CASA's importasdm makes a MeasurementSet of it",
    "visdata": "a Miriad set: Miriad's fits (op=uvout) and CASA's importuvfits make a MeasurementSet of it",
}
"""A file that a folder of the kind has, and what that is."""

BEGINNINGS: Mapping[bytes, str] = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file: katdal's mvftoms, or pyuvdata of UVH5, make a MeasurementSet of it",
    b"\x1f\x8b": "compressed by gzip: unpack it first (tar -xzf)",
    b"BZh": "compressed by bzip2: unpack it first (tar -xjf)",
    b"\xfd7zXZ\x00": "compressed by xz: unpack it first (tar -xJf)",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it first (tar --zstd -xf)",
    b"PK\x03\x04": "a zip archive: unpack it first (unzip)",
}
TAR, TAR_AT = b"ustar", 257
FITS = b"SIMPLE  ="
LOOKED_AT = 28800  # bytes of a file: ten blocks of FITS
SHOWN = 3  # names


def what_it_is(path: Path) -> str:
    """What a path is, and what would do, in a few words; "" of what is not known."""
    try:
        if path.is_dir():
            return _folder(path)
        with path.open("rb") as file:
            return _file(file.read(LOOKED_AT))
    except OSError:
        return ""


def _folder(path: Path) -> str:
    known = next((what for name, what in FOLDERS.items() if (path / name).exists()), "")
    if known:
        return known
    held = sorted(each.name for each in path.iterdir() if (each / "table.dat").exists() and (each / "ANTENNA").exists())
    more = f" and {len(held) - SHOWN} more" if len(held) > SHOWN else ""
    return (
        f"a folder that holds {', '.join(held[:SHOWN])}{more}: name those, or give --follow if more arrive"
        if held
        else ""
    )


def _file(begin: bytes) -> str:
    if begin.startswith(FITS):
        cards = {begin[at : at + 10] for at in range(0, len(begin), 80)}
        if b"GROUPS  = " in cards and b"PTYPE1  = " in cards:
            return "UVFITS: CASA's importuvfits makes a MeasurementSet of it"
        if b"ARRAY_GEOMETRY" in begin or b"FITS-IDI" in begin or b"UV_DATA" in begin:
            return "FITS-IDI: CASA's importfitsidi makes a MeasurementSet of it"
        return "a FITS file, and no visibilities that FIP knows"
    if begin[TAR_AT : TAR_AT + len(TAR)] == TAR:
        return "a tar archive: unpack it first (tar -xf)"
    return next((what for magic, what in BEGINNINGS.items() if begin.startswith(magic)), "")
