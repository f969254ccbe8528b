"""Lists of points as `.skymodel`, which `bbs` reads; WSClean and DP3 do, too."""

from collections.abc import Sequence

from fip.data.directions import Frame

REF_TYPES: dict[Frame, str] = {"FK5": "J2000", "ICRS": "ICRS", "FK4": "B1950"}
"""The names of the frames in the format."""


def format_line(reference: float, frame: Frame = "FK5") -> str:
    """Return the first line, for points with spectra about `reference`, Hz; KeyError for a frame without a name."""
    others = "" if frame == "FK5" else f", RefType='{REF_TYPES[frame]}'"
    return (
        "Format = Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, ReferenceFrequency="
        f"'{reference!r}', MajorAxis, MinorAxis, Orientation{others}"
    )


def point_line(
    name: str, place: tuple[float, float], flux: float, terms: Sequence[float], logarithmic: bool, reference: float
) -> str:
    """Write a point at right ascension and declination in degrees, `flux` Jy at the reference, Hz, and its spectrum."""
    spectrum = ",".join(f"{each:.12g}" for each in terms)
    return (
        f"{name},POINT,{_sexagesimal(place[0] / 15, ':', 10)},{_sexagesimal(place[1], '.', 9)},{flux:.12g},"
        f"[{spectrum}],{'true' if logarithmic else 'false'},{reference!r},,,"
    )


def _sexagesimal(value: float, separator: str, digits: int) -> str:
    """Write hours as 12:30:00.0, or degrees as +12.30.00.0, with so many digits of the second."""
    unit = 10**digits
    minutes, seconds = divmod(round(abs(value) * 3600 * unit), 60 * unit)
    sign = "" if separator == ":" else "-" if value < 0 else "+"
    whole, rest = divmod(seconds, unit)
    return f"{sign}{minutes // 60:02d}{separator}{minutes % 60:02d}{separator}{whole:02d}.{rest:0{digits}d}"
