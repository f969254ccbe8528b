"""TART telescopes as a stream of FIP's receiver: their HTTP JSON, asked for a few times an integration.

`[receiver] format = "tart"`, `setup = "https://HOST/tart/NAME"`; behind a `#`, the seconds of an integration. README.md
has the rest.
"""

import json
import math
import threading
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urldefrag, urlsplit

import erfa
import numpy as np
from annotated_types import Interval, Len
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from fip.config import Receiver
from fip.data.errors import ConfigError, InputError
from fip.data.names import label
from fip.receiver.part import Buffers, Heard, Part
from fip.source.spooled.uvw import antenna_uvw
from fip.spool.setup import Band, Product, Setup, Station, Target

LONGEST = 1 << 20  # bytes of an answer
WITHIN = 5.0  # s, for an answer
ASKED = 4  # times an integration
HOURS = 24  # of right ascension: each has a target, the zenith in its middle
LIGHT = 299792458.0  # m/s
UNUSABLE = "an answer cannot be used"

_Metres = Annotated[float, Interval(ge=-1e5, le=1e5)]
_Value = Annotated[float, Interval(ge=-1e9, le=1e9)]
_Antenna = Annotated[int, Interval(ge=0, lt=4096)]


class Location(BaseModel):
    """Of the array, WGS 84."""

    lat: Annotated[float, Interval(ge=-90, le=90)]  # degrees
    lon: Annotated[float, Interval(ge=-360, le=360)]  # degrees
    alt: _Metres


class Info(BaseModel):
    """What `/info` has under "info"."""

    name: str
    num_antenna: Annotated[int, Interval(ge=2, le=4096)]
    operating_frequency: Annotated[float, Interval(gt=1e6, le=1e12)]  # Hz
    bandwidth: Annotated[float, Interval(gt=0, le=1e12)]  # Hz
    location: Location


class Told(BaseModel):
    """What `/info` answers."""

    info: Info


class Positions(BaseModel):
    """What `/imaging/antenna_positions` answers: of each antenna, metres east, north and up."""

    antennas: Annotated[list[tuple[_Metres, _Metres, _Metres]], Len(2, 4096)]


class Gains(BaseModel):
    """What `/calibration/gain` answers."""

    gain: Annotated[list[_Value], Len(2, 4096)]
    phase_offset: Annotated[list[_Value], Len(2, 4096)]  # rad


class Correlation(BaseModel):
    """Of one pair of antennas."""

    i: _Antenna
    j: _Antenna
    re: _Value
    im: _Value


class Visibilities(BaseModel):
    """What `/imaging/vis` answers."""

    timestamp: datetime
    data: Annotated[list[Correlation], Len(1, 1 << 16)]


class AnswerError(Exception):
    """An answer that is none, with the reason."""


@dataclass(frozen=True)
class Array:
    """Where the antennas are."""

    antennas: NDArray[np.float64]  # [antenna, 3] m, ITRF
    zenith: NDArray[np.float64]  # [3], a unit vector, ITRF

    def field(self, unix: float) -> int:
        """The target that is next to the zenith; UT1 is taken as UTC, which is less than 15 arcseconds."""
        days = 2440587.5 + unix / 86400
        ra, _ = erfa.c2s(self.zenith @ erfa.c2t06a(days, 69.2 / 86400, days, 0.0, 0.0, 0.0))
        return int(ra % (2 * math.pi) / (2 * math.pi) * HOURS) % HOURS


def array_of(info: Info, positions: Sequence[tuple[float, float, float]]) -> Array:
    """Antennas from metres east, north and up of the array's location."""
    longitude, latitude = math.radians(info.location.lon), math.radians(info.location.lat)
    sin_l, cos_l, sin, cos = math.sin(longitude), math.cos(longitude), math.sin(latitude), math.cos(latitude)
    east, north, up = [-sin_l, cos_l, 0.0], [-sin * cos_l, -sin * sin_l, cos], [cos * cos_l, cos * sin_l, sin]
    centre = erfa.gd2gc(1, longitude, latitude, info.location.alt)  # 1: WGS 84
    return Array(centre + np.array(positions) @ np.array([east, north, up]), np.array(up))


