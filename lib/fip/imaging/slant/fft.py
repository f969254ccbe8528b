"""Eight complex Fourier transforms at once: Stockham's algorithm with the sequences side by side in the lanes.

out[k] = sum_j in[j] exp(+2 pi i j k / n), not divided by n. A point of the eight sequences is 16 floats: 8 real parts,
8 imaginary parts. A pass of radix r turns s interleaved sub-transforms of length r m into r s of length m:

    y[q + s (r p + c)] = w^(p c) sum_b x[q + s (p + b m)] exp(2 pi i b c / r),  w = exp(2 pi i / (r m)), p < m, q < s

(Van Loan, Computational Frameworks for the Fast Fourier Transform, 1992, section 1.7.)
"""

import math
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.scheme import Precision
from fip.imaging.slant.simd import FAST, Floats, Vec, fma, fnma, load, splat, spread, store

_COST = {2: 1.0, 3: 1.25, 4: 1.25, 5: 1.9, 8: 2.0}  # measured time of a pass over the same number of points
_PASS = FAST | {"inline": "never"}


def factors(n: int) -> tuple[int, ...]:
    """Return the radices of a transform of n points, largest first; () if n has a prime factor above 5."""
    found = []
    for radix in (5, 3):
        while n % radix == 0:
            found.append(radix)
            n //= radix
    twos = n.bit_length() - 1
    if n != 1 << twos:
        return ()
    eights = next(count for count in (twos // 3, twos // 3 - 1) if count <= 0 or (twos - 3 * count) != 1)
    eights = max(eights, 0)
    fours, two = divmod(twos - 3 * eights, 2)
    return tuple(sorted([*found, *[8] * eights, *[4] * fours, *[2] * two], reverse=True))


@lru_cache(maxsize=1024)
def good_size(least: int) -> int:
    """Return the cheapest length >= least that is a multiple of 4 with no prime factor above 5."""
    start = -(-least // 4) * 4
    sizes = [n for n in range(start, int(1.12 * least) + 60, 4) if factors(n)]
    return min(sizes, key=lambda n: n * sum(_COST[radix] for radix in factors(n)))


@lru_cache(maxsize=64)
def fft_plan(n: int, precision: Precision) -> tuple[NDArray[np.int64], Floats]:
    """Return radices and twiddle factors for `fft8`. Angles are in extended precision: double would round them most."""
    radices, twiddles, length = factors(n), [], n
    turn = 8 * np.arctan(np.longdouble(1))
    for radix in radices:
        rest = length // radix
        angle = turn / length * np.outer(np.arange(rest), np.arange(1, radix))
        twiddles.append(np.stack([np.cos(angle), np.sin(angle)], -1).ravel())
        length = rest
    return np.array(radices, np.int64), np.concatenate(twiddles).astype(precision)


@njit(inline="always")
def _load(x: Floats, i: int) -> tuple[Vec, Vec]:
    return load(x, i, 8), load(x, i + 8, 8)


@njit(inline="always")
def _store(y: Floats, i: int, re: Vec, im: Vec) -> None:
    store(y, i, re)
    store(y, i + 8, im)


@njit(inline="always")
def _store_turned(y: Floats, i: int, re: Vec, im: Vec, twiddles: Floats, t: int) -> None:
    """Store the point times a twiddle factor."""
    wr, wi = spread(twiddles, t, 8), spread(twiddles, t + 1, 8)
    store(y, i, fnma(im, wi, re * wr))
    store(y, i + 8, fma(re, wi, im * wr))


@njit(**_PASS)
def _pass2(x: Floats, start: int, stride: int, y: Floats, m: int, s: int, tw: Floats, first: int) -> None:
    step, out = s * m * stride, s * 16
    for p in range(m):
        for q in range(s):
            i, o = start + (q + s * p) * stride, (q + s * 2 * p) * 16
            ar, ai = _load(x, i)
            br, bi = _load(x, i + step)
            _store(y, o, ar + br, ai + bi)
            _store_turned(y, o + out, ar - br, ai - bi, tw, first + 2 * p)


@njit(**_PASS)
def _pass3(x: Floats, start: int, stride: int, y: Floats, m: int, s: int, tw: Floats, first: int) -> None:
    half, root = splat(tw, 0.5, 8), splat(tw, math.sqrt(0.75), 8)
    step, out = s * m * stride, s * 16
    for p in range(m):
        t = first + 4 * p
        for q in range(s):
            i, o = start + (q + s * p) * stride, (q + s * 3 * p) * 16
            ar, ai = _load(x, i)
            br, bi = _load(x, i + step)
            cr, ci = _load(x, i + 2 * step)
            tr, ti = br + cr, bi + ci
            ur, ui = fnma(half, tr, ar), fnma(half, ti, ai)
            vr, vi = root * (ci - bi), root * (br - cr)  # i sqrt(3/4) (b - c)
            _store(y, o, ar + tr, ai + ti)
            _store_turned(y, o + out, ur + vr, ui + vi, tw, t)
            _store_turned(y, o + 2 * out, ur - vr, ui - vi, tw, t + 2)


@njit(inline="always")
def _four(x: Floats, i: int, step: int) -> tuple[Vec, Vec, Vec, Vec, Vec, Vec, Vec, Vec]:
    """Return four points transformed, not turned yet: the real and the imaginary part of each."""
    ar, ai = _load(x, i)
    br, bi = _load(x, i + step)
    cr, ci = _load(x, i + 2 * step)
    dr, di = _load(x, i + 3 * step)
    pr, pi = ar + cr, ai + ci
    mr, mi = ar - cr, ai - ci
    qr, qi = br + dr, bi + di
    nr, ni = di - bi, br - dr  # i (b - d)
    return pr + qr, pi + qi, mr + nr, mi + ni, pr - qr, pi - qi, mr - nr, mi - ni


@njit(inline="always")
def _two_of_four(x: Floats, i: int, step: int) -> tuple[Vec, Vec, Vec, Vec, Vec, Vec, Vec, Vec]:
    """Do the same if the two points in the middle are 0: they are not read."""
    ar, ai = _load(x, i)
    dr, di = _load(x, i + 3 * step)
    return ar + dr, ai + di, ar + di, ai - dr, ar - dr, ai - di, ar - di, ai + dr


@njit(**_PASS)
def _pass4(x: Floats, start: int, stride: int, y: Floats, m: int, s: int, tw: Floats, first: int) -> None:
    step, out = s * m * stride, s * 16
    for p in range(m):
        t = first + 6 * p
        for q in range(s):
            i, o = start + (q + s * p) * stride, (q + s * 4 * p) * 16
            ar, ai, br, bi, cr, ci, dr, di = _four(x, i, step)
            _store(y, o, ar, ai)
            _store_turned(y, o + out, br, bi, tw, t)
            _store_turned(y, o + 2 * out, cr, ci, tw, t + 2)
            _store_turned(y, o + 3 * out, dr, di, tw, t + 4)


@njit(**_PASS)
def _pass5(x: Floats, start: int, stride: int, y: Floats, m: int, s: int, tw: Floats, first: int) -> None:
    c1, c2 = splat(tw, math.cos(0.4 * math.pi), 8), splat(tw, math.cos(0.8 * math.pi), 8)
    s1, s2 = splat(tw, math.sin(0.4 * math.pi), 8), splat(tw, math.sin(0.8 * math.pi), 8)
    step, out = s * m * stride, s * 16
    for p in range(m):
        t = first + 8 * p
        for q in range(s):
            i, o = start + (q + s * p) * stride, (q + s * 5 * p) * 16
            ar, ai = _load(x, i)
            br, bi = _load(x, i + step)
            cr, ci = _load(x, i + 2 * step)
            dr, di = _load(x, i + 3 * step)
            er, ei = _load(x, i + 4 * step)
            pr, pi = br + er, bi + ei
            mr, mi = br - er, bi - ei
            qr, qi = cr + dr, ci + di
            nr, ni = cr - dr, ci - di
            _store(y, o, ar + pr + qr, ai + pi + qi)
            ur, ui = fma(c2, qr, fma(c1, pr, ar)), fma(c2, qi, fma(c1, pi, ai))
            vr, vi = fma(c1, qr, fma(c2, pr, ar)), fma(c1, qi, fma(c2, pi, ai))
            wr, wi = fma(s2, nr, s1 * mr), fma(s2, ni, s1 * mi)
            zr, zi = fnma(s1, nr, s2 * mr), fnma(s1, ni, s2 * mi)
            _store_turned(y, o + out, ur - wi, ui + wr, tw, t)
            _store_turned(y, o + 2 * out, vr - zi, vi + zr, tw, t + 2)
            _store_turned(y, o + 3 * out, vr + zi, vi - zr, tw, t + 4)
            _store_turned(y, o + 4 * out, ur + wi, ui - wr, tw, t + 6)


@njit(inline="always")
def _store_eight(
    y: Floats, o: int, out: int, twiddles: Floats, t: int, root: Vec,
    even: tuple[Vec, Vec, Vec, Vec, Vec, Vec, Vec, Vec], odd: tuple[Vec, Vec, Vec, Vec, Vec, Vec, Vec, Vec],
) -> None:  # fmt: skip
    """Store two radix-4 butterflies, of the even and the odd points, joined by a radix-2 one."""
    e0r, e0i, e1r, e1i, e2r, e2i, e3r, e3i = even
    o0r, o0i, ur, ui, o2r, o2i, vr, vi = odd
    o1r, o1i = root * (ur - ui), root * (ur + ui)  # times exp(i pi / 4)
    o3r, o3i = root * (vr + vi), root * (vi - vr)  # times exp(-i pi / 4), that is -exp(3 i pi / 4)
    _store(y, o, e0r + o0r, e0i + o0i)
    _store_turned(y, o + out, e1r + o1r, e1i + o1i, twiddles, t)
    _store_turned(y, o + 2 * out, e2r - o2i, e2i + o2r, twiddles, t + 2)
    _store_turned(y, o + 3 * out, e3r - o3r, e3i - o3i, twiddles, t + 4)
    _store_turned(y, o + 4 * out, e0r - o0r, e0i - o0i, twiddles, t + 6)
    _store_turned(y, o + 5 * out, e1r - o1r, e1i - o1i, twiddles, t + 8)
    _store_turned(y, o + 6 * out, e2r + o2i, e2i - o2r, twiddles, t + 10)
    _store_turned(y, o + 7 * out, e3r + o3r, e3i + o3i, twiddles, t + 12)


@njit(**_PASS)
def _pass8(x: Floats, start: int, stride: int, y: Floats, m: int, s: int, tw: Floats, first: int) -> None:
    root = splat(tw, math.sqrt(0.5), 8)
    step, out = s * m * stride, s * 16
    for p in range(m):
        for q in range(s):
            i, o = start + (q + s * p) * stride, (q + s * 8 * p) * 16
            even, odd = _four(x, i, 2 * step), _four(x, i + step, 2 * step)
            _store_eight(y, o, out, tw, first + 14 * p, root, even, odd)


@njit(**_PASS)
def _first_pass8_of_ends(x: Floats, start: int, stride: int, y: Floats, m: int, tw: Floats) -> None:
    """Do the first pass, if the four points in the middle of each eight are 0: they are not read."""
    root = splat(tw, math.sqrt(0.5), 8)
    step = m * stride
    for p in range(m):
        i = start + p * stride
        even, odd = _two_of_four(x, i, 2 * step), _two_of_four(x, i + step, 2 * step)
        _store_eight(y, 128 * p, 16, tw, 14 * p, root, even, odd)


@njit(**FAST)
def reads_ends(radices: NDArray[np.int64], n: int, positive: int, negative: int) -> bool:
    """Return whether `fft8` may take `ends`: so many points are not 0, at the begin and at the end."""
    return bool(radices[0] == 8 and max(positive, negative) <= n // 4)


@njit(**FAST)
def fft8(
    source: Floats, start: int, stride: int, a: Floats, b: Floats, radices: NDArray[np.int64], tw: Floats, n: int,
    ends: bool = False,
) -> Floats:  # fmt: skip
    """Transform eight sequences whose point j is at source[start + j stride]; return a or b, the one with the result.

    a and b hold 16 n floats; source may be b itself, not a. `ends`: the first radix is 8, and points from n / 4 to
    3 n / 4 count as 0 and are not read.
    """
    m, s, first, x, y, z = n, 1, 0, source, a, b
    for radix in radices:
        m //= radix
        if radix == 8:
            if ends and s == 1:
                _first_pass8_of_ends(x, start, stride, y, m, tw)
            else:
                _pass8(x, start, stride, y, m, s, tw, first)
        elif radix == 4:
            _pass4(x, start, stride, y, m, s, tw, first)
        elif radix == 5:
            _pass5(x, start, stride, y, m, s, tw, first)
        elif radix == 3:
            _pass3(x, start, stride, y, m, s, tw, first)
        else:
            _pass2(x, start, stride, y, m, s, tw, first)
        first += 2 * m * (radix - 1)
        s *= radix
        x, y, z = y, z, y
        start, stride = 0, 16
    return x
