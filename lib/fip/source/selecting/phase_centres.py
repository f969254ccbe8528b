"""The edge to casacore's measures: a field's phase centre at a time, whatever frame it is written in.

Frames that a FITS header can hold are left as they are. The others (AZEL, HADEC, APP, JMEAN, B1950_VLA, ecliptic, the
Sun, Moon and planets, ...) are what casacore says they are, so casacore converts them to J2000, with the tables of
Earth orientation and of planets (DE405) that come in its wheel: nothing is downloaded. Against astropy's IAU 2006
models casacore's (IAU 1976/1980) are good to 0.1 arcsec for APP and the mean frames, 0.6 arcsec for HADEC and AZEL;
after the end of its table of Earth orientation by 15 arcsec for each second of UT1 - UTC. The Sun is good to 0.1
arcsec, the Moon to 45 arcsec.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from casacore.measures import measures
from casacore.quanta import quantity
from numpy.typing import NDArray

from fip.data.directions import BODIES, FRAMES, OWN, ZENITH, Body, Direction, Frame
from fip.data.errors import InputError, UsageError
from fip.data.quantities import SECONDS_PER_DAY
from fip.data.rotations import Array, about_w, angle_between_norths, axes, northward, turn
from fip.source.tables.subtables import Field

FIXED = (*FRAMES, "B1950_VLA", "SUPERGAL", "ECLIPTIC")
"""Frames in which a direction does not move among the stars."""

PLANETS = (*(each.upper() for each in BODIES), "PLUTO")
"""Frames whose origin is the Sun, the Moon or a planet."""


@dataclass(frozen=True, slots=True)
class Pointing:
    """The direction and the north that (u, v, w) are referred to at some time."""

    centre: Direction  # of w; its frame is one that FITS can hold
    north: float  # rad, position angle of v in that frame, from north through east: 0 in a frame that FITS can hold


class PhaseCentres:
    """Phase centres as seen by an array; used from one thread."""

    def __init__(self, path: object, position: tuple[float, float, float] | None) -> None:
        """`position` is that of the array, ITRF in m; None if it is unknown. `path` is for messages."""
        self._path = path
        self._position = position

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without casacore's measures, which another process makes for itself."""
        return {name: value for name, value in vars(self).items() if name != "_measures"}

    @property
    def on_earth(self) -> bool:
        """Return whether the array's place is known, and so its zenith."""
        return self._position is not None

    def moves(self, field: Field) -> bool:
        """Return whether the phase centre moves among the stars."""
        return len(field.polynomial) > 1 or field.ephemeris is not None or field.frame not in FIXED

    def stays(self, field: Field) -> bool:
        """Return whether (u, v, w) are referred to one direction, with its north in a frame that FITS can hold."""
        return field.frame in FRAMES and not self.moves(field)

    def at(self, field: Field, time: float) -> Pointing:
        """Return the phase centre at `time` (s UTC since MJD 0); InputError if it is not known then."""
        longitude, latitude = field.offset(time)
        if field.ephemeris is not None:
            if not field.ephemeris.covers(time):
                raise InputError(f"{self._where(field)}: its ephemeris does not cover the time of the data")
            return Pointing(field.ephemeris.at(time, longitude, latitude), 0.0)
        if field.frame in FRAMES:
            return Pointing(_direction(longitude, latitude, FRAMES[field.frame]), 0.0)
        self._check(field)
        try:
            return self._converted(field.frame, time, longitude, latitude)
        except RuntimeError as error:
            raise InputError(f"{self._where(field)}: casacore cannot convert {field.frame}: {error}") from None

    def of_body(self, body: Body, time: float) -> Direction:
        """Return the direction of a body, or of the zenith, at `time` (s UTC since MJD 0), J2000.

        UsageError if the place of the array is not known.
        """
        if self._position is None:
            raise UsageError(
                f"{self._path}: --phase-centre {body.name}: the antennas are nowhere on Earth by subtable ANTENNA; "
                "set their POSITION, or name a direction"
            )
        if body.name == ZENITH:
            return self._converted("AZELGEO", time, 0.0, math.pi / 2).centre
        return self._converted(body.name.upper(), time, 0.0, 0.0).centre

    def _check(self, field: Field) -> None:
        """Raise InputError if the field's frame is unknown, or needs a place on Earth that is not known."""
        where = self._where(field)
        known = self._measures.list_codes(self._measures.direction())
        if field.frame not in (*known["normal"], *PLANETS):
            raise InputError(f"{where}: phase centre in frame {field.frame}, which casacore does not know")
        if field.frame not in FIXED and self._position is None:
            raise InputError(
                f"{where}: phase centre in frame {field.frame}, but the antennas are nowhere on Earth "
                "by subtable ANTENNA; set their POSITION"
            )

    def _converted(self, frame: str, time: float, longitude: float, latitude: float) -> Pointing:
        here = self._measures
        here.do_frame(here.epoch("UTC", quantity(time / SECONDS_PER_DAY, "d")))
        x, y, z = self._position or (0.0, 0.0, 6.4e6)
        here.do_frame(here.position("ITRF", quantity(x, "m"), quantity(y, "m"), quantity(z, "m")))
        towards = self._j2000(frame, longitude, latitude)
        centre = _direction(math.atan2(towards[1], towards[0]), math.asin(max(-1.0, min(1.0, towards[2]))), "FK5")
        if frame in PLANETS:
            return Pointing(centre, 0.0)
        further = self._j2000(frame, *northward(longitude, latitude))
        return Pointing(centre, angle_between_norths(centre, towards, further))

    def _where(self, field: Field) -> str:
        return f"{self._path}: field {field.number} ({field.name})"

    @cached_property
    def _measures(self) -> Any:
        return measures()

    def _j2000(self, frame: str, longitude: float, latitude: float) -> Array:
        """Return the unit vector in J2000 of a direction in a frame of casacore."""
        here = self._measures
        found = here.direction(frame, quantity(longitude, "rad"), quantity(latitude, "rad"))
        if frame in PLANETS:  # by way of AZEL, as seen from the array: without it the Moon is half a degree off
            found = here.measure(found, "AZEL")
        found = here.measure(found, "J2000")
        towards: Array = axes(found["m0"]["value"], found["m1"]["value"])[2]
        return towards


