"""Bright slices: the sidelobes of a source are subtracted by their point spread function, as CLEAN does.

A source far above the noise changes every pixel of its slice, by its sidelobes, and also that slice's noise. It is
found to a fraction of a pixel, subtracted with its sidelobes, and put back as a Gaussian of the beam's size: the search
sees the source whole, and nothing of it elsewhere. Gains are not perfect, so that a part of it stays. `Part` says how
bright it was, and anything found beside it is compared with that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import BRIGHT
from fip.search.noise import image_noise
from fip.search.passes import brightest_of, take_off
from fip.search.peaks import is_near, maximum
from fip.search.theory import determinant_of, is_coarse
from fip.search.words import Matrix, Searched

DYNAMIC = 0.1
"""The share of a bright source that may be left elsewhere in its slice: gains of real arrays leave 6 %."""

MOST_PARTS = 32  # of a slice
STILL_GOOD = 60.0
"""Seconds for which the PSF of a slice is good for others: a sidelobe 50 beams away moves by 0.2 of a beam in these."""
KEPT = 64  # steps, at the most

_TAPS = 12  # pixels along each axis, from which values between them are found
_BAND = 0.27  # cycles a pixel up to which an image has structure: 0.25 if a pixel is a quarter of the finest fringe
_ONE = 0.5  # full widths at half maximum: parts within that are one
_RESTORED = 1.75  # full widths at half maximum: a Gaussian is put back so far from its middle, and 2e-4 of it is beyond
_NEWTON, _CLOSE = 8, 1e-4  # steps, and pixels

Pixels = NDArray[np.float32]
_NONE = np.empty((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Part:
    """A bright source in one slice."""

    x: float
    y: float
    flux: float  # Jy/beam, with its sign


@dataclass(frozen=True, slots=True)
class Peeled:
    """A slice without the sidelobes of its bright sources."""

    pixels: Pixels  # [y, x] Jy/beam, as the image was, its sources of the beam's shape
    noise: float  # Jy/beam, of what is left without them
    parts: tuple[Part, ...]  # brightest first


@dataclass(frozen=True, slots=True)
class Known:
    """A point spread function, ready for use."""

    padded: Pixels  # of twice the image's size, and _TAPS / 2 pixels more on each side
    step: int  # of its slice

    def is_good(self, step: int, cadence: float) -> bool:
        """Return whether it is good for the slice of that step."""
        age = step - self.step
        return age == 0 or (0 < age <= KEPT and age * cadence <= STILL_GOOD)


def known(psf: NDArray[np.floating], step: int, searched: Searched) -> Known:
    """Prepare a PSF [y, x] of twice the image's size, 1 at its middle pixel; beyond the horizon it is taken as 0.

    ValueError for another size.
    """
    shape = 2 * searched.height, 2 * searched.width
    if psf.shape != shape:
        raise ValueError(
            f"a PSF of {psf.shape[1]}x{psf.shape[0]} pixels: twice the image's size is {shape[1]}x{shape[0]}"
        )
    finite = np.nan_to_num(np.asarray(psf, np.float32), nan=0.0)
    return Known(np.pad(finite, _TAPS // 2), step)


def peel(pixels: Pixels, reference: Pixels, noise: float, psf: Known, searched: Searched) -> Peeled | None:
    """Clean an image [y, x] less a reference, if that has values, if a source is at least BRIGHT x its noise.

    Anything fainter than DYNAMIC of the brightest is left: it may be no source. None if nothing is as bright, or if the
    noise would rise: then the PSF is not that of this slice.
    """
    rest = pixels - reference if reference.size else pixels.copy()
    parts, most, now = list[Part](), 0.0, noise
    for _ in range(MOST_PARTS):
        place = int(brightest_of(rest.ravel()))
        y, x = divmod(place, searched.width)
        if not abs(float(rest[y, x])) >= max(BRIGHT * now, DYNAMIC * most):
            break
        part = _located(rest, x, y, searched)
        _subtract(rest, part, psf, searched)
        most = max(most, abs(part.flux))
        now = min(now, image_noise(rest, _NONE))
        parts = _added(parts, part, searched.beam)
    if not parts or image_noise(rest, _NONE) > noise:
        return None
    for part in parts:
        _put_back(rest, part, searched.beam)
    if reference.size:
        rest += reference
    return Peeled(rest, now, tuple(sorted(parts, key=lambda part: -abs(part.flux))))


def left_by(parts: Sequence[Part], x: float, y: float, beam: Matrix) -> float:
    """Return what may be left at a place, in Jy/beam, by the sources of a slice that are at other places."""
    elsewhere = (abs(part.flux) for part in parts if not is_near(part.x - x, part.y - y, beam))
    return DYNAMIC * max(elsewhere, default=0.0)


def has_part(parts: Sequence[Part], x: float, y: float, beam: Matrix) -> bool:
    """Return whether one of the sources of a slice is at a place."""
    return any(is_near(part.x - x, part.y - y, beam) for part in parts)


def _located(rest: Pixels, x: int, y: int, searched: Searched) -> Part:
    """Find the maximum near the brightest pixel: with natural weights its place and value are the likeliest ones."""
    flux = float(rest[y, x])
    if not (1 <= x < searched.width - 1 and 1 <= y < searched.height - 1) or is_coarse(determinant_of(searched)):
        return Part(x, y, flux)
    around = np.asarray(rest[y - 1 : y + 2, x - 1 : x + 2], np.float64)
    if not np.isfinite(around).all():
        return Part(x, y, flux)
    dx, dy, size = maximum(around * math.copysign(1, flux))
    found = _climbed(rest, x, y, x + dx, y + dy, searched)
    return found or Part(x + dx, y + dy, math.copysign(size, flux))


def _climbed(rest: Pixels, x: int, y: int, at_x: float, at_y: float, searched: Searched) -> Part | None:
    """Find the maximum by Newton's steps, with the second derivatives of a PSF; None if it is not within a pixel."""
    inverse = np.linalg.inv(np.array(searched.curvature))
    for _ in range(_NEWTON):
        column, row = math.floor(at_x) - _TAPS // 2 + 1, math.floor(at_y) - _TAPS // 2 + 1
        if column < 0 or row < 0 or column + _TAPS > searched.width or row + _TAPS > searched.height:
            return None
        window = np.asarray(rest[row : row + _TAPS, column : column + _TAPS], np.float64)
        across, along = _between(at_x - math.floor(at_x))
        down, upward = _between(at_y - math.floor(at_y))
        value = float(down @ window @ across)
        if not math.isfinite(value) or value == 0:
            return None
        step = inverse @ np.array([down @ window @ along, upward @ window @ across]) / value
        dx, dy = np.clip(step, -0.5, 0.5)
        at_x, at_y = at_x + float(dx), at_y + float(dy)
        if abs(at_x - x) > 1 or abs(at_y - y) > 1:
            return None
        if max(abs(dx), abs(dy)) < _CLOSE:
            return Part(at_x, at_y, value)
    return None


