"""The data types of the search: what is searched, what is found in one image, and what several images make up.

A *step* is a cadence: images are counted by their times, not by their numbers, so that a missing slice is a step
without an image. S/N is that of the matched filter, F sqrt(w) / sigma for F Jy/beam over w slices.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.detecting import Budget as Budget
from fip.data.detecting import parse_budget as parse_budget
from fip.data.values import Beam

WIDEST = 64
"""Slices of the widest boxcar; also of the quiet time that closes an event, and of the gap before a new segment."""

NEAR = 1.2
"""Full widths at half maximum within which two peaks are of one source."""

Reference: TypeAlias = Literal["none", "running", "auto"]
"""What is subtracted from an image before it is searched: nothing, as its sky was subtracted; a running mean; or that,
with a test of whether it is enough."""

Matrix: TypeAlias = tuple[tuple[float, float], tuple[float, float]]
"""A symmetric matrix over (x, y)."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A series of images that is searched: one field, one Stokes plane, slices or means of so many of them."""

    width: int  # pixels along x
    height: int  # pixels along y
    curvature: Matrix  # 1/pixel^2, Lambda of the noise: its autocorrelation is 1 - d.Lambda d / 2 at small d
    beam: Matrix  # 1/pixel^2: d.B d is the square of a distance d in full widths at half maximum
    cadence: float  # s from one slice to the next
    widest: int = WIDEST  # slices of the widest boxcar: a power of two, at most 64
    reference: Reference = "none"
    signs: int = 2  # that are searched for
    sidelobes: tuple[float, ...] = ()  # [k] the highest of its PSF, of 1, from k / 4 full widths at half maximum on


@dataclass(frozen=True, slots=True)
class Peak:
    """The best boxcar of a place, as seen in the image that completes it."""

    x: float  # pixel, from 0, to a fraction
    y: float
    first: int  # step at which it begins
    width: int  # steps
    snr: float  # always positive
    sign: int  # 1, or -1 of what became fainter
    flux: float  # Jy/beam, apparent, negative if the sign is
    slices: tuple[int, int]  # the first and the last slice with an image in it
    floor: float = 0.0  # S/N that brighter sources in its slices may have left at its place
    beside: float = 0.0  # S/N of the largest change of the other sign within 2 beams, in the same slices
    around: float = 1.0  # S/N that pixels 2 to 10 beams away scatter by, in the same slices: 1 in white noise

    @property
    def last(self) -> int:
        """The last step that is in it."""
        return self.first + self.width - 1


@dataclass(frozen=True, slots=True)
class Event:
    """What peaks that are near in place and time make up; its place, boxcar and S/N are those of the best of them."""

    number: int  # from 0, in the order in which they were opened
    best: Peak
    opened: int  # slice in which it was first above the threshold
    updated: int  # slice in which its best peak was found
    first: int  # step at which the earliest of its peaks begins
    last: int  # step at which the latest ends
    peaks: int  # how many
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A place, and the steps in which something was on: a running reference stays as it is there."""

    x: float
    y: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an image, besides its pixels."""

    index: int  # of its slice
    time: float  # s, the middle of its exposure; a step of n cadences means n - 1 slices without an image
    spared: tuple[Place, ...] = ()  # the events so far; those of a replay are those that were written down
    psf: NDArray[np.float32] | None = None  # [y, x] of twice the image's size, 1 at its middle pixel, if it is stored
    own: Place | None = None  # what the search has put into recent images itself
    excess: NDArray[np.float32] | None = None  # [y, x] times the noise of pixels, 1 or more, by errors of a model


@dataclass(frozen=True, slots=True)
class Look:
    """What the search saw in an image."""

    step: int
    peaks: tuple[Peak, ...]  # at or above the threshold, best first
    noise: float  # Jy/beam; NaN if there is none
    searched: bool  # False for an image without pixels, and while a reference begins
    hot: int = 0  # places that were examined one by one
    flooded: bool = False  # so many that it gives one peak at most
    new_segment: bool = False  # after a gap as long as the widest boxcar
    model_needed: bool = False  # a reference `auto` leaves so much of the sky that the threshold was raised
    cleaned: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    """The image [y, x] without the sidelobes of its bright sources, if these were subtracted."""


def beam_matrix(beam: Beam, scale: float) -> Matrix:
    """Return the matrix of `Searched.beam`, for a restoring beam on pixels of `scale` rad; x descends to the east."""
    east, north = -math.sin(beam.angle), math.cos(beam.angle)  # the major axis in pixels
    a, b = (scale / beam.major) ** 2, (scale / beam.minor) ** 2
    cross = (a - b) * east * north
    return (a * east**2 + b * north**2, cross), (cross, a * north**2 + b * east**2)
