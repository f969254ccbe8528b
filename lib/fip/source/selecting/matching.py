"""From the names, numbers and ranges of a selection to those of a MeasurementSet. Pure.

What cannot be met is a UsageError that names the option, what was found and what there is. A field or an antenna is
known by its name first and then by its number, as a name may itself be a number.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.quantities import SPEED_OF_LIGHT, format_range, iso_utc
from fip.data.ranges import of as ranges_of
from fip.data.selection import Average, UvRange, WindowChoice, format_inclusive, format_time_range

_MOST_LISTED = 12  # of what there is, in an error


@dataclass(frozen=True, slots=True)
class Named:
    """Fields or antennas that have data, by number."""

    where: str  # the MeasurementSet's path
    option: str  # "--field"
    names: Mapping[int, str]
    stations: Mapping[int, str] = field(default_factory=dict)  # places of antennas: in VLBI they name antennas

    def find(self, item: str) -> set[int]:
        """Return the numbers of those of this name, or number, or at this station; UsageError if there is none."""
        named = {number for number, name in self.names.items() if name == item}
        if not named and re.fullmatch("[0-9]{1,9}", item) and int(item) in self.names:
            named = {int(item)}
        named = named or {number for number, station in self.stations.items() if station == item}
        if not named:
            there_are = listed([f"{number} {self._shown(number)}" for number in self.names])
            raise UsageError(
                f"{self.option} {item}: {self.where} has no such {self.option[2:]} with data, but {there_are}"
            )
        return named

    def _shown(self, number: int) -> str:
        name, station = self.names[number], self.stations.get(number, "")
        return f"{name} ({station})" if station not in ("", name) else name


def choose_fields(asked: Sequence[str], fields: Named) -> set[int]:
    """Return the FIELD_IDs that are chosen; all if none is asked for."""
    return set().union(*(fields.find(item) for item in asked)) if asked else set(fields.names)


def choose_antennas(asked: Sequence[str], antennas: Named, total: int) -> NDArray[np.bool_]:
    """Return which of `total` antennas are kept [antenna]: those asked for, or all, without those marked "!"."""
    kept, left_out = set[int](), set[int]()
    for item in asked:
        (left_out if item.startswith("!") else kept).update(antennas.find(item.removeprefix("!")))
    if all(item.startswith("!") for item in asked):
        kept = set(antennas.names)
    kept -= left_out
    if len(kept) < 2:
        raise UsageError(
            f"--antenna {','.join(asked)}: leaves {len(kept)} of the {len(antennas.names)} antennas with data of "
            f"{antennas.where}, and a list keeps the baselines among those named: keep two at least"
        )
    mask = np.zeros(total, bool)
    mask[sorted(kept)] = True
    return mask


def choose_channels(
    asked: Sequence[WindowChoice], channels: Mapping[int, int], where: str
) -> dict[int, list[tuple[int, int]]]:
    """Return the ranges of channels of each spectral window that is chosen, merged, first and last of each.

    `channels` says how many channels each spectral window with data has.
    """
    chosen: dict[int, set[int]] = {}
    for choice in asked:
        first, last = choice.windows
        inside = [number for number in channels if first <= number <= last]
        if not inside:
            there_are = listed([str(number) for number in sorted(channels)])
            raise UsageError(
                f"--spw {format_inclusive(choice.windows)}: {where} has no such window with data, but {there_are}"
            )
        for number in inside:
            for part in choice.channels or ((0, channels[number] - 1),):
                if part[1] >= channels[number]:
                    raise UsageError(
                        f"--spw {number}:{format_inclusive(part)}: window {number} of {where} has the channels "
                        f"{format_inclusive((0, channels[number] - 1))}"
                    )
                chosen.setdefault(number, set()).update(range(part[0], part[1] + 1))
    return {number: _inclusive(numbers) for number, numbers in chosen.items()}


def choose_scans(asked: Sequence[tuple[int, int]], scan: NDArray[np.integer], where: str) -> NDArray[np.bool_]:
    """Return which integrations are of these scans; `scan` [integration] are their SCAN_NUMBERs."""
    mask = np.zeros(scan.size, bool)
    for first, last in asked:
        inside = (scan >= first) & (scan <= last)
        if not inside.any():
            there_are = listed([format_inclusive(each) for each in _inclusive(scan.tolist())])
            raise UsageError(
                f"--scan {format_inclusive((first, last))}: {where} has no such scan with data, but {there_are}"
            )
        mask |= inside
    return mask


def _inclusive(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each unbroken run of these numbers."""
    return [(begin, end - 1) for begin, end in ranges_of(numbers)]


