"""The words of FIP. A `Slice` is cut by the ventilator, made an `Image` by a worker, stored by the sink.

Everything here is a frozen value: what it holds, in which unit and shape, and nothing about how it is made, sent
or stored. Times are seconds of UTC since MJD 0 (as TIME in a MeasurementSet; one day is 86400 s), angles are
radians, frequencies Hz, lengths metres, flux densities those of the visibilities (nominally Jy).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import xxhash
from annotated_types import Interval
from numpy.typing import NDArray

Number = Annotated[int, Interval(ge=0, lt=1 << 31)]
"""A count or an index; what comes from a socket is held to the range."""

Frame = Literal["FK5", "ICRS", "FK4", "GALACTIC"]
"""Celestial frames that a FITS header can hold: J2000 is FK5, B1950 is FK4."""

Weighting = Literal["natural", "uniform", "briggs"]

Kind = Literal["dirty", "psf"]
"""What a FITS file shows; the end of its name."""

SINGLE_PRECISION_EPSILON = 1e-6
"""From this epsilon on, slices and images are single precision (complex64, float32, BITPIX -32); below, double."""


@dataclass(frozen=True, slots=True)
class Times:
    """When a slice was observed."""

    begin: float  # s UTC, start of the first integration
    average: float  # s UTC, mean of the times of its samples
    end: float  # s UTC, end of the last integration
    exposure: float  # s, weighted mean of the exposure of its samples


@dataclass(frozen=True, slots=True)
class Direction:
    """A place on the sky."""

    longitude: float  # rad, in [0, 2 pi): right ascension, or galactic longitude
    latitude: float  # rad: declination, or galactic latitude
    frame: Frame | None  # None: ICRS where the data are in ICRS, else FK5


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixel grid, the same in every slice of a field: SIN projection, x along -longitude, y along latitude.

    The centre (longitude, latitude) falls on pixel (width/2, height/2), counted from 0: CRPIX = N/2 + 1.
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


@dataclass(frozen=True, slots=True)
class Observation:
    """What a run knows of where its data come from; it goes into the header of every image."""

    measurement_set: str  # the MS's file name, without its folder
    telescope: str
    observer: str
    project: str
    field: str  # the field's name
    position: tuple[float, float, float] | None  # m, ITRF position of the array; None where unknown
    antennas: int  # antennas with visibilities
    column: str  # the column imaged; "DATA-MODEL_DATA" where the model is subtracted
    correlations: tuple[str, ...]  # those used, as ("XX", "YY")
    frequency_frame: str  # FITS SPECSYS, as "TOPOCENT"; "" where unknown
    selection: str = ""  # what of the MeasurementSet was selected, as "spw 0:1~9; scan 3"; "" where that is all


@dataclass(frozen=True, slots=True)
class WindowChoice:
    """Spectral windows, and channels of each."""

    windows: tuple[int, int]  # SPECTRAL_WINDOW_ID, first and last
    channels: tuple[tuple[int, int], ...] = ()  # first and last of each range, as numbered on file; () for all


@dataclass(frozen=True, slots=True)
class UvRange:
    """Lengths of baselines, |(u, v)|, both ends included; in wavelengths it holds for each channel by itself."""

    least: float
    most: float
    unit: Literal["m", "lambda"]


@dataclass(frozen=True, slots=True)
class Average:
    """How much is imaged together; uvw are not averaged."""

    length: float
    unit: Literal["integrations", "s"]


@dataclass(frozen=True, slots=True)
class Subset:
    """What of a MeasurementSet is imaged; what is empty or None selects all; see `fip.data.selection`."""

    field: tuple[str, ...] = ()  # names or numbers
    spw: tuple[WindowChoice, ...] = ()
    scan: tuple[tuple[int, int], ...] = ()  # first and last of each range
    antenna: tuple[str, ...] = ()  # names or numbers; with "!" in front those to leave out
    uv_range: UvRange | None = None
    interval: tuple[int, int] | None = None  # integrations of each field, from 0, the end left out
    time_range: tuple[float, float] | None = None  # s UTC, of the middles of integrations, the end left out
    average: Average | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of what is stored is kept in a directory; None is all."""

    seconds: float | None = None
    size: int | None = None  # bytes


