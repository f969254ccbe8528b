"""Looking into a member: how its numbers are to be read, and what it has that the manifest lacks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import remainder, tau
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.joined.manifest import Manifest, Part, Thing, shared
from fip.source.recording import Recording
from fip.source.tables.subtables import Antennas, Field, Window

CHUNK = 1 << 18  # rows of the short columns that are read at a time
_SAME_PLACE = 0.01  # m
_SAME_FREQUENCY = 0.01  # of a channel's width
_SAME_DIRECTION = 1e-9  # rad, 0.2 mas; the same number for rates, in rad/s
_NO_BEAM = 0


def describe(member: Recording, path: str, manifest: Manifest) -> tuple[Part, tuple[Thing, ...]]:
    """Compare an open member, at a `path` relative to the joined recording's, with a manifest, which stays as it is.

    Returns the part, and what is to be added to the manifest before it: antennas, observation, windows, fields.
    InputError if it has other antennas than those of the manifest, or cannot be read.
    """
    seen = _Seen()
    for first in range(0, len(member), CHUNK):
        seen.add(member, first, min(first + CHUNK, len(member)))
    new: list[Thing] = []
    if manifest.antennas is None:
        new += [member.antennas, member.observation(seen.observation)]
    known_windows, known_fields = list(manifest.windows), list(manifest.fields)
    windows = _numbers(seen.windows, [_same_window(member.window(each), known_windows) for each in seen.windows])
    fields = _numbers(seen.fields, [_same_field(member.field(each), known_fields) for each in seen.fields])
    new += known_windows[len(manifest.windows) :]
    new += known_fields[len(manifest.fields) :]
    antennas = () if manifest.antennas is None else matched(member, manifest.antennas)
    begin, end = seen.time
    return Part(path, len(member), begin, end, windows, fields, antennas, seen.beam), tuple(new)


class _Seen:
    """What the rows of a member say, gathered chunk by chunk."""

    def __init__(self) -> None:
        self.windows: list[int] = []
        self.fields: list[int] = []
        self.observation = 0  # OBSERVATION_ID of the first row
        self._first, self._last = np.inf, -np.inf  # s
        self._interval: float | None = None  # s, the median of the first chunk; NaN if it says none
        self._beams: set[int] | None = set()  # FEED1, if all rows have it as FEED2 too; None if not

    def add(self, member: Recording, first: int, end: int) -> None:
        """Add the rows from `first` up to `end`."""
        rows = member.rows(range(first, end))
        self.windows = _union(self.windows, rows.column("DATA_DESC_ID"))
        self.fields = _union(self.fields, rows.column("FIELD_ID"))
        time = rows.column("TIME")
        if not np.isfinite(time).all():
            raise InputError(f"{member.path}: TIME is not finite in {np.count_nonzero(~np.isfinite(time))} rows")
        self._first, self._last = min(self._first, float(time.min())), max(self._last, float(time.max()))
        if self._interval is None:
            interval = rows.column("INTERVAL")
            positive = interval[interval > 0]
            self._interval = float(np.median(positive)) if positive.size else np.nan
            self.observation = int(rows.column("OBSERVATION_ID", 0, 1)[0])
        if not member.beam_columns:
            self._beams = None
        elif self._beams is not None:
            one, other = rows.column("FEED1"), rows.column("FEED2")
            same = np.array_equal(one, other)
            self._beams = self._beams | set(_union([], one)) if same else None

    @property
    def time(self) -> tuple[float, float]:
        """Return when its first integration begins and its last one ends, s UTC, as TIME and INTERVAL say."""
        half = 0.0 if self._interval is None or np.isnan(self._interval) else self._interval / 2
        return self._first - half, self._last + half

    @property
    def beam(self) -> int | None:
        """Return FEED1 of all rows; None if they have several."""
        if self._beams is None:
            return _NO_BEAM
        return next(iter(self._beams)) if len(self._beams) == 1 else None


def _union(known: Sequence[int], column: NDArray[Any]) -> list[int]:
    """Return the known numbers and those of a column, ascending."""
    low, high = int(column.min()), int(column.max())
    return sorted({*known, low} if low == high else {*known, *np.unique(column).tolist()})


def _numbers(own: Sequence[int], here: Sequence[int]) -> tuple[int, ...]:
    """Return [its own number] the number here, -1 for those that it does not use."""
    found = [-1] * (max(own) + 1)
    for number, other in zip(own, here, strict=True):
        found[number] = other
    return shared(tuple(found))


def _same_window(window: Window, known: list[Window]) -> int:
    """Return the number of the window that is the same; if none is, add it to those that are known."""
    of_band = [each for each in known if _same_band(window, each)]
    for each in of_band:
        if each.correlations == window.correlations and _same_order(each, window):
            return each.number
    spectral = of_band[0].spectral_window if of_band else len({each.spectral_window for each in known})
    known.append(replace(window, number=len(known), spectral_window=spectral))
    return len(known) - 1


def _same_band(one: Window, other: Window) -> bool:
    """Return whether two have the same channels, in one frame."""
    if one.frequency.shape != other.frequency.shape or one.frequency_frame != other.frequency_frame:
        return False
    off = np.abs(one.frequency - other.frequency) / np.minimum(one.width, other.width)
    return bool((off <= _SAME_FREQUENCY).all())


def _same_order(one: Window, other: Window) -> bool:
    """Return whether two have their channels in the same order on file."""
    if isinstance(one.order, slice) or isinstance(other.order, slice):
        return isinstance(one.order, slice) and isinstance(other.order, slice) and one.order.step == other.order.step
    return np.array_equal(one.order, other.order)


def _same_field(field: Field, known: list[Field]) -> int:
    """Return the number of the field that is the same; if none is, add it to those that are known."""
    for each in reversed(known):  # if the sky drifts there may be one for each member
        if each.name == field.name and same_place(each, field):
            return each.number
    known.append(replace(field, number=len(known)))
    return len(known) - 1


def same_place(one: Field, other: Field) -> bool:
    """Return whether the phase centres of two fields are the same, at all times."""
    if not _near(one.polynomial[0], other.polynomial[0]) or one.frame != other.frame:
        return False
    if len(one.polynomial) != len(other.polynomial) or (len(one.polynomial) > 1 and one.epoch != other.epoch):
        return False
    if not all(map(_near, one.polynomial[1:], other.polynomial[1:])):
        return False
    first, second = one.ephemeris, other.ephemeris
    if first is None or second is None:
        return first is second
    return (
        first.frame == second.frame
        and np.array_equal(first.time, second.time)
        and np.allclose(first.towards, second.towards, rtol=0, atol=_SAME_DIRECTION)
    )


def _near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Return whether longitudes and latitudes are the same, but for a turn."""
    away = remainder(one[0] - other[0], tau), one[1] - other[1]
    return abs(away[0]) <= _SAME_DIRECTION and abs(away[1]) <= _SAME_DIRECTION


