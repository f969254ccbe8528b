"""The words of events as users see them: what is asked of a search, what is searched, and what was found."""

from dataclasses import dataclass, field

from fip.archive.entries import Entry
from fip.data.values import Grid
from fip.fits.stored_image import Layout
from fip.search.words import WIDEST, Budget, Event, Reference, Searched

NEGATIVE = "negative"
"""The label of what became fainter in a plane that cannot be negative: noise makes as many of these as of others."""

SIDELOBE = "sidelobe"
"""The label of what may be a sidelobe of a brighter event in the same slices."""

CANDIDATES = Budget(1, 3600)
"""Of what is kept beside events, and not told: they measure how many false ones there are."""


@dataclass(frozen=True, slots=True)
class Detection:
    """What is asked of a search."""

    budget: Budget = field(default_factory=lambda: Budget(1, 7 * 86400))
    reference: Reference | None = None  # None: none if a model was subtracted, or of Stokes V; auto else
    widest: int = WIDEST
    stokes: tuple[str, ...] | None = None  # None: all planes


@dataclass(frozen=True, slots=True)
class Series:
    """The images of one field in one run, and one Stokes plane of them."""

    run: str
    label: str  # of the field; "" if the run has one
    stokes: str
    plane: int  # of that in the files
    layout: Layout  # of the files
    entries: tuple[Entry, ...]  # in order of time
    area: int  # pixels with values
    sidelobe: float  # the highest of its PSF, of 1
    searched: Searched

    @property
    def grid(self) -> Grid:
        """Of its pixels."""
        return self.layout.grid


@dataclass(frozen=True, slots=True)
class Thresholds:
    """S/N at which something is an event, and a candidate."""

    event: float
    candidate: float


@dataclass(frozen=True, slots=True)
class Found:
    """An event, or a candidate, of a series."""

    series: Series
    event: Event
    threshold: float
    sidelobe: bool = False

    @property
    def identity(self) -> str:
        """The same whenever the same images are searched by the same settings."""
        label = f"{self.series.label}-" if self.series.label else ""
        return f"{self.series.run[:8]}-{label}{self.series.stokes}-{self.event.best.slices[0]:06d}-{self.event.number}"

    @property
    def labels(self) -> tuple[str, ...]:
        """What speaks against it."""
        negative = self.event.best.sign < 0 and self.series.stokes not in ("Q", "U", "V")
        return (NEGATIVE,) * negative + (SIDELOBE,) * self.sidelobe


@dataclass(frozen=True, slots=True)
class Searching:
    """What became of a search of a directory."""

    thresholds: Thresholds
    found: tuple[Found, ...]  # candidates; those above the other threshold are events
    looked: tuple[tuple[Series, tuple[float, ...]], ...]  # of each series the times (s) of the images searched
    unreadable: tuple[str, ...]  # of each image that could not be read, why
    model_needed: tuple[Series, ...] = ()

    @property
    def events(self) -> tuple[Found, ...]:
        """Those above the threshold of events, earliest first."""
        return tuple(each for each in self.found if each.event.best.snr >= self.thresholds.event)
