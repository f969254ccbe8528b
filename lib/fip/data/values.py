"""The words of FIP. A `Slice` is cut by the ventilator, made an `Image` by a worker, stored by the sink.

Everything here is a frozen value: what it holds, in which unit and shape, and nothing about how it is made, sent
or stored. Times are seconds of UTC since MJD 0 (as TIME in a MeasurementSet; one day is 86400 s), angles are
radians, frequencies Hz, lengths metres, flux densities those of the visibilities (nominally Jy).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import xxhash
from annotated_types import Len
from numpy.typing import NDArray
from pydantic import StringConstraints

from fip.data.directions import Frame
from fip.data.names import Count, Label, Line, Number, OptionalLabel, Real, RunId, Share, Sum
from fip.data.quantities import Unit
from fip.data.settings import Imaging

KIND = "[a-z][a-z0-9]{0,15}"
Kind = Annotated[str, StringConstraints(pattern=f"^{KIND}$")]
"""What a FITS file shows, as "dirty", "psf", or a kind that a stage adds; the end of its name."""


MOST_KINDS = 16
"""Images of different kinds that a slice may have."""


def is_kind(text: str) -> bool:
    """Whether files can be of this kind."""
    return re.fullmatch(KIND, text) is not None


LARGEST_SIDE = 32768  # pixels; a float32 image of that side has 4 GiB

SINGLE_PRECISION_EPSILON = 1e-6
"""From this epsilon on, slices and images are single precision (complex64, float32, BITPIX -32); below, double."""


@dataclass(frozen=True, slots=True)
class Times:
    """When a slice was observed."""

    begin: Real  # s UTC, start of the first integration
    average: Real  # s UTC, mean of the times of its samples
    end: Real  # s UTC, end of the last integration
    exposure: Real  # s, weighted mean of the exposure of its samples


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixel grid, the same in every slice of a field: SIN projection, x along -longitude, y along latitude.

    The centre (longitude, latitude) falls on pixel (width/2, height/2), counted from 0: CRPIX = N/2 + 1. If it follows
    a body, the centre alone is another one in each slice.
    """

    width: int  # pixels along x, even
    height: int  # pixels along y, even
    scale: float  # rad, side of a square pixel
    longitude: float  # rad, of the phase centre: right ascension, or galactic longitude
    latitude: float  # rad, of the phase centre: declination, or galactic latitude
    frame: Frame


@dataclass(frozen=True, slots=True)
class Band:
    """An interval of frequency. The *selected* band is the same in every slice."""

    centre: float  # Hz
    width: float  # Hz, over the outer edges of the outermost channels


def whole(bands: Sequence[Band]) -> Band:
    """The band that these sub-bands make up."""
    return Band((bands[0].centre + bands[-1].centre) / 2, bands[0].width * len(bands))


INJECTED = "FIP-INJECTED"
"""The beginning of PROJECT in a MeasurementSet to which `fip inject` has added sources."""

INJECTED_NUMBER = "injected"
"""The name of the number that the ledger has for each slice of such a set."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a run knows about the source of its data; it goes into the header of every image."""

    measurement_set: str  # the MS's file name, without its folder
    telescope: str
    observer: str
    project: str
    field: str  # the field's name
    position: tuple[float, float, float] | None  # m, ITRF position of the array; None if unknown
    antennas: int  # antennas with visibilities
    column: str  # the column imaged; "DATA-MODEL_DATA" if the model is subtracted
    correlations: tuple[str, ...]  # those used, as ("XX", "YY")
    frequency_frame: str  # FITS SPECSYS, as "TOPOCENT"; "" if unknown
    selection: str = ""  # what of the MeasurementSet was selected, as "spw 0:1~9; scan 3"; "" if that is all
    pseudo: bool = False  # whether I is of one hand in samples whose other hand is flagged (pseudoI)
    diameter: float | None = None  # m, the median positive diameter of its dishes; None without one
    parallactic: bool = False  # whether Q and U are of the sky, and not in the frame of the feeds

    @property
    def injected(self) -> bool:
        """Whether sources were added to its data, as `fip inject` does: what is seen in it may not be real."""
        return self.project.startswith(INJECTED)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples of one output channel that share their frequencies: a spectral window, or part of one.

    Visibilities are already multiplied by their weights: kernels never multiply again. `weight` is the
    input of the point spread function. Samples that are not good have weight 0 and visibility 0.
    """

    channel_out: int
    uvw: NDArray[np.float64]  # [row, 3] m, as stored in the MS
    frequency: NDArray[np.float64]  # [node] Hz, strictly ascending
    visibility: NDArray[np.complexfloating]  # [stokes, row, node], weight x visibility
    weight: NDArray[np.floating]  # [stokes, row, node]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Sums over the samples of a slice as they were read, all planes together; they show whether data have changed.

    V are the visibilities, w their natural weights, 0 for what is flagged. Double precision.
    """

    weight: Sum  # sum of w
    real: Sum  # sum of w Re V
    imaginary: Sum  # sum of w Im V
    power: Sum  # sum of w |V|^2
    used: Count  # samples that count