class Tart:
    """A `fip.receiver.part.Stream`."""

    def __init__(self, address: str, cadence: float) -> None:
        self._address = address
        info = Told.model_validate(self._ask("info")).info
        positions = Positions(antennas=self._ask("imaging/antenna_positions")).antennas
        if len(positions) != info.num_antenna:
            raise AnswerError(f"{info.num_antenna} antennas are told of, and {len(positions)} positions")
        self._array = array_of(info, positions)
        self._wavelength = LIGHT / info.operating_frequency
        self._closed = threading.Event()
        self.setup = setup_of(info, self._array, cadence)
        self._rows = {(each.antenna1, each.antenna2): row for row, each in enumerate(self.setup.products)}

    @property
    def buffers(self) -> tuple[Buffers, ...]:
        """None: what is asked for waits at the telescope."""
        return ()

    def close(self) -> None:
        """Ends `listen`."""
        self._closed.set()

    def listen(self, heard: Heard) -> None:
        """Asks until it is closed; an answer that was there before is none."""
        newest = -math.inf
        while not self._closed.wait(self.setup.cadence / ASKED):
            try:
                part = self.part(Visibilities.model_validate(self._ask("imaging/vis")), self._gains())
            except (AnswerError, ValidationError) as error:
                heard.refuse(UNUSABLE, found=reason(error))
                continue
            if part.time > newest:
                newest = part.time
                heard.put(part)

    def part(self, told: Visibilities, gains: NDArray[np.complex128]) -> Part:
        """A whole integration; pairs of which nothing is told are NaN. AnswerError if antennas are none of the array."""
        unix = told.timestamp.replace(tzinfo=told.timestamp.tzinfo or UTC).timestamp()
        field = self._array.field(unix)
        values = np.full(len(self._rows), np.nan, np.complex64)
        for each in told.data:
            if (row := self._rows.get((each.i, each.j))) is None:
                raise AnswerError(f"antennas {each.i} and {each.j} are no pair of {self.setup.name}'s")
            values[row] = complex(each.re, each.im) * gains[each.i] * np.conj(gains[each.j])
        target, (first, second) = self.setup.targets[field], np.array(list(self._rows)).T
        path = antenna_uvw(unix, target.ra, target.dec, self._array.antennas)[:, 2]  # m
        values *= np.exp(-2j * np.pi * (path[first] - path[second]) / self._wavelength)  # the target is followed
        dump = int(unix // self.setup.cadence)
        missing = int(np.isnan(values).sum())
        return Part(dump, unix, field, 0, slice(0, 1), 0, values[np.newaxis].astype(np.complex64), missing=missing)

    def _gains(self) -> NDArray[np.complex128]:
        told = Gains.model_validate(self._ask("calibration/gain"))
        if not len(told.gain) == len(told.phase_offset) == len(self.setup.antennas):
            raise AnswerError(f"gains of {len(told.gain)} antennas, of {len(self.setup.antennas)}")
        return np.asarray(np.array(told.gain) * np.exp(-1j * np.array(told.phase_offset)))

    def _ask(self, what: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self._address}/api/v1/{what}", timeout=WITHIN) as answer:
                text = answer.read(LONGEST + 1)
            if len(text) > LONGEST:
                raise AnswerError(f"{what}: an answer of more than {LONGEST} bytes")
            return json.loads(text)
        except (OSError, ValueError) as error:  # no answer, or no JSON
            raise AnswerError(f"{what}: {error}") from None


def setup_of(info: Info, array: Array, cadence: float) -> Setup:
    """What all integrations share: a channel, one hand, and the zenith of each hour of right ascension."""
    numbers = range(info.num_antenna)
    zeniths = ((hour + 0.5) * 2 * math.pi / HOURS for hour in range(HOURS))
    return Setup(
        name=label(info.name)[:40],
        cadence=cadence,
        antennas=tuple(Station(f"a{number}", (x, y, z)) for number, (x, y, z) in enumerate(array.antennas.tolist())),
        bands=(Band(info.operating_frequency, info.bandwidth, 1),),
        products=tuple(Product(first, second, "RR") for first in numbers for second in numbers[first + 1 :]),
        targets=tuple(
            Target(f"zenith{hour:02d}", ra, math.radians(info.location.lat)) for hour, ra in enumerate(zeniths)
        ),
        telescope="TART",
    )


def reason(error: Exception) -> str:
    """In a line."""
    if isinstance(error, ValidationError):
        first: Any = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def open_stream(receiver: Receiver) -> Tart:
    """What `[receiver] format = "tart"` opens. ConfigError or InputError if it cannot be."""
    address, seconds = urldefrag(receiver.setup)
    try:
        cadence = float(seconds or 1.0)
    except ValueError:
        cadence = 0.0
    if urlsplit(address).scheme not in ("http", "https") or not 0.01 <= cadence <= 3600:
        raise ConfigError(
            f"[receiver] setup = {receiver.setup!r}: a telescope's address is asked for, as "
            '"https://HOST/tart/NAME", and behind a # the seconds of an integration, 0.01 to 3600'
        )
    try:
        return Tart(address.rstrip("/"), cadence)
    except (AnswerError, ValidationError) as error:
        raise InputError(f"{address}: no TART that answers: {reason(error)}") from None
