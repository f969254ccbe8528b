"""What the subtables of a MeasurementSet describe: spectral windows with their correlations, fields, antennas."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Band
from fip.source.tables.ephemeris import Ephemeris

SPECTRAL_FRAMES = {
    "REST": "SOURCE",
    "LSRK": "LSRK",
    "LSRD": "LSRD",
    "BARY": "BARYCENT",
    "GEO": "GEOCENTR",
    "TOPO": "TOPOCENT",
    "GALACTO": "GALACTOC",
    "LGROUP": "LOCALGRP",
    "CMB": "CMBDIPOL",
}
"""casacore's MFrequency::Types, in the order of their codes -> FITS SPECSYS (FITS standard 4.0, table 30)."""

Channels: TypeAlias = tuple[int, int] | None
"""First and last channel as numbered on file; None for all."""


@dataclass(frozen=True, eq=False)
class Window:
    """A data description, a spectral window as recorded with one set of correlations, or consecutive channels of it."""

    number: int  # DATA_DESC_ID
    spectral_window: int  # SPECTRAL_WINDOW_ID
    frequency: NDArray[np.float64]  # [channel] Hz, strictly ascending
    width: NDArray[np.float64]  # [channel] Hz, in the order of `frequency`
    order: slice | NDArray[np.intp]  # picks the channels of the data in the order of `frequency`
    correlations: tuple[str, ...]  # in the order of the data
    frequency_frame: str  # FITS SPECSYS; "" if unknown
    first: int  # the first of its channels as numbered on file
    channels_on_file: int
    assumed: bool = False  # whether a width is made up, as the file has none

    @property
    def shape(self) -> tuple[int, int]:
        """Return (channels, correlations) of what is read of a cell of DATA."""
        return self.frequency.size, len(self.correlations)

    @property
    def cell(self) -> tuple[int, int]:
        """Return (channels, correlations) of a cell of DATA on file."""
        return self.channels_on_file, len(self.correlations)

    @property
    def low(self) -> float:
        """Return the lower edge of its channels, Hz."""
        return float((self.frequency - self.width / 2).min())

    @property
    def high(self) -> float:
        """Return the upper edge of its channels, Hz."""
        return float((self.frequency + self.width / 2).max())

    @property
    def channels(self) -> Channels:
        """Return which channels of a cell to read."""
        whole = self.frequency.size == self.channels_on_file
        return None if whole else (self.first, self.first + self.frequency.size - 1)

    def part(self, first: int, last: int) -> "Window":
        """Return the channels from `first` to `last` as numbered on file; the whole window must have both."""
        on_file = np.arange(self.channels_on_file)[self.order]
        inside = (on_file >= first) & (on_file <= last)
        return replace(
            self,
            frequency=self.frequency[inside],
            width=self.width[inside],
            order=as_slice(on_file[inside] - first),
            first=first,
        )


@dataclass(frozen=True, slots=True)
class Field:
    """A row of the FIELD table."""

    number: int
    name: str
    frame: str  # casacore's name of the frame of PHASE_DIR
    polynomial: tuple[tuple[float, float], ...]  # longitude and latitude of PHASE_DIR: rad, rad/s, rad/s^2, ...
    epoch: float  # s UTC since MJD 0, origin of the polynomial
    ephemeris: Ephemeris | None  # to which PHASE_DIR is then an offset
    beam_offset: tuple[float, float] | None = None  # rad, BEAM_OFFSET by which a beam of ASKAP is beside PHASE_DIR

    def offset(self, time: float) -> tuple[float, float]:
        """Return the polynomial's longitude and latitude, rad, at `time` (s UTC since MJD 0)."""
        longitude = latitude = 0.0
        for coefficient in reversed(self.polynomial):
            longitude = longitude * (time - self.epoch) + coefficient[0]
            latitude = latitude * (time - self.epoch) + coefficient[1]
        return longitude, latitude


def of_zenith(field: Field) -> Field:
    """Return the same field with the zenith for its phase centre; v is to the north there."""
    return replace(field, frame="AZELGEO", polynomial=((math.pi, math.pi / 2),), epoch=0.0, ephemeris=None)


@dataclass(frozen=True, slots=True, eq=False)
class Antennas:
    """The antennas, as the ANTENNA table has them."""

    names: tuple[str, ...]
    position: NDArray[np.float64]  # [antenna, 3] m, ITRF
    diameter: NDArray[np.float64]  # [antenna] m
    stations: tuple[str, ...]  # [antenna] the pad, or the station of VLBI; "" if it is not said
    mounts: tuple[str, ...] = ()  # [antenna] as "ALT-AZ"; () if it is not said
    receptor_angle: NDArray[np.float64] | None = None  # [antenna] rad, of the first receptor; None if it is not said


def as_slice(order: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return `order` as a slice, which picks the same without a copy, if it only keeps or reverses."""
    if (np.diff(order) == 1).all():
        return slice(None)
    return slice(None, None, -1) if (np.diff(order) == -1).all() else order


def as_array(numbers: range | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers of rows [row]; for a range without counting them one by one."""
    if isinstance(numbers, range):
        return np.arange(numbers.start, numbers.stop, numbers.step, dtype=np.int64)
    return np.asarray(numbers, np.int64)


def band(windows: Sequence[Window]) -> Band:
    """Return the band between the outer edges of the outermost channels of all windows."""
    low, high = min(window.low for window in windows), max(window.high for window in windows)
    return Band(centre=(low + high) / 2, width=high - low)