def _subtract(rest: Pixels, part: Part, psf: Known, searched: Searched) -> None:
    """rest -= the part's flux x PSF about it."""
    left, across = divmod(searched.width - part.x, 1)
    top, down = divmod(searched.height - part.y, 1)
    taps_x, taps_y = (np.asarray(_between(each)[0], np.float32) for each in (across, down))
    take_off(rest, psf.padded, int(left) + 1, int(top) + 1, taps_x, taps_y, np.float32(part.flux))


def _added(parts: list[Part], part: Part, beam: Matrix) -> list[Part]:
    """Add a part, or add to one that is there; their place is the mean, weighted by flux."""
    (xx, xy), (_, yy) = beam
    for at, other in enumerate(parts):
        dx, dy = part.x - other.x, part.y - other.y
        total = part.flux + other.flux
        if xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy < _ONE**2 and total != 0:
            share = max(-1.0, min(1.0, part.flux / total))
            return [
                *parts[:at],
                replace(other, x=other.x + share * dx, y=other.y + share * dy, flux=total),
                *parts[at + 1 :],
            ]
    return [*parts, part]


def _put_back(rest: Pixels, part: Part, beam: Matrix) -> None:
    """rest += a Gaussian of the beam's size."""
    (xx, xy), (_, yy) = beam
    reach = math.ceil(_RESTORED / math.sqrt(float(np.linalg.eigvalsh(np.array(beam))[0])))
    left, top = max(0, round(part.x) - reach), max(0, round(part.y) - reach)
    at = rest[top : round(part.y) + reach + 1, left : round(part.x) + reach + 1]
    dy, dx = np.ogrid[top : top + at.shape[0], left : left + at.shape[1]]
    dy, dx = dy - part.y, dx - part.x
    at += (part.flux * np.exp(-4 * math.log(2) * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))).astype(np.float32)


def _between(fraction: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of pixels -5..6 at a place between 0 and 1, and their derivative along the axis.

    Least squares over all waves of up to _BAND cycles a pixel: those of 0.25 are off by 4e-5 at the most.
    """
    pixels = np.arange(_TAPS) - (_TAPS // 2 - 1)
    away = 2 * _BAND * (pixels - fraction)
    values = np.sinc(away)
    slopes = -2 * _BAND * np.where(away == 0, 0.0, (np.cos(np.pi * away) - values) / np.where(away == 0, 1.0, away))
    inverse = _normal()
    return inverse @ values, inverse @ slopes


@cache
def _normal() -> NDArray[np.float64]:
    pixels = np.arange(_TAPS)
    return np.linalg.inv(np.sinc(2 * _BAND * (pixels[:, np.newaxis] - pixels)) + 1e-9 * np.eye(_TAPS))