def matched(member: Recording, known: Antennas) -> tuple[int, ...]:
    """Return [its antenna] the antenna here, by name; () if they are the same. InputError if the array is another."""
    mine = member.antennas
    if mine.names == known.names:
        numbers = list(range(len(mine.names)))
    else:
        places = {name: number for number, name in enumerate(known.names)}
        strangers = [name for name in mine.names if name not in places]
        if strangers or len(places) != len(known.names) or len(set(mine.names)) != len(mine.names):
            why = f"has antennas that these have not: {_some(strangers)}" if strangers else "has two of one name"
            raise InputError(f"{member.path}: is of another array than the sets before it: it {why}")
        numbers = [places[name] for name in mine.names]
    off = np.linalg.norm(mine.position - known.position[numbers], axis=1)
    moved = [mine.names[at] for at in np.flatnonzero(~(off <= _SAME_PLACE)) if np.isfinite(off[at])]
    if moved:
        raise InputError(
            f"{member.path}: is of another array than the sets before it: antenna {_some(moved)} "
            f"stands elsewhere, by up to {np.nanmax(off):.4g} m"
        )
    return () if mine.names == known.names else shared(tuple(numbers))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def shown(fields: Sequence[Field]) -> Iterator[str]:
    """Yield fields in words, each with its direction."""
    for field in fields:
        longitude, latitude = np.degrees(field.polynomial[0])
        yield f"{field.name} at {longitude:.6f} {latitude:+.6f} deg ({field.frame})"