@dataclass(frozen=True, slots=True)
class Rephasing:
    """From the phase centres of integrations to the centre of the grid that they are imaged on."""

    centres: PhaseCentres
    fields: Mapping[int, Field]  # by FIELD_ID, those whose samples have to be turned
    targets: Mapping[int, Direction]  # by FIELD_ID, the centre of the field's grid; for a body, its place at the begin
    body: Body | None = None  # what the grids follow

    def target(self, field: int, time: float) -> Direction:
        """Return the centre of a field's grid at a time (s UTC since MJD 0)."""
        if self.body is None:
            return self.targets[field]
        if self.body.name == OWN:
            return self.centres.at(self.fields[field], time).centre
        return self.centres.of_body(self.body, time)

    def matrices(self, field: int, times: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return R [time, 3, 3] of `fip.data.directions` for the samples of a field at some times (s UTC since MJD 0).

        None if nothing is to be done.
        """
        if field not in self.fields or (self.body == Body(OWN) and self.centres.stays(self.fields[field])):
            return None
        if self.body is not None or self.centres.moves(self.fields[field]):
            return np.stack([self._matrix(field, float(time)) for time in times])
        return np.broadcast_to(self._matrix(field, float(times[0])), (len(times), 3, 3))

    def _matrix(self, field: int, time: float) -> Array:
        pointing = self.centres.at(self.fields[field], time)
        matrix: Array = turn(pointing.centre, self.target(field, time)) @ about_w(pointing.north)
        return matrix


def _direction(longitude: float, latitude: float, frame: Frame) -> Direction:
    return Direction(longitude % (2 * math.pi), latitude, frame)
