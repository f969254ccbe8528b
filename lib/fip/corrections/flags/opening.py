"""Flags as they are asked for, opened once and checked against the recording."""

import stat
from pathlib import Path

import xxhash

from fip.corrections.flags.automatic import Automatic
from fip.corrections.flags.bands import KnownBands, parse_bands, unmet
from fip.corrections.flags.flags import Flags
from fip.corrections.observed import Expected
from fip.data.errors import UsageError

_LARGEST = 1 << 20  # bytes of a file of bands: ten thousands of lines
_AOFLAGGER = "aoflagger:"


def open_flags(asked: str, expected: Expected) -> Flags | None:
    """Open the flags of `--flag none|auto|FILE`; None for "none". UsageError for a file without known bands."""
    if asked == "none":
        return None
    if asked == "auto":
        return Automatic.opened()
    if asked.startswith(_AOFLAGGER):
        raise UsageError(
            f"--flag {asked}: this FIP does not run AOFlagger; give none, auto, or a file of known bands "
            "(or flag the MeasurementSet with aoflagger before: FIP uses its FLAG)"
        )
    path = Path(asked)
    content = _read(path)
    try:
        bands = parse_bands(path, content.decode())
    except UnicodeDecodeError:
        raise UsageError(f"--flag {path}: is no text; a file of known bands has lines as 933~960MHz uv<1000m") from None
    digest = xxhash.xxh3_64_hexdigest(content)
    named = f"{path.name}@{digest}"
    beyond = unmet(bands, expected.windows)
    note = f"flags {path}: {len(bands)} known {'band' if len(bands) == 1 else 'bands'}"
    return KnownBands(digest, named, (note + (f", {beyond} of them beyond what is imaged" if beyond else ""),), bands)


def _read(path: Path) -> bytes:
    """Return the content of the file. UsageError if it cannot be read, is no plain file, or is too long for bands."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"--flag {path}: is no plain file; give none, auto, or a file of known bands")
        if found.st_size > _LARGEST:
            raise UsageError(f"--flag {path}: has {found.st_size} bytes, and a file of known bands at most {_LARGEST}")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"--flag {path}: {error.strerror or error}; give none, auto, or a file of known bands that is there"
        ) from None