@dataclass(frozen=True, slots=True)
class Card:
    """A card of a header that reading or a stage has added; `fip.data.imaged` checks those of stages."""

    keyword: Annotated[str, StringConstraints(pattern="^[A-Z][A-Z0-9_-]{0,7}$")]
    value: bool | Real | Line
    comment: Line  # with the unit, as "[K] of the system"


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source of the model that was subtracted: what is left there shows how good model and gains are."""

    name: Label
    x: Real  # pixel, from 0, of the slice's grid
    y: Real
    flux: Real  # Jy, apparent, at the slice's frequency


MOST_KNOWN = 64
"""Sources of the model, the brightest ones, that are looked at in each image."""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The visibilities of one integration of one field, ready to be imaged by a pure function."""

    run: RunId
    index: Number  # number of the slice in its run: 0, 1, ... without gaps
    attempt: Number  # 1 the first time it is sent
    integration: Number  # number of the (first) integration in the MS's field, before any selection
    label: OptionalLabel  # of the field, for file names; "" if the MS has one field
    times: Times
    grid: Grid
    bands: tuple[Band, ...]  # one for each output channel
    effective: tuple[tuple[Band | None, ...], ...]  # [stokes][channel_out] mean frequency, width of what has weight
    observation: Observation
    settings: Imaging  # its stokes are the planes as they are made: "I", "Q", "U", "V", or a hand on file ("XX", "RR")
    blocks: tuple[Block, ...]  # () for an integration without a good visibility
    sum_of_weights: NDArray[np.float64]  # [stokes, channel_out]
    visibilities: NDArray[np.int64]  # [stokes, channel_out], the samples that count
    samples: int  # all cross-correlation samples of the selection, flagged ones too, for one Stokes
    nominal_beam: "Beam | None"  # of the first slice like it (field, windows) with nothing flagged; None without a PSF
    zeros: int = 0  # of the samples, those that do not count because all parallel hands are exactly 0
    garbled: int = 0  # of the samples, those that do not count because they hold a number that no telescope gives
    complete: Share = 1.0  # share of the expected samples that is there, flagged ones too
    ill: dict[Label, float] = field(default_factory=dict)  # antennas to look at, as `fip.data.antennas` has them
    fingerprint: Fingerprint | None = None  # None of a slice that no data were read for
    numbers: dict[Label, tuple[Real, Unit]] = field(default_factory=dict)  # of what corrected it: value, unit
    cards: Annotated[tuple[Card, ...], Len(0, 32)] = ()  # of what corrected it, for the header
    known: Annotated[
        tuple[KnownSource, ...], Len(0, MOST_KNOWN)
    ] = ()  # of the model that was subtracted, the brightest first
    ticket: bytes = b""  # that it is leased to its holder (`fip.wire.tickets`); b"" before it is, and without keys

    @property
    def nbytes(self) -> int:
        """The number of bytes of its samples."""
        arrays = ((block.uvw, block.frequency, block.visibility, block.weight) for block in self.blocks)
        return sum(array.nbytes for each in arrays for array in each)

    @property
    def empty(self) -> bool:
        """Whether no visibility of it is good; its image is NaN."""
        return not self.visibilities.any()


@dataclass(frozen=True, slots=True)
class Beam:
    """The ellipse fitted to the main lobe of the point spread function."""

    major: float  # rad, full width at half maximum
    minor: float  # rad, full width at half maximum
    angle: float  # rad, position angle of the major axis from north through east, in [0, pi)


