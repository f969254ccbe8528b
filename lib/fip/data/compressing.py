"""How images are compressed, as a person writes it: `rice`, or `rice:16`, in steps of a sixteenth of the noise."""

import re
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

RICE = "rice"
USUAL = 16.0
"""Steps to the noise: their error, 0.29 of a step, adds 0.016 % to it."""
FEWEST, MOST = 1.0, 1024.0
_WRITTEN = re.compile(rf"{RICE}(?::(?P<steps>[0-9]+(?:\.[0-9]+)?))?")


def parse_compress(text: str) -> str:
    """A compression, as "rice:16"; ValueError for anything else."""
    found = _WRITTEN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"'{text}' is no compression: give rice, or rice:N for steps of the noise / N, as rice:16")
    steps = float(found["steps"] or USUAL)
    if not FEWEST <= steps <= MOST:
        raise ValueError(f"'{text}': give {FEWEST:g} to {MOST:g} steps to the noise, as rice:16")
    return f"{RICE}:{int(steps) if steps == int(steps) else steps!r}"


def steps_to_the_noise(written: str) -> float:
    """Return the steps to the noise of a compression as `parse_compress` returns it."""
    return float(written.partition(":")[2])


Compress = Annotated[str, AfterValidator(parse_compress)]
"""`rice:N`; N from 1 to 1024."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The steps in which the pixels of each plane of an image are given."""

    step: NDArray[np.float64]  # [stokes, plane] Jy/beam, above 0
    lowest: NDArray[np.int64]  # [stokes, plane], the whole number of steps below which no pixel is
