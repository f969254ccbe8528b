"""Finished recordings that are imaged as one: sub-bands of one observation, `--join bands`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path

import numpy as np

from fip.data.errors import InputError
from fip.data.quantities import iso_utc
from fip.source.joined.describing import CHUNK, describe, shown
from fip.source.joined.grouping import fields_of, grouped, windows_of
from fip.source.joined.manifest import Group, Manifest, Part
from fip.source.joined.recording import Joined
from fip.source.recording import Recording
from fip.source.tables.subtables import Window

_SAME_LENGTH = 1.1  # factor up to which integrations are of one length, as in the index


def open_bands(path: Path, others: Sequence[str], open_one: Callable[[Path], Recording]) -> Joined:
    """Open the recordings at `path` and at `others`, as one with all their windows.

    InputError if one cannot be opened, or they are no sub-bands of one observation.
    """
    manifest, parts, lengths = Manifest(), [], {}
    for each in (path, *map(Path, others)):
        with closing(open_one(each)) as member:
            part, new = describe(member, str(each.absolute()), manifest)
            lengths[part.path] = _length(member)
        for thing in new:
            manifest.add(thing)
        parts.append(part)
    for group in grouped(parts):
        _check(manifest, parts, lengths, group)
        manifest.add(group)
    return Joined(path, manifest, open_one)


def _length(member: Recording) -> float:
    """Return the median INTERVAL of its first rows, s; NaN if they have none."""
    interval = member.rows(range(min(len(member), CHUNK))).column("INTERVAL")
    interval = interval[interval > 0]
    return float(np.median(interval)) if interval.size else float("nan")


def _check(manifest: Manifest, parts: Sequence[Part], lengths: Mapping[str, float], group: Group) -> None:
    """Raise InputError if the parts of a group cannot be imaged together."""
    if len(group.parts) == 1 and len(parts) > 1:
        (alone,) = group.parts
        others = [each for each in parts if each is not alone]
        raise InputError(
            f"{alone.path}: --join bands: shares no time with {_named(others)}: it is of {_times(alone)}, "
            f"and {'that' if len(others) == 1 else 'the first of those'} of {_times(others[0])}"
        )
    for one, other in combinations(group.parts, 2):
        if one.beam == other.beam:
            _check_lengths(one, other, lengths)
            _check_fields(manifest, one, other)
            _check_windows(manifest, one, other)


def _check_lengths(one: Part, other: Part, lengths: Mapping[str, float]) -> None:
    mine, theirs = lengths[one.path], lengths[other.path]
    if max(mine, theirs) > _SAME_LENGTH * min(mine, theirs):
        raise InputError(
            f"{other.path}: --join bands: its integrations are of {theirs:.6g} s, and those of {one.path} of "
            f"{mine:.6g} s: they are no parts of one image"
        )


def _check_fields(manifest: Manifest, one: Part, other: Part) -> None:
    mine, theirs = fields_of(one), fields_of(other)
    here = [manifest.fields[each] for each in mine if each not in theirs]
    there = [manifest.fields[each] for each in theirs if each not in mine]
    if here and there:
        raise InputError(
            f"{other.path}: --join bands: its field {next(shown(there))} is not that of {one.path} at the same time, "
            f"{next(shown(here))}"
        )


def _check_windows(manifest: Manifest, one: Part, other: Part) -> None:
    for mine in windows_of(one):
        for theirs in windows_of(other):
            first, second = manifest.windows[mine], manifest.windows[theirs]
            if _overlap(first, second):
                raise InputError(
                    f"{other.path}: --join bands: its band of {_band(second)} overlaps with that of {one.path}, "
                    f"{_band(first)}, at the same time"
                )


def _overlap(one: Window, other: Window) -> bool:
    """Return whether two windows share more than the edges of their channels by rounding."""
    edge = min(float(each.width.min()) for each in (one, other)) / 2
    return min(one.high, other.high) - max(one.low, other.low) > edge


def _band(window: Window) -> str:
    return f"{window.low / 1e6:.6f} to {window.high / 1e6:.6f} MHz"


def _named(parts: Sequence[Part]) -> str:
    return parts[0].path if len(parts) == 1 else f"the {len(parts)} other sets"


def _times(part: Part) -> str:
    return f"{iso_utc(part.begin)} to {iso_utc(part.end)} UTC"
