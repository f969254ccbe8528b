"""What the search of a run keeps from image to image: of each field, of each series of it, and of their means."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Grid
from fip.events.means import MeanImage
from fip.events.settling import Begun
from fip.events.watch import Watch
from fip.events.words import Series
from fip.search.events import Events
from fip.search.injection import Injection
from fip.search.marks import Late, Power
from fip.search.series import State
from fip.search.variables import Model
from fip.search.words import Event

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Span:
    """The slices that an image of a series is made of: one, or several."""

    first: int
    last: int
    begin: float  # s UTC since MJD 0
    end: float


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of an image beside its pixels."""

    span: Span
    power: Power | None
    psf: Pixels | None


@dataclass(slots=True)
class Mean:
    """A weighted mean that is being made."""

    chunk: int  # which, counted by steps
    noise: float  # Jy/beam, of its first image, whose weight is 1
    total: Pixels  # [y, x] Jy/beam, weighted sum
    weight: float
    images: int
    span: Span


@dataclass(slots=True)
class Trial:
    """A source that is put into a block of steps of a series, and what may have been found of it."""

    block: int
    injection: Injection | None
    images: int = 0  # that it is in
    events: dict[int, Event] = field(default_factory=dict)  # by number, those that may be it


@dataclass(slots=True)
class Searching:
    """The search of one series."""

    series: Series
    state: State
    events: Events = field(default_factory=Events)
    spans: dict[int, Span] = field(default_factory=dict)  # of the last images, by their last slices
    hour: int = -1  # which is counted
    slices: int = 0  # of it, that were searched
    flooded: int = 0
    needed: bool = False  # whether it was said that a model is needed
    trial: Trial | None = None
    noise: float = math.nan  # Jy/beam, of the last image
    late: Late = field(default_factory=Late)  # noise and power of the images that came late
    mean: Mean | None = None
    means: "Searching | None" = None  # the search of its means


@dataclass(slots=True)
class FieldSearch:
    """The search of one field."""

    run: str
    name: str  # of the run
    label: str
    grid: Grid
    stokes: tuple[str, ...]
    begun: list[Begun] = field(default_factory=list)
    averaged: dict[str, tuple[Series, ...]] = field(default_factory=dict)  # by plane, what is to be searched of it
    planes: list[Searching] = field(default_factory=list)
    watch: Watch | None = None
    model: Model | None = None  # that was taken off its images
    header: str = ""  # of its first image
    stored: tuple[int, ...] = ()  # of so many slices means are stored
    made: list[MeanImage] = field(default_factory=list)  # means, since they were last taken out
    refused: str = ""
    backlog: bool = False  # whether it is that of a run's backlog


@dataclass(slots=True)
class Live:
    """All fields of a run."""

    fields: dict[str, FieldSearch] = field(default_factory=dict)
    folder: str = ""  # of what is found


def key_of(series: Series) -> str:
    """Return the key by which a series is known in its run."""
    return f"{series.label}/{series.stokes}/{series.average}"
