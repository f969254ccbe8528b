"""The search of a series of images, one after the other: `advance`.

Only `advance` changes the state: there is no clock and no thread in it, and the same images in the same order give the
same bits.
"""

import math
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import BRIGHT
from fip.search.bright import Known, Part, known, peel
from fip.search.floors import with_floors
from fip.search.noise import Tiles, image_noise, measure, new_tiles
from fip.search.passes import SPAN, STEPS
from fip.search.peaks import Seen, Threshold, best_of, of_a_pixel, peaks_of
from fip.search.pyramid import Pyramid, brightest, clear, new_pyramid, push, push_gap, take_back
from fip.search.pyramid import bytes_of as bytes_of_pyramid
from fip.search.rednoise import Red, least_of, listen, standing_out, white
from fip.search.reference import Running, Whiteness, follow, held_factor, warm, weigh, whiteness
from fip.search.reference import bytes_of as bytes_of_reference
from fip.search.theory import tail
from fip.search.variables import lasting
from fip.search.words import WIDEST, Facts, Look, Peak, Place, Searched

SURELY_SEEN = 0.7
"""Share of the S/N of a pixel that may be part of a peak: it is examined if a level stands out by so much.

Any boxcar has 0.83 of its S/N in some level, but for the noise in the rest: docs/transients.md says what is lost.
"""

FLOODED, _OF_NOISE = 0.02, 20.0
"""An image is flooded from this share of hot pixels on, but never with fewer than so many times those of noise."""

_OF_SOURCES = 10.0  # beams that a few sources may fill: more than the share in an image of few beams

_ITSELF = 15.0  # S/N of a peak whose own sidelobes may last: these do not make noise red

_NONE = np.empty((0, 0), np.float32)


@dataclass(slots=True)
class State:
    """The state of the search of one series. Only `advance` changes it."""

    searched: Searched
    threshold: float  # S/N
    pyramid: Pyramid
    tiles: Tiles
    running: Running | None  # with a reference
    white: Whiteness | None  # with the reference `auto`
    red: Red | None  # without a reference
    time: float = math.nan  # s, of the last image
    psf: Known | None = None  # the last one so far
    bright: dict[int, tuple[Part, ...]] = field(default_factory=dict)  # by step, in the ring: peeled sources
    strong: tuple[Peak, ...] = ()  # those that may leave something beside them
    own: Place | None = None  # what the search has put into recent images itself
    excess: NDArray[np.float32] | None = None  # [y, x], of the last image, as `Facts` has it


def begin(searched: Searched, threshold: float) -> State:
    """Make the state before the first image. ValueError for impossible boxcars or an impossible cadence."""
    if not searched.cadence > 0:
        raise ValueError(f"a cadence of {searched.cadence:g} s: images must follow one another in time")
    pyramid = new_pyramid(searched.width * searched.height, searched.widest)
    weighed = whiteness(len(pyramid.levels)) if searched.reference == "auto" else None
    tiles = new_tiles(searched.width, searched.height, searched.beam)
    levels, pixels = len(pyramid.levels), searched.width * searched.height
    red = white(levels, tiles, pixels, searched.beam) if searched.reference == "none" else None
    return State(searched, threshold, pyramid, tiles, _new_reference(searched), weighed, red)


def memory(searched: Searched) -> int:
    """Return the bytes of the state: 0.25 GB at 1024 x 1024, 0.27 with a reference, with the PSF of a bright slice."""
    pixels = searched.width * searched.height
    return (
        16 * pixels
        + bytes_of_pyramid(pixels, searched.widest)
        + bytes_of_reference(pixels, searched.reference != "none")
    )