@dataclass(frozen=True, slots=True)
class Selection:
    """What the user asked for; None and "auto" are settled from the data when a run is opened."""

    subset: Subset = Subset()
    column: str = "auto"
    subtract_model: bool = False
    stokes: tuple[str, ...] = ("I",)  # "I", "Q", "U", "V", "pseudoI", or one correlation
    size: tuple[int, int] | None = None  # width and height in pixels, even
    scale: float | None = None  # rad, side of a pixel
    epsilon: float = 1e-5
    kernel: str = "auto"  # or "slant", "wgridder", "ska-sdp-func"
    weighting: Weighting = "natural"
    robust: float = 0.0  # robustness of Briggs weighting; 0 for the others, to which it says nothing
    taper: float | None = None  # rad, full width at half maximum on the sky
    channels_out: int = 1  # planes of equal width that the band is divided into, beside the one of the whole
    make_psf: bool = False
    phase_centre: Direction | None = None  # imaged in place of the fields' own, all fields as one series


@dataclass(frozen=True, slots=True)
class ImagingSettings:
    """How every slice of a run is imaged; with `Grid` it is all that a kernel needs to know."""

    stokes: tuple[str, ...]  # planes in this order: "I", "Q", "U", "V", or the one hand on file ("XX", "RR")
    epsilon: float  # accuracy asked: L2 norm of (image - exact) over that of exact
    kernel: str  # "auto", "slant", "wgridder" or "ska-sdp-func"; which one made an image its `kernel` says
    weighting: Weighting
    robust: float = 0.0  # robustness of Briggs weighting
    taper: float | None = None  # rad, full width at half maximum on the sky of the taper's transform
    make_psf: bool = False  # whether a file with the point spread function goes with each image
    pseudo: bool = False  # whether I is of one hand where the other is flagged (pseudoI)


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


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The visibilities of one integration of one field, ready to be imaged by a pure function."""

    run: str  # id of the run
    index: Number  # number of the slice in its run: 0, 1, ... without gaps
    attempt: Number  # 1 the first time it is sent
    integration: Number  # number of the (first) integration in the MS's field, before any selection
    label: str  # of the field, for file names; "" where the MS has one field
    times: Times
    grid: Grid
    bands: tuple[Band, ...]  # one for each output channel
    effective: tuple[tuple[Band | None, ...], ...]  # [stokes][channel_out] mean frequency, width of what has weight
    observation: Observation
    settings: ImagingSettings
    blocks: tuple[Block, ...]  # () for an integration without a good visibility
    sum_of_weights: NDArray[np.float64]  # [stokes, channel_out]
    visibilities: NDArray[np.int64]  # [stokes, channel_out], the samples that count
    samples: int  # all cross-correlation samples of the selection, flagged ones too, for one Stokes
    nominal_beam: Beam | None  # that of the field's first slice with nothing flagged; None where no PSF can be fitted

    @property
    def nbytes(self) -> int:
        """Bytes of its samples."""
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
class Statistics:
    """What a quality check needs of an image, over its finite pixels of the first plane."""

    rms: float  # 1.4826 x median absolute deviation
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A dirty image or a point spread function.

    Plane 0 is the whole band; where that is divided, plane 1 + k is output channel k. Pixels beyond the horizon
    (l^2 + m^2 >= 1) and planes without visibilities are NaN.
    """

    pixels: NDArray[np.floating]  # [stokes, plane, y, x], Jy/beam, apparent flux
    beam: Beam | None  # of the whole band; None if no PSF can be fitted
    statistics: Statistics | None  # of the whole band; None for an empty slice
    channel_beams: tuple[Beam | None, ...] = ()  # of each output channel, where the band is divided
    kernel: str = ""  # the kernels that made its planes, as "slant", "slant+wgridder"; "" for an empty slice
    quality: str = ""  # of a dirty image, as `fip.data.quality` says: "good", or what is doubtful


@dataclass(frozen=True, eq=False)
class FitsFile:
    """A FITS file, whole."""

    kind: Kind
    content: bytes | memoryview

    @cached_property
    def digest(self) -> bytes:
        """XXH3 of the content, 64 bits; taken once."""
        return xxhash.xxh3_64_digest(self.content)


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """What a worker made of a slice, on its way to the sink, which stores all of its files or none."""

    run: str
    index: Number
    attempt: Number
    integration: Number
    label: str  # of the field, for file names; "" where the MS has one field
    worker: str
    times: Times
    empty: bool
    quality: str  # as `fip.data.quality` says: "good", or what is doubtful
    beam: Beam | None
    statistics: Statistics | None
    seconds: dict[str, float]  # spent: "wait", then by stage: "dirty", "psf", "beam", ..., "fits"
    files: tuple[FitsFile, ...]  # the dirty image, and after it the point spread function where it is asked for

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(len(file.content) for file in self.files)
