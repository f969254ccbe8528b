"""The samples of a slice as recorded, and the facts against which gains, flags and models are checked when opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.data.directions import Direction


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """The samples of a slice and one spectral window, all correlations, before they become Stokes.

    A correction may write into `visibility`, `weight` and `bad`; it returns them, or other arrays in their place.
    """

    path: Path  # of the recording, for messages
    field: int  # FIELD_ID
    spectral_window: int  # SPECTRAL_WINDOW_ID
    frequency: NDArray[np.float64]  # [channel] Hz, strictly ascending
    width: NDArray[np.float64]  # [channel] Hz
    correlations: tuple[str, ...]  # as ("XX", "XY", "YX", "YY")
    antenna1: NDArray[np.int32]  # [row]
    antenna2: NDArray[np.int32]  # [row]
    integration: NDArray[np.intp]  # [row] the number of its integration in the slice
    time: NDArray[np.float64]  # [row] s UTC since MJD 0, middle
    interval: NDArray[np.float64]  # [row] s, how long it was integrated
    uvw: NDArray[np.float64]  # [row, 3] m, as on file; what is not finite is 0, and bad
    axes: NDArray[np.float64]  # [integration, 3, 3] unit vectors of u, v, w in ICRS, the rows of a matrix
    visibility: NDArray[np.complexfloating]  # [row, channel, correlation]: sum S exp(2 pi i (ul + vm + w(n-1)) f/c)
    weight: NDArray[np.floating]  # [row, channel or 1, correlation]
    bad: NDArray[np.bool_]  # [row, channel, correlation] not to be used: flagged, not selected, not observed
    feed_angle: NDArray[np.float64] | None = None  # [row] rad, of X (or R) from north through east; None: unknown


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedWindow:
    """A spectral window that is imaged, or those of its channels that are."""

    spectral_window: int  # SPECTRAL_WINDOW_ID
    frequency: NDArray[np.float64]  # [channel] Hz, strictly ascending
    width: NDArray[np.float64]  # [channel] Hz
    correlations: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Facts of the recording: corrections are checked against them once, when they are opened."""

    path: Path  # of the recording, for messages
    telescope: str  # TELESCOPE_NAME
    antennas: tuple[str, ...]  # names, by number
    position: NDArray[np.float64]  # [antenna, 3] m, ITRF
    diameter: float | None  # m, of the dishes; None if that is unknown
    windows: tuple[ExpectedWindow, ...]
    fields: Mapping[int, str]  # FIELD_ID -> name, of those imaged
    centres: Mapping[int, Direction]  # FIELD_ID -> its phase centre at the begin
    begin: float  # s UTC since MJD 0, of the first integration
    end: float  # s UTC, of the last; that of the first one if more are to come
    growing: bool  # whether more are to come
    primary_beam: str | None  # as `--primary-beam` has it; None if fluxes of models are apparent
    epsilon: float  # accuracy asked of images: a model may be wrong by a share of it
    feeds: str = "are unknown"  # why the angles of feeds are not known; "" if they are