def numbers_in_field(field: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the number of each integration in its field, from 0; `field` [integration] in order of time."""
    order = np.argsort(field, kind="stable")
    starts = np.flatnonzero(np.diff(field[order], prepend=-1))
    numbers = np.empty(field.size, np.int64)
    numbers[order] = np.arange(field.size) - np.repeat(starts, np.diff(starts, append=field.size))
    return numbers


def choose_interval(asked: tuple[int, int], number: NDArray[np.integer], where: str) -> NDArray[np.bool_]:
    """Return which integrations have a `number` [integration] in their field from the first to before the second."""
    mask = (number >= asked[0]) & (number < asked[1])
    if not mask.any():
        there_are = format_range((int(number.min()), int(number.max()) + 1)) if number.size else "none"
        raise UsageError(
            f"--interval {format_range(asked)}: no integration of {where} is in it; "
            f"what else is selected has {there_are}"
        )
    return mask


def choose_times(asked: tuple[float, float], time: NDArray[np.float64], where: str) -> NDArray[np.bool_]:
    """Return which integrations have their middle `time` [integration], s UTC, from the first to before the second."""
    mask = (time >= asked[0]) & (time < asked[1])
    if not mask.any():
        raise UsageError(
            f"--time-range {format_time_range(asked)}: no integration of {where} is in it; "
            f"what else is selected is from {iso_utc(float(time.min()))} to {iso_utc(float(time.max()))}"
        )
    return mask


def baselines(
    first: NDArray[np.integer], second: NDArray[np.integer], antennas: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return which rows, by ANTENNA1 and ANTENNA2 [row], are cross-correlations of `antennas` [antenna]; None: all."""
    cross: NDArray[np.bool_] = first != second
    if antennas is not None:
        cross &= antennas[first] & antennas[second]
    return cross


def uv_limits(reach: UvRange, lowest: float, highest: float) -> tuple[float, float]:
    """Return the shortest and longest |(u, v)| in m at which a channel between these frequencies (Hz) is in `reach`."""
    if reach.unit == "m":
        return reach.least, reach.most
    return reach.least * SPEED_OF_LIGHT / highest, reach.most * SPEED_OF_LIGHT / lowest


def within(reach: UvRange, uv: NDArray[np.float64], frequency: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which samples are within `reach`, [row, 1] if it is in m and [row, channel] if in wavelengths.

    `uv` [row] in m, |(u, v)|; `frequency` [channel] in Hz. No sample is within it if `uv` is not finite.
    """
    length = uv[:, None] if reach.unit == "m" else uv[:, None] * (frequency / SPEED_OF_LIGHT)
    inside: NDArray[np.bool_] = (length >= reach.least) & (length <= reach.most)
    return inside


def together(
    average: Average | None, series: NDArray[np.integer], time: NDArray[np.float64], cadence: NDArray[np.float64]
) -> list[NDArray[np.intp]]:
    """Return the integrations that are imaged together, as places in the arguments, in order of their first.

    All arguments [integration], in order of time; only integrations of one `series` go together. A time takes those
    whose middle is within it, counted from the beginning of the first.
    """
    if average is None:
        return [np.array([place]) for place in range(series.size)]
    groups = []
    order = np.argsort(series, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(series[order])) + 1):
        groups += np.split(places, _cuts(average, time[places], float(cadence[places[0]])))
    return sorted(groups, key=lambda group: int(group[0]))


def _cuts(average: Average, time: NDArray[np.float64], cadence: float) -> list[int]:
    """Return the places of a series' integrations at which a new group begins, without the first group."""
    if average.unit == "integrations":
        return list(range(int(average.length), time.size, int(average.length)))
    cuts, begin = [], float(time[0])
    length = max(average.length, cadence) - cadence / 2 if np.isfinite(cadence) else average.length
    for place in range(1, time.size):
        if time[place] - begin >= length:
            cuts.append(place)
            begin = float(time[place])
    return cuts


def listed(items: Sequence[str]) -> str:
    """Return some of the items, and how many more there are."""
    more = f" and {len(items) - _MOST_LISTED} more" if len(items) > _MOST_LISTED else ""
    return ", ".join(items[:_MOST_LISTED]) + more
