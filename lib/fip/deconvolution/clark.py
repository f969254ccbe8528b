"""The minor cycle: points taken off the bright pixels one by one, and off the whole image by FFT (Clark 1980).

Sub-bands are joined: a point is put at the largest mean of all, and has a flux in each by a spectrum of two terms
(Offringa & Smirnov 2017, MNRAS 471, 301, do so with polynomials). The PSF is that of the middle, as large as the image;
what lies farther away than it reaches, and what differs from it, is for the next major cycle.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fip.deconvolution.spectra import basis, fitted, heights, indices_of, merged
from fip.deconvolution.values import Array, Deep, Planes, Points, beside

GAIN = 0.1  # share of a peak that is taken off at a time
DEPTH = 0.2  # of the highest peak: one set of bright pixels is worked on down to this
MOST_ACTIVE = 20_000  # bright pixels in a set
MOST_TAKEN = 100_000  # times that something is taken off, in a minor cycle
DEEPER = 1.0  # times the noise
RISING = 1.5  # times the lowest peak so far: higher ones mean that it diverges
TWO_TERMS_FROM = 20.0  # times the noise: the spectrum of fainter peaks cannot be known


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """The result of a minor cycle."""

    points: Points  # all that are known now
    left: Deep  # the image without what was found, as far as the PSF reaches
    taken: int  # times that something was taken off
    diverged: bool  # whether peaks rose: the PSF is not that of the image


def minor_cycle(
    image: Deep, psf: Deep, points: Points, allowed: NDArray[np.bool_], down_to: float, noise: float
) -> Cleaned:
    """Find points until no `allowed` pixel [y, x] of the whole band is above `down_to`, Jy/beam, of either sign.

    `image` is what is left after `points` were subtracted; `psf` has the same bands and grid. `noise` is that of the
    whole band, Jy/beam.
    """
    seek = _Search(image, psf, points, noise)
    taken, diverged, planes = 0, False, image.planes
    before = np.inf
    while taken < MOST_TAKEN:
        whole = seek.heights(planes) * allowed
        peak = float(whole.max())
        if peak <= down_to:
            break
        if diverged := peak > RISING * before:
            break
        before = min(before, peak)
        active = _bright(whole, max(down_to, DEPTH * peak))
        limit = max(down_to, DEPTH * peak, float(whole.ravel()[active].min()) if len(active) == MOST_ACTIVE else 0.0)
        taken += seek.take(active, planes, limit, MOST_TAKEN - taken)
        planes = _without(image.planes, psf.planes, seek.fluxes)
    return Cleaned(merged(points, seek.zeroth, seek.first), replace(image, planes=planes), taken, diverged)


def deepened(
    image: Deep, psf: Deep, points: Points, allowed: NDArray[np.bool_], down_to: float, noise: float
) -> Points:
    """Return the points after a minor cycle, and after one more around the points found, down to `DEEPER` x the noise.

    A source between pixels is several points, and what is left of it has sidelobes all over the image.
    """
    found = minor_cycle(image, psf, points, allowed, down_to, noise)
    near = allowed & beside(found.points, image.grid)
    return minor_cycle(found.left, psf, found.points, near, DEEPER * noise, noise).points


def _bright(whole: Planes, limit: float) -> NDArray[np.intp]:
    """Return the pixels above a limit, at most the brightest `MOST_ACTIVE` of them."""
    values = whole.ravel()
    found = np.flatnonzero(values > limit)
    if len(found) > MOST_ACTIVE:
        found = found[np.argpartition(values[found], -MOST_ACTIVE)[-MOST_ACTIVE:]]
    return found


class _Search:
    """What was found so far, d0 and d1 of each pixel, and what is needed to find more."""

    def __init__(self, image: Deep, psf: Deep, points: Points, noise: float) -> None:
        self.share = image.share
        self.height, self.width = image.planes.shape[1:]
        self.logs = np.log(image.frequency / points.reference)
        self.index = indices_of(points, self.height * self.width)
        self.zeroth, self.first = np.zeros(len(self.index)), np.zeros(len(self.index))
        self.known = np.zeros(len(self.index))
        self.known[points.place] = points.flux
        self.telling = TWO_TERMS_FROM * noise
        spread = psf.planes.reshape(len(self.share), -1).T
        self.psf = np.concatenate([spread, np.zeros_like(spread[:1])])  # [pixel, band]; the last is beyond its end

    @property
    def fluxes(self) -> Planes:
        """The fluxes found in each band: [band, y, x], Jy."""
        made = np.zeros((len(self.share), len(self.index)), np.float32)
        here = np.flatnonzero(self.zeroth)
        zeroth, first = basis(self.logs, self.index[here])
        made[:, here] = (self.zeroth[here, None] * zeroth + self.first[here, None] * first).T
        return made.reshape(-1, self.height, self.width)

    def heights(self, planes: Planes) -> Planes:
        """Return how far pixels are from 0, [y, x] in Jy/beam: the whole band, and with a spectrum also its slope."""
        found = np.abs(np.tensordot(self.share.astype(np.float32), planes, 1)).ravel()
        here = np.flatnonzero(np.abs(self.known + self.zeroth) > self.telling)
        values = planes.reshape(len(self.share), -1)[:, here].T.astype(np.float64)
        found[here] = heights(values, self.share, *basis(self.logs, self.index[here]))
        return found.reshape(planes.shape[1:])

    def take(self, active: NDArray[np.intp], planes: Planes, limit: float, most: int) -> int:
        """Take points off a set of pixels until none is above the limit; return how many times, at most `most`."""
        y, x = np.divmod(active, self.width)
        values = planes.reshape(len(self.share), -1)[:, active].T.astype(np.float64)
        zeroth, first = basis(self.logs, self.index[active])
        told = np.flatnonzero(np.abs(self.known + self.zeroth)[active] > self.telling)
        highest = np.inf
        for count in range(most):
            height = np.abs(values @ self.share)
            height[told] = heights(values[told], self.share, zeroth[told], first[told])
            at = int(np.argmax(height))
            if height[at] <= limit or height[at] > RISING * highest:
                return count
            highest = min(highest, height[at])
            flux = self._step(active[at], values[at], zeroth[at], first[at])
            values -= self._around(y - y[at], x - x[at]) * flux
        return most

    def _step(self, pixel: int, values: Array, zeroth: Array, first: Array) -> Array:
        """Note a point on a pixel with these values [band]; return the part of it to take off, [band] in Jy."""
        known = self.known[pixel] + self.zeroth[pixel]
        terms = 2 if abs(known + self.share @ values) > self.telling else 1
        d0, d1 = fitted(values, self.share, zeroth, first, terms, known)
        self.zeroth[pixel] += GAIN * d0
        self.first[pixel] += GAIN * d1
        return GAIN * (d0 * zeroth + d1 * first)

    def _around(self, y: NDArray[np.intp], x: NDArray[np.intp]) -> Planes:
        """The PSF so many pixels from its middle, [pixel, band]; 0 beyond its end."""
        y, x = y + self.height // 2, x + self.width // 2
        inside = (y >= 0) & (y < self.height) & (x >= 0) & (x < self.width)
        found: Planes = self.psf[np.where(inside, y * self.width + x, len(self.psf) - 1)]
        return found


def _without(image: Planes, psf: Planes, fluxes: Planes) -> Planes:
    """The image without these fluxes, Jy a pixel, each seen as the PSF is; all are [band, y, x]."""
    height, width = image.shape[1:]
    shape = fft.next_fast_len(2 * height, real=True), fft.next_fast_len(2 * width, real=True)
    left = np.empty_like(image)
    for band, (flux, spread) in enumerate(zip(fluxes, psf, strict=True)):
        seen = fft.irfft2(fft.rfft2(flux, shape) * fft.rfft2(spread, shape), shape)
        top, first = height // 2, width // 2
        left[band] = image[band] - seen[top : top + height, first : first + width]
    return left


def peak_of(image: Deep, allowed: NDArray[np.bool_]) -> float:
    """Return the largest distance from 0 of the whole band, over the `allowed` pixels [y, x]; Jy/beam."""
    return float((np.abs(image.whole) * allowed).max())
