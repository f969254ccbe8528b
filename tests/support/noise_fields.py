"""Images of noise with a known autocorrelation, sources of that shape, and the whole search of a series of them."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fip.search.events import Events, associate, close, places
from fip.search.series import State, advance, begin, finish
from fip.search.words import Event, Facts, Look, Reference, Searched

CADENCE = 8.0  # s

Pixels = NDArray[np.float32]


def searched_field(
    side: int, beam: float, widest: int = 64, reference: Reference = "none", cadence: float = CADENCE
) -> Searched:
    """Square images whose PSF is a Gaussian of so many pixels at half maximum: Lambda = 8 ln 2 / beam^2."""
    curved, wide = 8 * math.log(2) / beam**2, beam**-2
    return Searched(side, side, ((curved, 0.0), (0.0, curved)), ((wide, 0.0), (0.0, wide)), cadence, widest, reference)


def gaussian(side: int, x: float, y: float, beam: float) -> Pixels:
    """A source of 1 Jy as the PSF shows it."""
    across = np.arange(side)
    squared = (across - x) ** 2 + (across[:, np.newaxis] - y) ** 2
    return np.exp(-4 * math.log(2) * squared / beam**2).astype(np.float32)


def noise_fields(side: int, beam: float, seed: int) -> Iterator[Pixels]:
    """Images of noise of 1 Jy/beam, without end: white noise filtered so that its autocorrelation is the PSF."""
    random = np.random.default_rng(seed)
    spread = beam / math.sqrt(8 * math.log(2))
    frequency = fft.fftfreq(side)
    power = np.exp(-2 * math.pi**2 * spread**2 * (frequency**2 + frequency[:, np.newaxis] ** 2))
    passed = np.sqrt(power / power.mean()).astype(np.float32)
    while True:
        white = random.standard_normal((side, side, 2), np.float32).view(np.complex64)[..., 0]
        two = fft.ifft2(fft.fft2(white) * passed)
        yield np.ascontiguousarray(two.real)
        yield np.ascontiguousarray(two.imag)


class Search:
    """One series, searched from the first image to the last."""

    def __init__(self, searched: Searched, threshold: float) -> None:
        self.searched = searched
        self.state: State = begin(searched, threshold)
        self.looks: list[Look] = []
        self.found: dict[int, Event] = {}
        self._events = Events()

    def take(
        self,
        index: int,
        pixels: Pixels,
        time: float | None = None,
        psf: Pixels | None = None,
        excess: Pixels | None = None,
    ) -> Look:
        """The next image: that of a slice, by its number if it has no time."""
        at = index * self.searched.cadence if time is None else time
        facts = Facts(index, at, places(self._events), psf, excess=excess)
        self.state, look = advance(self.state, pixels, facts)
        self._events, changed = associate(
            self._events, look.peaks, self.searched.beam, self.searched.widest, look.step, index
        )
        self.looks.append(look)
        self.found.update((event.number, event) for event in changed)
        return look

    def finish(self) -> list[Event]:
        """All events, in the order in which they were opened."""
        self.state, peaks = finish(self.state)
        step = self.state.pyramid.step
        self._events, changed = associate(
            self._events, peaks, self.searched.beam, self.searched.widest, step, self.looks[-1].step
        )
        self.found.update((event.number, event) for event in changed)
        self._events, closed = close(self._events)
        self.found.update((event.number, event) for event in closed)
        return [self.found[number] for number in sorted(self.found)]


def events_in(searched: Searched, threshold: float, images: Iterable[Pixels | None]) -> list[Event]:
    """The events of images that follow one another by a cadence; None is a slice without an image."""
    search = Search(searched, threshold)
    for index, pixels in enumerate(images):
        if pixels is not None:
            search.take(index, pixels)
    return search.finish()
