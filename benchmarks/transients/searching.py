"""The search of `fip.search` over images that are made one after the other, and the CPU that it takes."""

import time
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.transients.telescope import CADENCE, Pixels
from fip.search.events import Events, associate, close, places
from fip.search.series import advance, begin, finish
from fip.search.words import NEAR, Event, Facts, Peak, Searched


class Search:
    """Images in order, and the CPU seconds that their search takes."""

    def __init__(self, searched: Searched, u: float, apart: float | None = None) -> None:
        """If `apart` is given, peaks so many pixels from one another are of one event, in place of 1.2 beams."""
        self._state, self._events = begin(searched, u), Events()
        if apart:
            one = (NEAR / apart) ** 2
            self._state.searched = replace(searched, beam=((one, 0.0), (0.0, one)))
        self._searched = self._state.searched
        self._found: dict[int, Event] = {}
        self._index, self.seconds = 0, 0.0

    def take(self, pixels: Pixels, psf: Pixels | None = None) -> None:
        """The next image, and its PSF if one is stored."""
        start = time.process_time()
        facts = Facts(self._index, self._index * CADENCE, places(self._events), psf)
        self._state, look = advance(self._state, pixels, facts)
        self._associate(look.peaks)
        self.seconds += time.process_time() - start
        self._index += 1

    def skip(self) -> None:
        """A slice that is missing: the next image is a cadence later."""
        self._index += 1

    def finish(self) -> list[Event]:
        """End the search, and return all events."""
        self._state, peaks = finish(self._state)
        self._associate(peaks)
        self._events, closed = close(self._events)
        self._found.update((event.number, event) for event in closed)
        return list(self._found.values())

    def _associate(self, peaks: Sequence[Peak]) -> None:
        searched, step = self._searched, self._state.pyramid.step
        self._events, changed = associate(self._events, peaks, searched.beam, searched.widest, step, self._index)
        self._found.update((event.number, event) for event in changed)
