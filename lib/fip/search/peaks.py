"""From hot pixels to peaks: the best boxcar of each, and the place of its maximum to a fraction of a pixel."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.forced import CHOSEN
from fip.search.noise import Tiles
from fip.search.passes import SPAN, STEPS, best_boxcars, boxcar_sums
from fip.search.pyramid import Pyramid, rows_of, sum_of
from fip.search.rednoise import BEFORE, COARSELY, Red, Weights, even
from fip.search.theory import determinant_of, is_coarse
from fip.search.words import NEAR, Matrix, Peak, Searched

_STEPS_UP = 6  # pixels that a maximum may be away from the place at which it was seen
_MOST = 2000  # peaks of an image
_SURE = 0.97  # of the value that a Gaussian gives a pixel beside a maximum
_LEAST = 0.1  # of a maximum: a pixel beside it counts as at least that
_BESIDE = 2.0  # full widths at half maximum about a peak, in which the other sign is searched
_AROUND = 10.0  # full widths at half maximum to which noise is measured
_FINE, _COARSE = 6.0, 1.5  # pixels of each that are used: a minimum is seen to 0.95, noise to 4 %
_ENOUGH = 64  # of them


@dataclass(frozen=True, slots=True)
class Threshold:
    """The S/N at which a peak counts."""

    u: float
    factor: Callable[[float, float, int], float]  # by which it is raised at a place, for a boxcar of so many slices


@dataclass(frozen=True, slots=True)
class Seen:
    """A peak, and the noise by which it is measured."""

    peak: Peak
    times: float = 1.0  # the noise of its boxcar over that of white noise


def peaks_of(
    pyramid: Pyramid,
    hot: NDArray[np.int32],
    searched: Searched,
    tiles: Tiles,
    threshold: Threshold,
    red: Red | None = None,
) -> tuple[Seen, ...]:
    """Return the peaks at or above the threshold whose boxcars end in the last slices, best first.

    With `red` noise, their S/N compares them with the scatter of sums over the same slices around each.
    """
    places = np.unique(hot)
    if not places.size:
        return ()
    look = _Looking(pyramid, searched, tiles, Weights(pyramid, tiles, red))
    xs, ys = places % searched.width, places // searched.width
    ends, widths, squares = look.best(xs, ys)
    u = threshold.u * (COARSELY if red else 1.0)
    least = (u * of_a_pixel(searched.curvature) * STEPS) ** 2
    strong = np.flatnonzero(squares > least)
    strong = strong[np.argsort(-squares[strong], kind="stable")][:_MOST]
    found: list[Peak] = []
    taken = np.zeros(places.size, bool)
    for each in strong:
        if taken[each]:
            continue
        taken |= near(xs - int(xs[each]), ys - int(ys[each]), searched.beam)
        peak = look.climb(int(xs[each]), int(ys[each]), int(ends[each]), int(widths[each]))
        if peak is not None and peak.snr >= u * threshold.factor(*_of_boxcar(peak)):
            found.append(peak)
    seen = [Seen(look.surrounded(peak)) for peak in best_of(found, searched.beam)]
    if red is None:
        return tuple(seen)
    against = [look.against_its_own(each.peak) for each in seen]
    above = [each for each in against if each.peak.snr >= threshold.u * threshold.factor(*_of_boxcar(each.peak))]
    return tuple(sorted(above, key=lambda each: -each.peak.snr))


def _of_boxcar(peak: Peak) -> tuple[float, float, int]:
    return peak.x, peak.y, peak.width


def of_a_pixel(curvature: Matrix) -> float:
    """Return the least share of a maximum's S/N in the pixel nearest to it: half a pixel off in x and y."""
    (xx, xy), (_, yy) = curvature
    return _SURE if is_coarse(xx * yy - xy * xy) else _SURE * math.exp(-(xx + yy + 2 * abs(xy)) / 8)


def near(dx: NDArray[np.integer], dy: NDArray[np.integer], beam: Matrix) -> NDArray[np.bool_]:
    """Return whether pixels that lie so far from one belong to the same source."""
    (xx, xy), (_, yy) = beam
    return np.asarray(xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy < NEAR**2)


def is_near(dx: float, dy: float, beam: Matrix) -> bool:
    """Return whether places that lie so many pixels apart belong to one source."""
    (xx, xy), (_, yy) = beam
    return xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy < NEAR**2


def best_of(peaks: Sequence[Peak], beam: Matrix) -> tuple[Peak, ...]:
    """Return the best of the peaks at each place, best first."""
    kept: list[Peak] = []
    for peak in sorted(peaks, key=lambda peak: -peak.snr):
        if not any(is_near(peak.x - other.x, peak.y - other.y, beam) for other in kept):
            kept.append(peak)
    return tuple(kept)


