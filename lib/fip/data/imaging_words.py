"""Words of imaging options that are more than a type: what they may be, and how they are read."""

from typing import Literal, get_args

Weighting = Literal["natural", "uniform", "briggs"]
BRIGHT_ONES: Literal["bright"] = "bright"
"""A value of `make_psf`: only those of bright slices, by which a search for transients knows a source's sidelobes."""
_YES, _NO = ("true", "yes", "on", "1", "t", "y"), ("false", "no", "off", "0", "f", "n")  # as of any other truth value


def parse_weighting(text: str) -> str:
    """A weighting; ValueError for anything else."""
    name = text.strip().lower()
    if name not in get_args(Weighting):
        raise ValueError(f"'{text}' is not a weighting: {', '.join(get_args(Weighting))}, or as briggs:0")
    return name


def parse_make_psf(text: str) -> bool | str:
    """Whether point spread functions are stored; ValueError for anything but yes, no or "bright"."""
    said = text.strip().lower()
    if said == BRIGHT_ONES:
        return BRIGHT_ONES
    if said not in (*_YES, *_NO):
        raise ValueError(f"'{text}' does not say which images' point spread functions to store: true, false or bright")
    return said in _YES