def advance(state: State, pixels: NDArray[np.float32], facts: Facts) -> tuple[State, Look]:
    """Take the next image, [y, x] Jy/beam in time order, NaN for pixels without a value; all NaN is a gap.

    Return the state, which is the one given, and what is seen. Peaks end in one of the last 16 slices.
    """
    state.own, state.excess = facts.own, None if state.running else facts.excess
    earlier, new_segment = _step_to(state, facts)
    reference = state.running.pixels if state.running else _NONE
    noise = math.nan if _is_empty(pixels) else image_noise(pixels, reference)
    if not noise > 0 or not (state.running is None or state.running.known):
        if noise > 0 and state.running:
            warm(state.running, pixels)
        peaks = best_of([*earlier, *_gap(state, facts)], state.searched.beam)
        return state, Look(state.pyramid.step, peaks, noise, False, new_segment=new_segment)
    if facts.psf is not None:
        state.psf = known(facts.psf, state.pyramid.step + 1, state.searched)
    count, noise, cleaned = _push(state, np.ascontiguousarray(pixels, np.float32), reference, noise, facts.index)
    hot = _hot(state, count)
    flooded = _is_flooded(state, hot)
    peaks = best_of([*earlier, *_peaks(state, hot)], state.searched.beam)
    if state.running:
        follow(state.running, state.pyramid, state.tiles, state.searched.beam, facts.spared)
    needed = state.white is not None and state.white.model_needed
    return state, Look(state.pyramid.step, peaks, noise, True, hot.size, flooded, new_segment, needed, cleaned)


def step_at(state: State, time: float) -> int:
    """Return the step of an image at a time (s)."""
    return state.pyramid.step + _steps(state, time)


def _steps(state: State, time: float) -> int:
    if not math.isfinite(state.time):
        return 1
    return max(1, round((time - state.time) / state.searched.cadence))


def finish(state: State) -> tuple[State, tuple[Peak, ...]]:
    """Return, after the last image, the peaks that more slices would have completed."""
    nothing = Facts(-1, state.time)
    found = [peak for _ in range(SPAN) for peak in _gap(state, nothing)]
    return state, best_of(found, state.searched.beam)


