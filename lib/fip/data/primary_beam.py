"""Which primary beam, as a person writes it: `airy`, `gaussian:1.1deg`, or the path of a FITS image of one."""

import re
from typing import Annotated

from pydantic import AfterValidator

from fip.data.quantities import parse_angle

AIRY, GAUSSIAN = "airy", "gaussian:"
_FILE = re.compile(r"(?P<path>.+\.(?:fits|fit|fts|FITS))(?:@(?P<digest>[0-9a-f]{16}))?")


def parse_primary_beam(text: str) -> str:
    """A primary beam, as it is written; ValueError for anything else."""
    text = text.strip()
    if text.startswith(GAUSSIAN):
        if parse_angle(text.removeprefix(GAUSSIAN)) <= 0:
            raise ValueError(f"'{text}': give a width above 0")
    elif text != AIRY and not _FILE.fullmatch(text):
        raise ValueError(f"'{text}' is no primary beam: give airy, gaussian:FWHM as gaussian:1.1deg, or a FITS file")
    return text


def file_of(written: str) -> tuple[str, str] | None:
    """Path and digest of a beam that is a file, the digest "" before it is known; None for another."""
    found = _FILE.fullmatch(written)
    return (found["path"], found["digest"] or "") if found else None


PrimaryBeam = Annotated[str, AfterValidator(parse_primary_beam)]
"""`airy`, `gaussian:FWHM`, `PATH.fits`, or `PATH.fits@DIGEST` with 16 hexadecimal digits of its content."""
