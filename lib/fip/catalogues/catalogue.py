"""A catalogue of sources: which of them are near a place at a time, and how likely that is by chance. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fip.catalogues.turns import JD_OF_MJD_0, unit
from fip.catalogues.words import IS_KNOWN, Match, Seen, chance_of
from fip.data.quantities import SECONDS_PER_DAY

Array = NDArray[np.float64]

WITHIN = 0.5  # beams, within which a source is at the place of an event
MOST = 3  # sources that are named for a place, the nearest ones
_AROUND = 16  # sources whose area says how many there are about a place
_YEAR = 365.25 * SECONDS_PER_DAY
_J2000 = (2451545.0 - JD_OF_MJD_0) * SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Sources:
    """The rows of a catalogue, in its order."""

    names: Sequence[str]
    longitude: Array  # [source] rad, ICRS, at their epochs
    latitude: Array  # rad
    east: Array | None = None  # rad a year, the proper motion times cos(latitude); None: none is known
    north: Array | None = None  # rad a year
    epoch: Array | float = 2000.0  # Julian years


class Catalogue:
    """A catalogue with a name, and who hears of events at its sources: "yes", "no", or one target of alerts."""

    def __init__(self, name: str, sources: Sources, tell: bool | str = True) -> None:
        self.name, self.sources, self.tell = name, sources, tell
        self._still = unit(sources.longitude, sources.latitude)
        self._moves, self._fastest = _motion(sources)
        self._year, self._tree = -1, cKDTree(np.zeros((0, 3)))

    def __len__(self) -> int:
        return len(self.sources.longitude)

    def near(self, seen: Seen) -> tuple[Match, ...]:
        """The sources at the place of an event, nearest first."""
        if not len(self):
            return ()
        place, time = unit(seen.longitude, seen.latitude), (seen.middle - _J2000) / _YEAR + 2000
        tree = self._at(math.floor(time))
        rows = np.array(tree.query_ball_point(place, _chord(WITHIN * seen.beam) + self._fastest), np.intp)
        away = _angles(self._moved(time, rows), place)
        order = [at for at in np.argsort(away, kind="stable") if away[at] <= WITHIN * seen.beam][:MOST]
        if not order:
            return ()
        density = self._density(tree, place)
        label, target = IS_KNOWN if self.tell is False else "", self.tell if isinstance(self.tell, str) else ""
        return tuple(
            Match(
                self.sources.names[rows[at]], self.name, float(away[at]),
                chance_of(density * math.pi * float(away[at]) ** 2), label, target,
            )
            for at in order
        )  # fmt: skip

    def place_of(self, name: str, time: float) -> tuple[float, float] | None:
        """Return the place of a named source at a time, s UTC since MJD 0: rad, ICRS; None if there is none."""
        wanted = _plain(name)
        row = next((row for row, each in enumerate(self.sources.names) if _plain(each) == wanted), None)
        if row is None:
            return None
        x, y, z = self._moved((time - _J2000) / _YEAR + 2000, np.array([row]))[0].tolist()
        return math.atan2(y, x) % (2 * math.pi), math.atan2(z, math.hypot(x, y))

    def _density(self, tree: cKDTree, place: Array) -> float:
        """Sources a sr about a place, by the area that holds the nearest of them."""
        count = min(_AROUND, len(self))
        distance = float(np.atleast_1d(tree.query(place, k=[count])[0])[-1])
        return count / (math.pi * max(distance, 1e-9) ** 2)  # a cap of chord c has the area pi c^2

    def _at(self, year: int) -> cKDTree:
        """All places in the middle of a year: those of another time are not `_fastest` away."""
        if self._year != year:
            if self._year < 0 or self._fastest:
                self._tree = cKDTree(self._moved(year + 0.5, np.arange(len(self))))
            self._year = year
        return self._tree

    def _moved(self, time: float, rows: NDArray[np.intp]) -> Array:
        """Unit vectors [row, 3] at a time in years."""
        if self._moves is None:
            return np.asarray(self._still[rows])
        epoch = self.sources.epoch
        years = time - (epoch[rows] if isinstance(epoch, np.ndarray) else epoch)
        moved = self._still[rows] + self._moves[rows] * np.reshape(years, (-1, 1))
        return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def _motion(sources: Sources) -> tuple[Array | None, float]:
    """Proper motions as vectors [source, 3] a year, and how far the fastest goes in half of one; rad."""
    if sources.east is None or sources.north is None:
        return None, 0.0
    zero, turned = np.zeros_like(sources.longitude), sources.longitude + math.pi / 2
    east, north = np.nan_to_num(sources.east), np.nan_to_num(sources.north)
    northward = unit(sources.longitude, sources.latitude + math.pi / 2)
    moves = unit(turned, zero) * east[:, None] + northward * north[:, None]
    fastest = float(np.hypot(east, north).max(initial=0.0))
    return (moves, 0.6 * fastest) if fastest else (None, 0.0)


def _angles(vectors: Array, place: Array) -> Array:
    """Return the angles between the vectors and a place, rad."""
    found = 2 * np.arcsin(np.clip(np.linalg.norm(vectors - place, axis=1) / 2, 0, 1))
    return np.asarray(found, np.float64)


def _chord(angle: float) -> float:
    return 2 * math.sin(min(angle, math.pi) / 2)


def _plain(name: str) -> str:
    """A name however it is spelt: blanks and capitals make no other one."""
    return "".join(name.split()).casefold()
