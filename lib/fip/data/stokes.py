"""Stokes planes: what can be asked for, and their places on a FITS axis. Pure."""

from itertools import pairwise
from typing import Annotated

from pydantic import PlainSerializer

from fip.data.errors import UsageError
from fip.data.quantities import reads

STOKES = ("I", "Q", "U", "V")
HANDS = ("XX", "YY", "RR", "LL")
REQUESTS = (*STOKES, "pseudoI", *HANDS)
"""What can be asked for."""

STOKES_CODES = {
    "I": 1, "Q": 2, "U": 3, "V": 4,
    "RR": -1, "LL": -2, "RL": -3, "LR": -4,
    "XX": -5, "YY": -6, "XY": -7, "YX": -8,
}  # fmt: skip
"""Name -> place on a STOKES axis (FITS standard 4.0, table 29)."""


def parse_stokes(text: str) -> tuple[str, ...]:
    """Planes in the order asked from `I`, `IQUV`, `I,V`, `pseudoI`, `XX`; ValueError for anything else."""
    planes = [part.strip() for part in text.split(",")]
    if len(planes) == 1 and set(planes[0].upper()) <= set("IQUV"):
        planes = list(planes[0].upper())
    known = {name.upper(): name for name in ("pseudoI", *STOKES_CODES)}
    names = [known.get(plane.upper(), "") for plane in planes]
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"'{text}' names no Stokes planes, as I, IQUV, 'I,V', pseudoI or XX, each once")
    return tuple(names)


Planes = Annotated[tuple[str, ...], reads(parse_stokes), PlainSerializer(",".join)]


def stokes_axis(stokes: tuple[str, ...]) -> tuple[int, int]:
    """(CRVAL4, CDELT4) of these planes. Raise UsageError if one linear axis cannot hold them in this order."""
    unknown = [name for name in stokes if name not in STOKES_CODES]
    if unknown or not stokes:
        raise UsageError(f"stokes {unknown[0] if unknown else ''!r} is not one of {', '.join(STOKES_CODES)}")
    codes = [STOKES_CODES[name] for name in stokes]
    steps = {after - before for before, after in pairwise(codes)} or {1}
    if len(steps) > 1 or steps == {0}:
        raise UsageError(
            f"stokes {','.join(stokes)} cannot be one FITS axis, whose codes {codes} must be evenly spaced: "
            "give IQUV, IQU, IQ, IV or one alone"
        )
    return codes[0], steps.pop()
