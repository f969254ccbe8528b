"""What brighter sources may have left at the place of a peak: if it is not also above that, it may be a part of them.

In a slice whose bright sources were peeled off, a share of them is left, as gains are not perfect. In the others a
sidelobe is left: at a distance, no sidelobe of a PSF is above the highest one there, however the array has turned since
that was measured.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fip.search.bright import Part, has_part, left_by
from fip.search.noise import Tiles
from fip.search.peaks import Seen, is_near
from fip.search.pyramid import Pyramid, sum_of
from fip.search.words import Event, Matrix, Peak, Place, Searched

LEAST = 0.5
"""S/N: below it, nothing counts as left; that is less than the noise of a place itself."""

BESIDE = 3
"""Of `Searched.sidelobes`, the first that is beyond the main lobe, from 0.75 full widths at half maximum on."""

_MOST_STRONG = 32  # that are remembered
_BINS = 256  # of a quarter of a full width at half maximum; beyond the last all are alike

Parts = Mapping[int, tuple[Part, ...]]


def levels_of(psf: NDArray[np.floating], beam: Matrix) -> tuple[float, ...]:
    """Return `Searched.sidelobes` of a PSF [y, x], 1 at its middle pixel."""
    (xx, xy), (_, yy) = beam
    y, x = np.ogrid[: psf.shape[0], : psf.shape[1]]
    y, x = y - psf.shape[0] // 2, x - psf.shape[1] // 2
    quarters = np.minimum(4 * np.sqrt(xx * x * x + 2 * xy * x * y + yy * y * y), _BINS - 1).astype(np.int64)
    highest = np.zeros(int(quarters.max()) + 1)
    np.maximum.at(highest, quarters.ravel(), np.abs(np.nan_to_num(psf)).ravel())
    return tuple(np.maximum.accumulate(highest[::-1])[::-1].tolist())


def with_floors(
    seen: Sequence[Seen],
    strong: Sequence[Peak],
    bright: Parts,
    pyramid: Pyramid,
    tiles: Tiles,
    searched: Searched,
    own: Place | None = None,
) -> tuple[tuple[Peak, ...], tuple[Peak, ...]]:
    """Return peaks of the slices in the ring, best first, with floors; and the strong ones, with these among them.

    bright: by step, the sources that were peeled off a slice. own: the source that the search has put in itself,
    without sidelobes.
    """
    oldest = pyramid.step - len(pyramid.ring)
    most = max(searched.sidelobes[BESIDE : BESIDE + 1], default=0.0)
    peaks = [each.peak for each in seen]
    found = [peak for peak in peaks if most * peak.snr >= LEAST and not _is_at(peak, own, searched.beam)]
    kept = [peak for peak in strong if peak.last > oldest and not any(_same(peak, new, searched.beam) for new in found)]
    now = tuple(sorted([*found, *kept], key=lambda peak: -peak.snr)[:_MOST_STRONG])
    floors = (_floor(each, now, bright, pyramid, tiles, searched) for each in seen)
    return tuple(replace(peak, floor=floor) for peak, floor in zip(peaks, floors, strict=True)), now


def is_sidelobe(event: Event, threshold: float) -> bool:
    """Return whether the remains of brighter sources at its place may be enough to make it."""
    return event.best.snr < threshold + event.best.floor


def _is_at(peak: Peak, place: Place | None, beam: Matrix) -> bool:
    if place is None or peak.first > place.last or peak.last < place.first:
        return False
    return is_near(peak.x - place.x, peak.y - place.y, beam)


def _same(old: Peak, new: Peak, beam: Matrix) -> bool:
    return new.snr >= old.snr and is_near(old.x - new.x, old.y - new.y, beam)


def _floor(
    seen: Seen, strong: Sequence[Peak], bright: Parts, pyramid: Pyramid, tiles: Tiles, searched: Searched
) -> float:
    depth, peak = len(pyramid.ring), seen.peak
    steps = [step for step in range(peak.first, peak.last + 1) if pyramid.present[step % depth]]
    here = (peak.x, peak.y, searched.beam)
    noise = float(tiles.level[_tile(peak.y, tiles, 0), _tile(peak.x, tiles, 1)])
    left = sum(left_by(bright[step], *here) / (pyramid.scale[step % depth] * noise) for step in steps if step in bright)
    beside = [_sidelobe(peak, other, steps, bright, pyramid, searched) for other in strong if other.snr > peak.snr]
    floor = (left + max(beside, default=0.0)) / math.sqrt(max(1, len(steps))) / seen.times
    return float(floor) if floor >= LEAST else 0.0


def _sidelobe(
    peak: Peak, other: Peak, steps: Sequence[int], bright: Parts, pyramid: Pyramid, searched: Searched
) -> float:
    """Return the sum of z that a brighter source may have left at a peak, in slices in which it was not peeled off."""
    (xx, xy), (_, yy) = searched.beam
    dx, dy = peak.x - other.x, peak.y - other.y
    distance = math.sqrt(xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy)
    level = searched.sidelobes[min(max(0, int(4 * distance) - 1), len(searched.sidelobes) - 1)]
    if is_near(dx, dy, searched.beam):
        return 0.0
    whole = [step for step in steps if not has_part(bright.get(step, ()), other.x, other.y, searched.beam)]
    rows = np.array([step % len(pyramid.ring) for step in whole], np.int64)
    place = round(other.y) * searched.width + round(other.x)
    return level * abs(sum_of(pyramid, rows, place)) if rows.size else 0.0


def _tile(at: float, tiles: Tiles, axis: int) -> int:
    number: int = min(max(0, round(at)) // tiles.side, tiles.level.shape[axis] - 1)
    return number
