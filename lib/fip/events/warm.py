"""Compiling the search, so that no image waits for it: `fip warmup`, or whoever is about to search."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from fip.compiled.cache import cache_directory, digest_of, only_one, processor, use_cache

FOLDER = use_cache()  # before the search is compiled

from fip.search import passes  # noqa: E402
from fip.search.series import advance, begin, finish  # noqa: E402
from fip.search.words import Facts, Reference, Searched  # noqa: E402

log = logging.getLogger("fip.events")

ABOUT = 6  # s of a core that it takes
_REFERENCES: tuple[Reference, ...] = ("none", "running", "auto")
_SIDE, _BEAM = 64, 4.0  # pixels
_IMAGES, _PULSE = 150, 100  # images, and the one with a source in it


def mark() -> Path:
    """A file beside the compiled functions, made when all of the search are there, for this processor."""
    return cache_directory() / f"search-{digest_of([Path(passes.__file__)])}-{processor()}"


def warm_up_search(say: Callable[[str], None]) -> float:
    """Compile what is not in the cache, and load the rest; return the seconds that it took.

    By a search of a few small images, with each reference: of noise, and a source that is on in one.
    """
    begun = time.perf_counter()
    with only_one(FOLDER):
        if not mark().exists():
            say(f"compiling the search for transients, once, about {ABOUT} s of a core, in {FOLDER}")
        for reference in _REFERENCES:
            search_something(reference)
        with suppress(OSError):  # a cache that cannot be written was reported before
            mark().touch()
    return time.perf_counter() - begun


def search_unless_warm() -> None:
    """Compile the search, if it is not there, and log it: no image is searched meanwhile."""
    if not mark().exists():
        log.info("the search for transients was compiled: %.1f s", warm_up_search(log.warning))


def search_something(reference: Reference) -> int:
    """All that a search does, with a few small images and their PSF; returns how many peaks it saw."""
    random = np.random.default_rng(0)
    curved, wide = 8 * math.log(2) / _BEAM**2, _BEAM**-2
    beam = ((wide, 0.0), (0.0, wide))
    searched = Searched(_SIDE, _SIDE, ((curved, 0.0), (0.0, curved)), beam, 1.0, reference=reference)
    across = np.arange(2 * _SIDE) - _SIDE
    psf = np.exp(-curved / 2 * (across**2 + across[:, np.newaxis] ** 2)).astype(np.float32)
    half = slice(_SIDE // 2, _SIDE // 2 + _SIDE)
    state, peaks = begin(searched, 8.0), 0
    for index in range(_IMAGES):
        pixels = random.standard_normal((_SIDE, _SIDE), np.float32)
        pixels[0] = np.nan
        pixels += 30 * (index == _PULSE) * psf[half, half]
        state, look = advance(state, pixels, Facts(index, float(index), psf=psf if index == _PULSE else None))
        peaks += len(look.peaks)
    return peaks + len(finish(state)[1])
