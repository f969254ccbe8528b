"""What a selection picks from a MeasurementSet: fields, windows, antennas, and the integrations of each slice."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, UsageError
from fip.data.names import label
from fip.data.rotations import turned
from fip.data.settings import Asked, Selection, selected
from fip.source.index.coverage import Coverage, Reach
from fip.source.index.expected import share_there
from fip.source.index.ranks import ranks
from fip.source.index.row_index import CHUNK, RowIndex
from fip.source.recording import Recording, Rows
from fip.source.selecting import matching as choosing
from fip.source.selecting.centring import settle_centres
from fip.source.selecting.phase_centres import Rephasing
from fip.source.tables.askap import is_askap
from fip.source.tables.subtables import Field, Window, of_zenith

_LOOKED_AT = 8  # integrations, spread over the run, that show whether a column holds values


@dataclass(frozen=True, eq=False)
class Picked:
    """The rows of a MeasurementSet that are selected by windows, antennas and uv range."""

    main: Recording
    index: RowIndex
    asked: Asked
    windows: tuple[Window, ...]  # in order of DATA_DESC_ID and channels; a window may come in parts
    antennas: NDArray[np.bool_] | None  # [antenna] those whose baselines count; None for all
    rephasing: Rephasing  # to the centres of the grids

    def covered(self, integrations: NDArray[np.intp]) -> tuple[NDArray[np.intp], Coverage]:
        """Return those that have a selected row, and what these rows reach, as seen towards the grids' centres."""
        reach = Reach()
        counts = np.zeros(len(self.index), np.int64)
        for numbers, integration in self.index.in_order(integrations, CHUNK):
            rows = self.main.rows(numbers)
            chunk = {name: rows.column(name) for name in ("ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "UVW")}
            chunk["UVW"] = self._turned(chunk["UVW"], integration)
            counted = self._counted(chunk)
            reach.add(chunk, counted)
            counts += np.bincount(integration[counted], minlength=counts.size)
        coverage, uv_range = reach.coverage(), self.asked.source.uv_range
        if uv_range is not None and uv_range.unit == "lambda":
            highest = max(float(window.frequency[-1]) for window in self.windows)
            limit = choosing.uv_limits(uv_range, highest, highest)[1]
            coverage = replace(coverage, longest_baseline=min(coverage.longest_baseline, limit))
        return integrations[counts[integrations] > 0], coverage

    def share_there(self, integrations: Sequence[int]) -> float:
        """Return the share of the samples due in the selected windows of some integrations that has rows, 0 to 1."""
        channels = Counter[int]()
        for window in self.windows:
            channels[window.number] += window.shape[0]
        windows = None if self.asked.source.spw else self.main.parts_expected()
        return share_there(self.index, integrations, channels, windows)

    def field(self, number: int) -> Field:
        """Return a field, with the phase centre that u, v and w are referred to."""
        return referred(self.main.field(number), self.asked.source)

    def _turned(self, uvw: NDArray[np.float64], integration: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the UVW of rows of these integrations towards the centre of their grids, taken at their middle."""
        if not self.rephasing.fields:
            return uvw
        seen, field = uvw.astype(np.float64), self.index.field[integration]
        for number in np.unique(field).tolist():
            here = np.flatnonzero(field == number)
            present, which = np.unique(integration[here], return_inverse=True)
            matrices = self.rephasing.matrices(number, self.index.time[present])
            if matrices is not None:
                seen[here] = turned(seen[here], matrices[which])
        return seen

    def _counted(self, chunk: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return which rows have a sample that is selected."""
        cross = choosing.baselines(chunk["ANTENNA1"], chunk["ANTENNA2"], self.antennas)
        inside, uv_range = np.zeros(cross.size, bool), self.asked.source.uv_range
        uv = np.hypot(chunk["UVW"][:, 0], chunk["UVW"][:, 1])
        for window in self.windows:
            here = chunk["DATA_DESC_ID"] == window.number
            if uv_range is not None:
                low, high = choosing.uv_limits(uv_range, window.frequency[0], window.frequency[-1])
                here &= (uv >= low) & (uv <= high)
            inside |= here
        return cross & inside


@dataclass(frozen=True, eq=False)
class Chosen(Picked):
    """The part of a MeasurementSet that is to be imaged."""

    fields: tuple[Field, ...]
    labels: Mapping[int, str]  # FIELD_ID -> what file names call it; "" if there is one field, or one series
    slices: tuple[tuple[int, ...], ...]  # integrations imaged together
    number: NDArray[np.int64]  # [integration] its number in the MeasurementSet's field, or in the joined series
    coverage: Coverage  # of what is chosen, its baselines as seen towards the centres of the grids

    @property
    def integrations(self) -> list[int]:
        """Return all integrations of all slices."""
        return [each for together in self.slices for each in together]

    def first_rows(self) -> Iterator[tuple[Rows, Window]]:
        """Return the rows of the first integration, window by window."""
        return parts(self.main, self.index, self.windows, self.slices[0][0])


def choose(main: Recording, index: RowIndex, asked: Asked, among: NDArray[np.bool_] | None = None) -> Chosen:
    """Meet a selection. UsageError if it cannot be met, with the option, what was found, and what there is.

    With a phase centre all fields are one series: of one name, if they share it, and counted together. In a recording
    that grows the field that it begins with has no label, as if it were the only one: others may come, or not. If
    `among` [integration] is given, only integrations in it are chosen.
    """
    selection, phase_centre = asked.source, asked.imaging.phase_centre
    _check_beams(main, index)
    names = main.field_names(np.unique(index.field).tolist())
    fields = choosing.choose_fields(selection.field or (), choosing.Named(str(main.path), "--field", names))
    windows = _windows(main, index, selection)
    antennas = _antennas(main, index, selection)
    series = np.zeros_like(index.field) if phase_centre is not None else index.field
    number = choosing.numbers_in_field(ranks(series, index.beam))
    candidates = np.isin(index.field, sorted(fields)) & (True if among is None else among)
    integrations = _integrations(index, selection, candidates, number, str(main.path))
    found = {each: referred(main.field(each), selection) for each in np.unique(index.field[integrations]).tolist()}
    rephasing = settle_centres(main, index, list(found.values()), phase_centre)
    picked = Picked(main, index, asked, windows, antennas, rephasing)
    coverage = index.coverage
    if selected(replace(selection, average=None)):
        integrations, coverage = picked.covered(integrations)
        if not integrations.size or coverage.longest_baseline == 0:
            raise UsageError(_nothing_left(main, index, selection))
    elif rephasing.fields:  # some integrations show enough
        _, seen = picked.covered(np.array(sampled(integrations.tolist()), np.intp))
        coverage = replace(coverage, longest_baseline=seen.longest_baseline or coverage.longest_baseline)
    groups = choosing.together(
        selection.average, index.series[integrations], index.time[integrations], index.cadence[integrations]
    )
    used = np.unique(index.field[integrations]).tolist()
    joined, shown = phase_centre is not None, _shown(names, used, phase_centre is not None, main.growing)
    plain = set(names) if joined or len(names) == 1 else {int(index.field[0])} if main.growing else set()
    there = {*coverage.windows, *set(main.windows_expected()).difference(index.coverage.windows)}
    picked = replace(picked, windows=tuple(window for window in windows if window.number in there))
    return Chosen(
        **vars(picked),
        fields=tuple(replace(found[each], name=shown[each]) for each in used),
        labels={each: "" if each in plain else label(shown[each]) for each in used},
        slices=tuple(tuple(integrations[group].tolist()) for group in groups),
        number=number,
        coverage=coverage,
    )


def _check_beams(main: Recording, index: RowIndex) -> None:
    """Raise InputError if the direction of each beam of a field is not known."""
    if np.unique(index.beam).size == 1 or not is_askap(main.observation(int(index.observation[0]))["TELESCOPE_NAME"]):
        return
    for field in np.unique(index.field).tolist():
        beams = [str(each) for each in np.unique(index.beam[index.field == field])]
        if len(beams) > 1:
            raise InputError(
                f"{main.path}: field {field} has beams {choosing.listed(beams)} of ASKAP (FEED1), each with a phase "
                "centre of its own: make a set of each"
            )


def referred(field: Field, selection: Selection) -> Field:
    """Return the field with the phase centre that u, v and w are referred to, if the selection names another."""
    return of_zenith(field) if selection.uvw == "zenith" else field


def parts(
    main: Recording,
    index: RowIndex,
    windows: Sequence[Window],
    integration: int,
    antennas: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[Rows, Window]]:
    """Yield the rows of one integration, window by window; if `antennas` are given, only of their baselines."""
    rows = main.rows(index.rows_of([integration])[0])
    described = rows.column("DATA_DESC_ID")
    if antennas is not None:
        kept = choosing.baselines(rows.column("ANTENNA1"), rows.column("ANTENNA2"), antennas)
        described = np.where(kept, described, -1)
    for window in windows:
        here = described == window.number
        if here.any():
            yield rows if here.all() else rows.where(here), window


def sampled(integrations: Sequence[int]) -> list[int]:
    """Return some integrations spread over all, the first and the last among them."""
    return [integrations[at] for at in np.unique(np.linspace(0, len(integrations) - 1, _LOOKED_AT).astype(int))]


def _shown(names: Mapping[int, str], used: Sequence[int], joined: bool, growing: bool) -> dict[int, str]:
    """Return the names shown for the fields that are used; if a recording grows, what comes later changes none."""
    if growing:
        return {each: names[each] for each in used} if joined else names_in_order(names)
    return one_name({each: names[each] for each in used}) if joined else unique_names(names)


def names_in_order(names: Mapping[int, str]) -> dict[int, str]:
    """Return the names of fields, with their number if one of a lower number has the same name."""
    taken: set[str] = set()
    shown = {}
    for number, name in sorted(names.items()):
        plain = _label(name)
        shown[number] = f"{name}_{number}" if plain in taken else name
        taken.add(plain)
    return shown


_label = lru_cache(1 << 17)(label)  # a drift scan that grows has one more name at each look


def unique_names(names: Mapping[int, str]) -> dict[int, str]:
    """Return the names of fields, with their number if file names could not tell them apart."""
    used = Counter(label(name) for name in names.values())
    return {number: name if used[label(name)] == 1 else f"{name}_{number}" for number, name in names.items()}


def one_name(names: Mapping[int, str]) -> dict[int, str]:
    """Return the name of fields that are one series: theirs if they share it, else none."""
    shared = set(names.values())
    return dict.fromkeys(names, shared.pop() if len(shared) == 1 else "")


def all_windows(main: Recording, index: RowIndex) -> tuple[Window, ...]:
    """Return the windows with cross-correlations, and those that will have some."""
    return tuple(main.window(number) for number in sorted({*index.coverage.windows, *main.windows_expected()}))


def _windows(main: Recording, index: RowIndex, selection: Selection) -> tuple[Window, ...]:
    """Return the windows that are chosen, a window with several ranges of channels in parts."""
    windows = all_windows(main, index)
    if not selection.spw:
        return windows
    channels = {window.spectral_window: window.channels_on_file for window in windows}
    chosen = choosing.choose_channels(selection.spw, channels, str(main.path))
    return tuple(window.part(*part) for window in windows for part in chosen.get(window.spectral_window, ()))


def _antennas(main: Recording, index: RowIndex, selection: Selection) -> NDArray[np.bool_] | None:
    if not selection.antenna:
        return None
    names, stations = main.antennas.names, main.antennas.stations
    with_data = {number: names[number] for number in index.coverage.antennas}
    there = choosing.Named(str(main.path), "--antenna", with_data, {each: stations[each] for each in with_data})
    return choosing.choose_antennas(selection.antenna, there, len(names))


def _integrations(
    index: RowIndex, selection: Selection, candidates: NDArray[np.bool_], number: NDArray[np.int64], where: str
) -> NDArray[np.intp]:
    """Return those of the candidates [integration] that are in these scans, intervals and times."""
    chosen = np.flatnonzero(candidates)
    if selection.scan:
        chosen = chosen[choosing.choose_scans(selection.scan, index.scan[chosen], where)]
    if selection.interval:
        chosen = chosen[choosing.choose_interval(selection.interval, number[chosen], where)]
    if selection.time_range:
        chosen = chosen[choosing.choose_times(selection.time_range, index.time[chosen], where)]
    return chosen


def _nothing_left(main: Recording, index: RowIndex, selection: Selection) -> str:
    asked = " ".join(f"--{name.replace('_', '-')} {text}" for name, text in selected(selection).items())
    return (
        f"{asked}: no sample of {main.path} is left; its baselines reach {index.coverage.longest_baseline:.6g} m "
        "in the plane of u and v, and a field need not have every scan, window and antenna"
    )