@dataclass(frozen=True, slots=True)
class UvMoments:
    """Weighted means over the samples of an image's first plane: how its noise, and its beam, look near their peak."""

    uu: float  # of u^2, wavelengths squared, here and in the next two
    uv: float  # of u v
    vv: float  # of v^2


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a quality check needs of an image, over its finite pixels of the first plane."""

    rms: float  # 1.4826 x median absolute deviation
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table that a stage has added; `fip.data.imaged` makes it."""

    columns: Mapping[str, tuple[NDArray[Any], str]]  # by name: values [row], unit


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A dirty image, a point spread function, or what a stage has made.

    Plane 0 is the whole band; if that is divided, plane 1 + k is output channel k. Pixels beyond the horizon
    (l^2 + m^2 >= 1) and planes without visibilities are NaN.
    """

    pixels: NDArray[np.floating]  # [stokes, plane, y, x], Jy/beam, apparent flux
    beam: Beam | None  # of the whole band; None if no PSF can be fitted
    statistics: Statistics | None  # of the whole band; None for an empty slice
    channel_beams: tuple[Beam | None, ...] = ()  # of each output channel, if the band is divided
    kernel: str = ""  # the kernels that made its planes, as "slant", "slant+wgridder"; "" for an empty slice
    quality: str = ""  # of a dirty image, as `fip.data.quality` says: "good", or what is doubtful
    unit: str = "Jy/beam"  # of the pixels, but for those of a PSF; "" for none
    shows: str = "Intensity"  # BTYPE of the header, but for that of a PSF
    primary_beam: str = "NONE"  # FIPPB of the header: by which its pixels are corrected
    cards: tuple[Card, ...] = ()  # that stages have added to the header
    tables: Mapping[str, Table] = field(default_factory=dict)  # that stages have added, by the extension's name
    moments: UvMoments | None = None  # of the whole band; None without visibilities
    written: "Written | None" = None  # its pixels, if they are so already; it counts for these pixels and no others


@dataclass(slots=True, eq=False)
class Written:
    """Planes of the whole band as their FITS file has them, big-endian, behind room for the header.

    The first file that is made of the image is made in this memory; others have a copy of the planes.
    """

    pixels: NDArray[np.floating]  # all those of the image
    file: NDArray[np.uint8]  # whole blocks: room for a header, the planes, zeros
    header: int  # bytes of that room
    datasum: int  # of the planes, as DATASUM has it
    taken: bool = False  # whether there is a file in it


@dataclass(frozen=True, eq=False)
class FitsFile:
    """A FITS file, whole, with its kind."""

    kind: Kind
    content: bytes | memoryview

    @property
    def size(self) -> int:
        """The number of its bytes."""
        return len(self.content)

    @cached_property
    def digest(self) -> bytes:
        """XXH3 of the content, 64 bits; taken once."""
        return xxhash.xxh3_64_digest(self.content)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A FITS file that its worker wrote into what the sink had opened, so that its bytes are in no message."""

    kind: Kind
    size: Count  # bytes
    digest: Annotated[bytes, Len(8, 8)]  # XXH3 of the content, as the worker states it
    token: Label  # the name under which the sink has it open


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """What a worker made of a slice, on its way to the sink, which stores all of its files or none."""

    run: RunId
    index: Number
    attempt: Number
    integration: Number
    label: OptionalLabel  # of the field, for file names; "" if the MS has one field
    worker: Line
    times: Times
    empty: bool
    quality: Line  # as `fip.data.quality` says: "good", or what is doubtful
    beam: Beam | None
    statistics: Statistics | None
    seconds: dict[Line, Real]  # spent: "wait", then by stage: "dirty", ..., those of users by name, "fits"
    files: tuple[FitsFile, ...]  # those whose bytes are here: the dirty image first, after it those of other kinds
    numbers: dict[Label, tuple[Real, Unit]] = field(default_factory=dict)  # for the ledger: value, unit
    fingerprint: Fingerprint | None = None  # of the slice
    ticket: bytes = b""  # of its slice
    written: Annotated[tuple[WrittenFile, ...], Len(0, MOST_KINDS)] = ()  # those that the worker wrote, in that order

    @property
    def parts(self) -> tuple[FitsFile | WrittenFile, ...]:
        """All its files, the dirty image first."""
        return tuple(sorted((*self.files, *self.written), key=lambda file: file.kind != "dirty"))

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.parts)