class _Looking:
    """The data of the last slices that are needed to examine a place."""

    def __init__(self, pyramid: Pyramid, searched: Searched, tiles: Tiles, weights: Weights) -> None:
        self._pyramid, self._searched, self._tiles, self._weights = pyramid, searched, tiles, weights
        self._rows = rows_of(pyramid)

    def best(
        self, xs: NDArray[np.int32], ys: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """Return the best boxcar of each pixel: its end, its width, and the square of its S/N in STEPS."""
        pyramid, number = self._pyramid, self._weights.tile(xs, ys)
        ends, widths, squares = np.empty(xs.size, np.int32), np.empty(xs.size, np.int32), np.empty(xs.size, np.float32)
        places = (ys * self._searched.width + xs).astype(np.int32)
        for tile in np.unique(number):
            of = np.flatnonzero(number == tile)
            each = np.empty(of.size, np.int32), np.empty(of.size, np.int32), np.empty(of.size, np.float32)
            weights = self._weights.of(int(tile))
            best_boxcars(pyramid.ring, pyramid.loud, pyramid.beyond, self._rows, weights, places[of], *each)
            ends[of], widths[of], squares[of] = each
        return ends, widths, squares

    def climb(self, x: int, y: int, end: int, width: int) -> Peak | None:
        """Return the maximum near a pixel of its boxcar; None on the outermost pixels, on which none can be seen."""
        for _ in range(_STEPS_UP):
            if not (1 <= x < self._searched.width - 1 and 1 <= y < self._searched.height - 1):
                return None
            around = self._around(x, y, end, width)
            sign = 1 if around[1, 1] > 0 else -1
            row, column = divmod(int(np.argmax(sign * around)), 3)
            if (row, column) == (1, 1):
                return self._peak(x, y, end, width, sign, sign * around)
            x, y = x + column - 1, y + row - 1
            ends, widths, _ = self.best(np.array([x], np.int32), np.array([y], np.int32))
            end, width = int(ends[0]), int(widths[0])
        return None

    def surrounded(self, peak: Peak) -> Peak:
        """Return a peak with what is near it in its own slices: the other sign, and the scatter of all of it."""
        end, place = self._end(peak), (round(peak.x), round(peak.y))
        rows = self._boxcar(end, peak.width)
        norm = math.sqrt(float(self._weights.at(*place)[peak.width - 1, end])) / STEPS
        beside = self._sums(rows, *place, 0.0, _BESIDE)
        around = self._sums(rows, *place, _BESIDE, _AROUND)
        scatter = _scatter(around, norm) if np.count_nonzero(around) >= _ENOUGH else 1.0
        return replace(peak, beside=norm * max(0, int((-peak.sign * beside).max(initial=0))), around=scatter)

    def against_its_own(self, peak: Peak) -> Seen:
        """Compare a peak whose surroundings are known with their scatter, which is 1 then.

        What errors leave stays for many slices, and is higher at some places than around them. So the peak is also
        compared with as many slices before, 16 at least. Its S/N is at most that of its change, against the scatter of
        the same change around it. The same holds for what fell beside it. White noise of the slices before is allowed
        for.
        """
        times = peak.around * self._weights.times(round(peak.x), round(peak.y), peak.width)
        rise, fall = self._change(peak)
        snr = even(min(peak.snr / peak.around, rise), peak.width, math.isfinite(rise))
        flux = peak.flux * peak.around * _unbiased(peak.snr / peak.around) / _unbiased(peak.snr)
        beside = min(peak.beside / peak.around, fall)
        return Seen(replace(peak, snr=snr, flux=flux, beside=beside, around=1.0), times)

    def _change(self, peak: Peak) -> tuple[float, float]:
        """Return the S/N of a peak above the slices before it, and of the decrease beside it; infinite for too few."""
        end, place = self._end(peak), (round(peak.x), round(peak.y))
        rows, before = self._boxcar(end, peak.width), self._before(end, peak.width)
        on, off = (int(np.count_nonzero(self._pyramid.present[each])) for each in (rows, before))
        if 2 * off < max(BEFORE, peak.width):
            return math.inf, math.inf
        share = on / off
        around = self._sums(rows, *place, _BESIDE, _AROUND)
        change = around - share * self._sums(before, *place, _BESIDE, _AROUND)
        if np.count_nonzero(around) < _ENOUGH:
            return math.inf, math.inf
        beside = self._sums(rows, *place, 0.0, _BESIDE) - share * self._sums(before, *place, 0.0, _BESIDE)
        pixel = place[1] * self._searched.width + place[0]
        here, earlier = (peak.sign * sum_of(self._pyramid, each, pixel) for each in (rows, before))
        of_place = (
            (here - share * earlier) / _scatter(change) / (here / _scatter(around))
        )  # the maximum is between pixels
        rise = peak.snr / peak.around * of_place * math.sqrt(1 + share)
        return rise, max(0.0, float((-peak.sign * beside).max(initial=0.0))) / _scatter(change)

    def _sums(self, rows: NDArray[np.int64], x: int, y: int, least: float, most: float) -> NDArray[np.int64]:
        """Return the sums over some slices of pixels that are so many beams from one; not of all, if there are many."""
        (xx, xy), (_, yy) = self._searched.beam
        determinant = xx * yy - xy * xy
        reach = [math.ceil(most * math.sqrt(side / determinant)) for side in (xx, yy)]
        step = max(1, int(determinant**-0.25 / (_FINE if not least else _COARSE)))
        dy, dx = np.mgrid[-reach[0] : reach[0] + 1 : step, -reach[1] : reach[1] + 1 : step]
        squared = xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy
        there = (squared >= least**2) & (squared < most**2) & (dx + x >= 0) & (dy + y >= 0)
        there &= (dx + x < self._searched.width) & (dy + y < self._searched.height)
        pixels = (dy + y)[there] * self._searched.width + (dx + x)[there]
        sums = np.empty(pixels.size, np.int64)
        boxcar_sums(self._pyramid.ring, rows, pixels, sums)
        return sums

    def _end(self, peak: Peak) -> int:
        return peak.last - self._pyramid.step + SPAN - 1

    def _before(self, end: int, width: int) -> NDArray[np.int64]:
        first = len(self._rows) - SPAN + end + 1 - width
        return self._rows[max(0, first - max(BEFORE, width)) : first]

    def _boxcar(self, end: int, width: int) -> NDArray[np.int64]:
        last = len(self._rows) - SPAN + end
        return self._rows[last + 1 - width : last + 1]

    def _around(self, x: int, y: int, end: int, width: int) -> NDArray[np.float64]:
        """Return [3, 3] S/N, with its sign, of a boxcar."""
        rows, across = self._boxcar(end, width), self._searched.width
        norm = math.sqrt(float(self._weights.at(x, y)[width - 1, end]))
        sums = [
            [sum_of(self._pyramid, rows, (y + row) * across + x + column) for column in (-1, 0, 1)]
            for row in (-1, 0, 1)
        ]
        return np.array(sums, np.float64) * norm

    def _peak(self, x: int, y: int, end: int, width: int, sign: int, around: NDArray[np.float64]) -> Peak:
        dx, dy, snr = maximum(around)
        if is_coarse(determinant_of(self._searched)):
            snr = float(around[1, 1])
        rows = self._boxcar(end, width)
        present = rows[self._pyramid.present[rows]]
        tile = float(self._tiles.level[y // self._tiles.side, x // self._tiles.side])
        # The flux that makes this sum of z: each z is the flux over the noise of its slice.
        per_flux = float((1 / (self._pyramid.scale[present] * tile)).sum())
        flux = sign * _unbiased(snr) / math.sqrt(float(self._weights.at(x, y)[width - 1, end])) / per_flux
        last = self._pyramid.step - SPAN + 1 + end
        slices = self._pyramid.slices[present]
        return Peak(x + dx, y + dy, last + 1 - width, width, snr, sign, float(flux), (int(slices[0]), int(slices[-1])))


def _scatter(sums: NDArray[np.integer] | NDArray[np.floating], norm: float = 1.0) -> float:
    """Return the standard deviation of sums times a number; pixels without a value are 0, and left out."""
    return GAUSSIAN_RMS_PER_MAD * norm * float(np.median(np.abs(sums[sums != 0])))


def _unbiased(snr: float) -> float:
    """Return the S/N of the best of many places and boxcars as it would be for one."""
    return math.sqrt(max(snr**2 - CHOSEN, 0.0))


def maximum(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return place (x, y) and value of the maximum of a Gaussian through 3 x 3 values, the middle one the largest.

    It is a parabola through their logarithms: one through the values falls short by 4 % between pixels of a third of a
    beam.
    """
    v = np.log(np.maximum(values / values[1, 1], _LEAST))
    gx, gy = (v[1, 2] - v[1, 0]) / 2, (v[2, 1] - v[0, 1]) / 2
    hxx, hyy = v[1, 2] + v[1, 0], v[2, 1] + v[0, 1]
    hxy = (v[2, 2] - v[2, 0] - v[0, 2] + v[0, 0]) / 4
    determinant = hxx * hyy - hxy * hxy
    if not (hxx < 0 and determinant > 0):
        return 0.0, 0.0, float(values[1, 1])
    dx = max(-1.0, min(1.0, float((hxy * gy - hyy * gx) / determinant)))
    dy = max(-1.0, min(1.0, float((hxy * gx - hxx * gy) / determinant)))
    return dx, dy, float(values[1, 1] * math.exp((gx * dx + gy * dy) / 2))
