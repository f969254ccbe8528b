"""What UVH5 and UVFITS share, as both have it from AIPS: numbers of correlations, and frames with an equinox. Pure."""

from collections.abc import Iterable, Mapping

from fip.data.errors import InputError

CORRELATIONS: Mapping[int, str] = {
    **dict(enumerate(("I", "Q", "U", "V"), start=1)),
    **{-number: name for number, name in enumerate(("RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX"), start=1)},
}
"""Values of the STOKES axis (FITS standard 4.0, table 29) -> names."""

_FRAMES: Mapping[tuple[str, float | None], str] = {
    ("icrs", None): "ICRS",
    ("galactic", None): "GALACTIC",
    ("fk5", 2000.0): "J2000",
    ("fk4", 1950.0): "B1950",
}


def correlations(codes: Iterable[float]) -> tuple[str, ...]:
    """Return the names of correlations; a number that FIP does not know stands for itself."""
    return tuple(CORRELATIONS.get(round(code), f"STOKES {code:g}") for code in codes)


def frame_of(where: str, name: str, equinox: float | None) -> str:
    """Return casacore's name of a frame. InputError if FIP cannot image in it."""
    name = name.strip().lower()
    given = None if name in ("icrs", "galactic") else equinox
    default = {"fk5": 2000.0, "fk4": 1950.0}.get(name)
    found = _FRAMES.get((name, default if given is None else given))
    if found is None:
        raise InputError(
            f"{where}: its phase centre is in the frame {name} of equinox {equinox}; FIP reads ICRS, FK5 of 2000, FK4 "
            "of 1950 and galactic: phase the data to one of these"
        )
    return found
