"""A sky model as seen at a time: what is above the horizon, the places of bodies, and how bright all of it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fip.corrections.sky import bodies as solar
from fip.corrections.sky.beams import PowerBeam
from fip.corrections.sky.bodies import Body
from fip.corrections.sky.catalogue import Catalogue
from fip.corrections.sky.components import Components, SkyImage

Array = NDArray[np.float64]

_KEPT = ("_above", "_listed", "_whole", "_singly")  # evaluated parts: made anew when a model is unpickled
MINUTE = 60.0  # s, from one time for which places are computed to the next


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """The place of the array, and what it resolves."""

    place: Array  # [3] m, ITRF
    on_the_ground: bool  # whether it has one horizon
    reach: float  # 2 pi times its longest baseline over the shortest wavelength


@dataclass(frozen=True, slots=True, eq=False)
class _Moving:
    """The pieces of a body among the components, and how it moves within a minute."""

    rows: slice
    begin: Array  # [3] towards it
    end: Array  # [3] a minute later
    offsets: Array  # [piece, 2] in the tangent plane

    def at(self, share: float) -> Array:
        towards = self.begin + share * (self.end - self.begin)
        return solar.around(towards / np.linalg.norm(towards), self.offsets)


class Sky:
    """What is subtracted, from files of any format. `open_sky` makes it; it can be pickled."""

    def __init__(
        self,
        sources: Catalogue,
        bodies: Sequence[Body],
        images: Sequence[SkyImage],
        centres: Mapping[int, Array],
        site: Site,
        beam: PowerBeam | None,
        windows: int,
    ) -> None:
        """Take `centres`, unit vectors of u, v, w [3, 3] in ICRS of each field; `windows`, how many are used in turn.

        `beam` is about each field's centre; None: fluxes are apparent.
        """
        self.digest = ""  # 16 hexadecimal digits of the content of what is subtracted
        self.named = ""  # as the header has it
        self.notes: tuple[str, ...] = ()  # lines for the log
        self.images = tuple(images)  # the same for all fields and times
        self.sources = sources
        self.bodies = tuple(bodies)
        linear, circular = sources.polarised
        self.polarised = linear  # whether any Q or U is not 0
        self._planes = 4 if linear or circular else 1
        self._centres, self._site, self._beam = centres, site, beam
        self._near = {field: sources.towards @ centre[2] > 0 for field, centre in centres.items()}
        self._windows = windows
        self._begin()

    def _begin(self) -> None:
        """Keep what is evaluated for as many windows as there are: a slice asks for one after the other."""
        self._above = lru_cache(maxsize=4)(self._above_horizon)
        self._listed = lru_cache(maxsize=self._windows + 1)(self._of_lists)
        self._whole = lru_cache(maxsize=self._windows + 1)(self._with_bodies)
        self._singly = lru_cache(maxsize=4)(self._with_bodies)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name not in _KEPT}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._begin()

    def components(self, frequency: Array, field: int, time: float) -> Components:
        """Return points and Gaussians for channels [channel], Hz, of a field (FIELD_ID) at a time, s UTC since MJD 0.

        Those more than 90 deg from its centre, and those below the horizon, are left out. It returns the same object as
        long as nothing has moved, risen or set.
        """
        minute = math.floor(time / MINUTE)
        if not self.bodies:
            return self._listed(frequency.tobytes(), field, self._above(minute))
        return self._moved(self._whole(frequency.tobytes(), field, minute), time)

    def brightest(self, count: int, frequency: float, field: int, time: float) -> Components:
        """Return the `count` brightest in I, or as many as there are, at a frequency in Hz, the brightest first.

        Bodies whose discs are resolved are not among them: they have no flux at a point.
        """
        seen = self._singly(np.array([frequency], np.float64).tobytes(), field, math.floor(time / MINUTE))
        all_of_them = self._moved(seen, time)
        points = np.ones(len(all_of_them), bool)
        for moving in seen[1]:
            points[moving.rows] = len(moving.offsets) == 1
        order = np.argsort(-all_of_them.flux[:, 0, 0], kind="stable")
        return _chosen(all_of_them, order[points[order]][:count])

    def visible(self, field: int, time: float) -> int:
        """Return how many sources and bodies are seen in a field at a time."""
        minute = math.floor(time / MINUTE)
        fixed = self._near[field] & np.frombuffer(self._above(minute), bool)
        return int(fixed.sum()) + len(self._with_bodies(np.ones(1).tobytes(), field, minute)[1])

    def left_out(self, field: int) -> int:
        """Return how many sources are more than 90 deg from the centre of a field."""
        return int((~self._near[field]).sum())

    def below_horizon(self, time: float) -> tuple[str, ...]:
        """Return the names of sources and bodies that are below the horizon at a time."""
        up = np.frombuffer(self._above(math.floor(time / MINUTE)), bool)
        names = [name for name, seen in zip(self.sources.names, up.tolist(), strict=True) if not seen]
        return (*names, *(body.name for body in self.bodies if not self._is_up(self._seen(body, time)[0], time)))

    def _above_horizon(self, minute: int) -> bytes:
        """Return whether each source is above the horizon, as the bytes of booleans [source]."""
        if not self._site.on_the_ground:
            return np.ones(len(self.sources), bool).tobytes()
        up: NDArray[np.bool_] = self.sources.towards @ solar.zenith((minute + 0.5) * MINUTE, self._site.place) > 0
        return up.tobytes()

    def _is_up(self, towards: Array, time: float) -> bool:
        return not self._site.on_the_ground or bool(towards @ solar.zenith(time, self._site.place) > 0)

    def _seen(self, body: Body, time: float) -> tuple[Array, float]:
        return solar.seen(body.name, time, self._site.place)

    def _of_lists(self, frequency: bytes, field: int, above: bytes) -> Components:
        """Return the sources of lists for channels, whose frequencies are given as bytes."""
        channels, centre = np.frombuffer(frequency, np.float64), self._centres[field]
        there = self.sources.chosen(self._near[field] & np.frombuffer(above, bool))
        found = Components(
            names=there.names,
            towards=there.towards,
            flux=there.flux(channels, self._planes),
            major=there.major,
            minor=there.minor,
            angle=there.angles(centre),
        )
        return self._apparent(found, channels, centre)

    def _with_bodies(self, frequency: bytes, field: int, minute: int) -> tuple[Components, tuple[_Moving, ...], int]:
        """Return everything as it is at the begin of a minute, and the parts that move."""
        channels, centre, begin = np.frombuffer(frequency, np.float64), self._centres[field], minute * MINUTE
        parts, moving = [self._of_lists(frequency, field, self._above(minute))], []
        at = len(parts[0])
        for body in self.bodies:
            towards, distance = self._seen(body, begin)
            if towards @ centre[2] <= 0 or not self._is_up(towards, begin):
                continue
            part = solar.pieces(body, towards, distance, channels, self._site.reach, self._planes)
            offsets = solar.offsets(body, distance, self._site.reach)
            end = self._seen(body, begin + MINUTE)[0]
            moving.append(_Moving(slice(at, at + len(part)), towards, end, offsets))
            parts.append(self._apparent(part, channels, centre))
            at += len(part)
        return _joined(parts), tuple(moving), minute

    def _moved(self, seen: tuple[Components, tuple[_Moving, ...], int], time: float) -> Components:
        """Return the same at a time within its minute."""
        whole, moving, minute = seen
        if not moving:
            return whole
        towards = whole.towards.copy()
        for each in moving:
            towards[each.rows] = each.at(time / MINUTE - minute)
        return replace(whole, towards=towards)

    def _apparent(self, found: Components, channels: Array, centre: Array) -> Components:
        """Multiply the components by the primary beam."""
        if self._beam is None or not len(found):
            return found
        east, north = found.towards @ centre[0], found.towards @ centre[1]
        beams = np.stack([self._beam(east, north, frequency) for frequency in channels.tolist()], axis=1)
        return replace(found, flux=found.flux * beams[:, :, None])


def _joined(parts: Sequence[Components]) -> Components:
    if len(parts) == 1:
        return parts[0]
    return Components(
        tuple(name for part in parts for name in part.names),
        *(np.concatenate([getattr(part, name) for part in parts])
          for name in ("towards", "flux", "major", "minor", "angle")),
    )  # fmt: skip


def _chosen(found: Components, which: NDArray[np.intp]) -> Components:
    return Components(
        tuple(found.names[at] for at in which.tolist()),
        *(getattr(found, name)[which] for name in ("towards", "flux", "major", "minor", "angle")),
    )
