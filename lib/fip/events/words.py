"""The words of events as users see them: what is asked of a search, what is searched, and what was found."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from fip.archive.file_names import AFTER_RUN, FOUND
from fip.catalogues.words import Match
from fip.data.values import Grid
from fip.search.words import WIDEST, Budget, Event, Reference, Searched

if TYPE_CHECKING:  # which reads images: not every view of events does
    from fip.archive.lightcurve import Named

Kind: TypeAlias = Literal["transient", "variable", "moving"]

LABELS = {
    "negative": "it became fainter, in a plane that cannot be negative: noise makes as many of these as of others",
    "sidelobe": "a brighter event in the same slices may have made it",
    "unsteady": "what is around it changes as much in the same slices: gains, the ionosphere, or steady sources",
    "edge": "it is at the edge of what is imaged, which shows no maximum there",
    "noisy": "the noise of its slices is more than twice as high as that of others",
    "many": "more than 3 unrelated places stand out in its slices",
    "refraction": "beside it, something became fainter by as much: a source that was moved by the ionosphere",
    "band": "one half of the band shows it, and the other not as one spectrum would have it",
    "incoherent": "all baselines have more power in its slices, wherever one looks: interference",
    "near-field": "it does not look like a point source at infinity",
    "leakage": "a source that is bright in Stokes I is here, whose polarisation is that of the feeds",
    "satellite": "a satellite was there",
    "solar-system": "the Sun, the Moon or a planet was there",
    "known": "a catalogue has it whose sources are not to be told",
    "injection": "FIP added it to its own copy of the pixels, or fip inject sources to the data: to see what is found",
}
"""What may speak against an event, and what it says. A labelled event is stored and shown, but not reported."""

HOUR = 3600.0  # s

EVENTS, CANDIDATES, RATES = "events.ecsv", "candidates.ecsv", "rates.ecsv"
"""Tables of what was found; `fip.events.tables` has their columns."""

LIGHT, CUTOUT, PICTURE, FACTS = "light.ecsv", "cutout.fits", "event.png", "event.json"
PAGE = "index.html"
"""The files of an event, in a folder of its name."""

INJECTION = "injection"
"""The label of what FIP itself added, to its own copy of the pixels or to the data."""

FOLDER = FOUND
"""Beside images, the folder of what was found in them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a search."""

    budget: Budget = field(default_factory=lambda: Budget(1, 7 * 86400))
    reference: Reference | None = None  # None: none if a model was subtracted, or of Stokes V; auto else
    widest: int = WIDEST
    stokes: tuple[str, ...] | None = None  # None: all planes
    store_averages: tuple[int, ...] = ()  # of 32 and 1024: means that are kept as images, too
    watch: "tuple[Named, ...]" = ()  # places that are measured in each image
    inject: bool = True  # one source in 500 slices, in the search's own copy of the pixels


@dataclass(frozen=True, slots=True)
class Thresholds:
    """S/N at which something is an event, and a candidate."""

    event: float
    candidate: float


@dataclass(frozen=True, slots=True)
class Series:
    """The images of one field in one run, one Stokes plane of them, as they are or means of so many of them."""

    run: str  # its id
    name: str  # its name, with which its files begin
    label: str  # of the field; "" if the run has one
    stokes: str
    plane: int  # of that in the files
    average: int  # slices in an image: 1, 32, 1024
    grid: Grid
    area: int  # pixels with values
    searched: Searched
    thresholds: Thresholds
    injected: bool = False  # whether sources were added to its data: its events are not reported
    site: tuple[float, float, float] | None = None  # m, ITRF, of the array; None if its images do not say it
    follows: str = ""  # the body that its images follow, if they do
    backlog: bool = False  # whether they waited while newer ones were imaged: what is found in them is archival

    @property
    def followed(self) -> str:
        """The name of the series of images in which it was found: that of the run, or of its backlog."""
        return f"{self.run}{AFTER_RUN}" if self.backlog else self.run


@dataclass(frozen=True, slots=True)
class Found:
    """An event, or a candidate, of a series."""

    series: Series
    event: Event
    begin: float  # s UTC since MJD 0, of its best boxcar
    end: float
    labels: tuple[str, ...] = ()  # of LABELS
    kind: Kind = "transient"
    matches: tuple[Match, ...] = ()  # what is known to be there, nearest first; one with a label speaks against it

    @property
    def id(self) -> str:
        """The same whenever the same images are searched by the same settings; a name for a folder."""
        series = self.series
        parts = (
            series.run[:8], "backlog" * series.backlog, series.label, series.stokes,
            f"x{series.average}" * (series.average > 1),
        )  # fmt: skip
        return "-".join((*filter(None, parts), f"{self.event.opened:06d}", f"{self.event.number}"))