def _is_empty(pixels: NDArray[np.float32]) -> bool:
    few = pixels[:: max(1, len(pixels) // 64)]
    return not np.isfinite(few).any() and not np.isfinite(pixels).any()


def _push(
    state: State, pixels: NDArray[np.float32], reference: NDArray[np.float32], noise: float, index: int
) -> tuple[int, float, NDArray[np.float32] | None]:
    """Add an image to all that is kept of images except the reference; return how many places are hot, and its noise.

    If it turns out to be bright, and there is a PSF, it is added again without the sidelobes of its sources, and is
    also returned.
    """
    pyramid, tiles, cleaned = state.pyramid, state.tiles, None
    count = _push_one(state, pixels, reference, noise, index)
    if (
        state.psf
        and state.psf.is_good(pyramid.step, state.searched.cadence)
        and brightest(pyramid, pyramid.hot[:count])[1] >= BRIGHT
    ):
        peeled = peel(pixels, reference, noise, state.psf, state.searched)
        if peeled:
            take_back(pyramid)
            pixels = cleaned = peeled.pixels
            noise = peeled.noise
            count = _push_one(state, pixels, reference, noise, index)
            oldest = pyramid.step - len(pyramid.ring)
            state.bright = {step: parts for step, parts in state.bright.items() if step > oldest}
            state.bright[pyramid.step] = peeled.parts
    measure(tiles, _last(pyramid).reshape(pixels.shape), pixels)
    if state.white:
        weigh(state.white, pyramid)
    if state.red and (state.red.holds(pyramid.step) or not any(peak.snr >= _ITSELF for peak in state.strong)):
        listen(state.red, pyramid, tiles, pixels)
    return count, noise, cleaned


def _push_one(
    state: State, pixels: NDArray[np.float32], reference: NDArray[np.float32], noise: float, index: int
) -> int:
    variance = state.running.variance if state.running else 0.0
    spread = math.sqrt(variance / (1 + variance))
    factors = (STEPS / (noise * state.tiles.level)).astype(np.float32)
    if state.excess is not None:
        pixels = pixels / state.excess
    known = noise, spread, index
    return push(state.pyramid, pixels, reference, known, factors, state.tiles.side, _low(state), _times(state))


def _hot(state: State, count: int) -> NDArray[np.int32]:
    """Return the places to examine, of `count` places that stand out from white noise."""
    hot = state.pyramid.hot[:count]
    red = _red(state)
    return standing_out(red, state.pyramid, state.tiles, hot, _low(state), state.searched.width) if red else hot


def _peaks(state: State, hot: NDArray[np.int32]) -> tuple[Peak, ...]:
    """Return the peaks at hot places; for a flooded image, only that of the brightest pixel."""
    if _is_flooded(state, hot):
        hot = np.array([brightest(state.pyramid, hot)[0]], np.int32)
    threshold = Threshold(state.threshold, partial(_factor, state))
    seen = peaks_of(state.pyramid, hot, state.searched, state.tiles, threshold, _red(state))
    if not seen:
        return ()
    seen = tuple(_with_flux(each, _excess(state, each.peak.x, each.peak.y)) for each in seen)
    peaks, state.strong = with_floors(
        seen, state.strong, state.bright, state.pyramid, state.tiles, state.searched, state.own
    )
    return peaks


def _with_flux(seen: Seen, excess: float) -> Seen:
    """Change a peak for the larger noise of its place, by errors of a model."""
    return seen if excess == 1 else replace(seen, peak=replace(seen.peak, flux=seen.peak.flux * excess))


def _red(state: State) -> Red | None:
    """Return the red noise, if noise is red now."""
    return state.red if state.red and state.red.holds(state.pyramid.step) else None


def _times(state: State) -> tuple[float, ...]:
    """Return, by level, the least factor of noise over white noise."""
    red = _red(state)
    return tuple(least_of(red, level) for level in range(len(red.times))) if red else ()


def _is_flooded(state: State, hot: NDArray[np.int32]) -> bool:
    return hot.size > _most_hot(state)


def _most_hot(state: State) -> float:
    """Return how many places to examine an image may have before it is flooded."""
    share = max(FLOODED, _OF_NOISE * tail(_low(state)))
    (xx, xy), (_, yy) = state.searched.beam
    few = _OF_SOURCES / math.sqrt(xx * yy - xy * xy)
    return float(max(share * state.pyramid.ring.shape[1], few))


def _last(pyramid: Pyramid) -> NDArray[np.int16]:
    last: NDArray[np.int16] = pyramid.ring[pyramid.step % len(pyramid.ring)]
    return last


def _step_to(state: State, facts: Facts) -> tuple[list[Peak], bool]:
    """Pass over slices without an image before this one; return what they complete, and whether a segment begins."""
    steps = _steps(state, facts.time)
    state.time = facts.time
    new_segment = steps >= WIDEST
    passed = SPAN if new_segment else steps - 1
    found = [peak for _ in range(passed) for peak in _gap(state, facts)]
    if new_segment:
        clear(state.pyramid, state.pyramid.step + steps - 1 - passed)
        state.running = _new_reference(state.searched)
    return found, new_segment


def _gap(state: State, facts: Facts) -> tuple[Peak, ...]:
    count = push_gap(state.pyramid, _low(state), _times(state))
    if state.running and state.running.known:
        follow(state.running, state.pyramid, state.tiles, state.searched.beam, facts.spared)
    return _peaks(state, _hot(state, count))


def _low(state: State) -> float:
    return SURELY_SEEN * state.threshold * of_a_pixel(state.searched.curvature)


def _new_reference(searched: Searched) -> Running | None:
    return Running(_NONE) if searched.reference != "none" else None


def _factor(state: State, x: float, y: float, width: int) -> float:
    """Return the factor by which the threshold of a boxcar at a place is raised."""
    held = held_factor(state.running, x, y, width) if state.running else lasting(_excess(state, x, y), width)
    return held * (state.white.factor(width) if state.white else 1.0)


def _excess(state: State, x: float, y: float) -> float:
    """Return the noise at a place over the noise elsewhere, in the last image."""
    return 1.0 if state.excess is None else float(state.excess[round(y), round(x)])
