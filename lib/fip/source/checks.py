"""What is looked for in a MeasurementSet before it is imaged: `fip run` warns of it once, `fip info` shows it, too.

A few integrations, spread over the time and the fields, stand for all.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.data.quantities import SECONDS_PER_DAY, format_angle, iso_utc
from fip.data.rotations import about_w, separation
from fip.imaging.polarisation import hands, unobserved
from fip.source.advice.geometry import UvwCheck, check_uvw, uvw_axes
from fip.source.columns import Columns, weight_column
from fip.source.index.row_index import RowIndex
from fip.source.recording import Recording, Rows
from fip.source.selecting.chosen import Chosen, parts, sampled
from fip.source.selecting.matching import baselines, listed
from fip.source.selecting.phase_centres import PhaseCentres
from fip.source.spooled.orientation import unknown
from fip.source.spooled.recording import Spooled
from fip.source.tables.subtables import Field, Window, of_zenith

_FIELDS = 32  # fields whose integrations are looked at
_SAMPLES = 1 << 18  # of all correlations that are looked at in a window of an integration
_ROWS = 1000  # rows at most, whose cells are asked for one by one
_FARTHEST = 1e9  # m from the centre of the Earth, of an antenna: beyond the Moon
_REFERRED = 3e-4  # share of UVW that is left; from here on they may be those of another direction: an arcminute
_SAME = 3e-4  # rad; UVW cannot tell apart two directions that are this close
_BETTER = 0.2  # of that share is left at most, if UVW are those of the other direction
_TOLD = 0.01  # share of samples; from here on there is a warning


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one window of an integration."""

    integration: int
    field: int
    rows: Rows
    window: Window


def looked_at(chosen: Chosen) -> list[Part]:
    """Return rows that stand for all: of integrations spread over the time, and of each of the first fields."""
    numbers = np.array(chosen.integrations)
    field = chosen.index.field[numbers]
    some = set(sampled(chosen.integrations))
    for each in np.unique(field)[:_FIELDS].tolist():
        its = numbers[field == each].tolist()
        some |= {its[0], its[len(its) // 2]}
    return [part for number in sorted(some) for part in _parts(chosen, number)]


def _parts(chosen: Chosen, number: int) -> list[Part]:
    field = int(chosen.index.field[number])
    found = parts(chosen.main, chosen.index, chosen.windows, number, chosen.antennas)
    return [Part(number, field, rows, window) for rows, window in found]


def check_cells(chosen: Chosen, columns: Columns, found: Sequence[Part]) -> None:
    """Raise InputError if cells cannot be read, or do not have the shape that the subtables say.

    This is done before anything is started. Damage to one integration costs that one alone, when it is read. Here an
    error is raised for damage to the first integration, as all have its shape; to any two; or to the last and the one
    before it, as in a file that is cut short.
    """
    numbers = sorted(chosen.integrations)
    faults = _faults(chosen.main, columns, found)
    if numbers[-1] in faults:
        before = [part for number in numbers[-2:] for part in _parts(chosen, number)]
        faults |= _faults(chosen.main, columns, before)
    if numbers[0] in faults or len(faults) > 1:
        raise next(iter(faults.values()))


def _faults(main: Recording, columns: Columns, found: Sequence[Part]) -> dict[int, InputError]:
    """Return what is wrong with cells, by integration."""
    faults: dict[int, InputError] = {}
    for part in found:
        try:
            _check_part(main, columns, part)
        except InputError as error:
            faults.setdefault(part.integration, error)
    return faults


def _check_part(main: Recording, columns: Columns, part: Part) -> None:
    rows, window = part.rows, part.window
    for name in filter(None, (columns.visibility, columns.model, "FLAG")):
        shape = rows.cell_shape(name)
        if shape is not None and shape != window.cell:
            raise InputError(
                f"{main.path}: {name} has cells of {shape[0]} channels x {shape[-1]} correlations, "
                f"but data description {window.number} says {window.cell[0]} x {window.cell[1]}"
            )
        if shape is not None:
            check_readable(rows, name)
    shape = rows.cell_shape("WEIGHT")
    if weight_column(rows, window) == "WEIGHT" and shape is not None and shape != window.cell[1:]:
        raise rows.unlike("WEIGHT", shape, window.cell[1:])


def check_readable(rows: Rows, name: str) -> None:
    """Raise InputError if the first or the last cell of a column cannot be read."""
    for row in {0, len(rows) - 1}:
        if rows.defined(name, row):
            rows.column(name, row, 1)


def value_notes(chosen: Chosen, columns: Columns, found: Sequence[Part], keep_zeros: bool) -> Iterator[str]:
    """Warn of columns that hold what nobody observed or predicted."""
    names = {each.number: each.name for each in chosen.fields}
    zeros = _Shares()
    models = {0: _Shares(), 1: _Shares()}
    for part in found:
        some, parallel = _few(part), hands(part.window.correlations)
        if some is None or not parallel:
            continue
        with suppress(InputError):  # damage costs its own slice, whose error says so
            zero = unobserved(some.column(columns.visibility), parallel)
            total = len(some) * part.window.cell[0]
            zeros.add(part.field, 0 if zero is None else int(np.count_nonzero(zero)), total)
            for value, shares in models.items() if columns.model else ():
                model = some.column(columns.model or "")[..., parallel]
                shares.add(part.field, int(np.count_nonzero((model == value).all(axis=-1))), total)
    yield from _zero_notes(columns.visibility, zeros, names, keep_zeros)
    if columns.model:
        for value, shares in models.items():
            yield from _model_notes(columns.model, value, shares, names)


class _Shares:
    """How many samples have a property, and of how many, by FIELD_ID."""

    def __init__(self) -> None:
        self._of_fields: dict[int, tuple[int, int]] = {}

    def add(self, field: int, count: int, total: int) -> None:
        """Add counts of a field."""
        before = self._of_fields.get(field, (0, 0))
        self._of_fields[field] = before[0] + count, before[1] + total

    @property
    def share(self) -> float:
        """Return the share over all fields."""
        counts, totals = zip(*self._of_fields.values(), strict=True) if self._of_fields else ((0,), (1,))
        return float(sum(counts) / max(1, sum(totals)))

    @property
    def whole(self) -> list[int]:
        """Return the fields whose samples all have the property."""
        return [field for field, (count, total) in self._of_fields.items() if total and count == total]

    @property
    def everywhere(self) -> bool:
        """Return whether all samples of all fields have the property."""
        return bool(self._of_fields) and len(self.whole) == len(self._of_fields)


def _zero_notes(column: str, zeros: _Shares, names: dict[int, str], keep_zeros: bool) -> Iterator[str]:
    if zeros.share < _TOLD and not zeros.whole:
        return
    kept = "they are imaged (--keep-zeros)" if keep_zeros else "they count as flagged (--keep-zeros keeps them)"
    if zeros.whole:
        which = "" if zeros.everywhere else f" of field {listed([names[each] for each in zeros.whole])}"
        yield f"warning: {column} is exactly 0 in all samples looked at{which}: {kept}; see --column"
    if not zeros.everywhere:
        yield f"warning: {column} is exactly 0 in {zeros.share:.1%} of the samples looked at: {kept}"


def _model_notes(column: str, value: int, shares: _Shares, names: dict[int, str]) -> Iterator[str]:
    if shares.share < _TOLD and not shares.whole:
        return
    why = "nothing is subtracted there" if value == 0 else "CASA's initial value, if it is no source of 1 Jy"
    if shares.everywhere:
        yield f"warning: {column} is {value} in all samples looked at: {why}; was a model ever predicted?"
        return
    fields = f", all of field {listed([names[each] for each in shares.whole])}" if shares.whole else ""
    yield (
        f"warning: {column} is {value} in {shares.share:.1%} of the samples looked at{fields}: {why}; "
        "was the model predicted for all of them?"
    )


def _few(part: Part) -> Rows | None:
    """Return some of the cross-correlations of a part, spread over its rows; None if it has none."""
    cross = np.flatnonzero(baselines(part.rows.column("ANTENNA1"), part.rows.column("ANTENNA2"), None))
    if not cross.size:
        return None
    step = -(-cross.size * part.window.cell[0] * part.window.cell[1] // _SAMPLES)
    mask: NDArray[np.bool_] = np.zeros(len(part.rows), bool)
    mask[cross[:: max(1, step)]] = True
    return part.rows.where(mask)


def undefined_notes(found: Sequence[Part]) -> Iterator[str]:
    """Warn of cells of WEIGHT_SPECTRUM that hold nothing beside others that do."""
    missing = sum(
        sum(not part.rows.defined("WEIGHT_SPECTRUM", row) for row in _spread(len(part.rows)))
        for part in found
        if weight_column(part.rows, part.window) == "WEIGHT_SPECTRUM"
    )
    if missing:
        yield (
            f"warning: WEIGHT_SPECTRUM holds nothing in {missing} of the rows looked at, and does in the others: "
            "they have no weight"
        )


def _spread(rows: int) -> list[int]:
    """Return some rows of so many, the first and the last among them."""
    return list(map(int, np.unique(np.linspace(0, rows - 1, min(rows, _ROWS)).astype(int))))


def check_uvw_at(main: Recording, index: RowIndex, centres: PhaseCentres, field: Field, integration: int) -> UvwCheck:
    """Compare the UVW of an integration, of this field, with the positions of the antennas at its time."""
    rows = main.rows(index.rows_of([integration])[0])
    first, second, uvw = (rows.column(name) for name in ("ANTENNA1", "ANTENNA2", "UVW"))
    there: NDArray[np.bool_] = np.all(np.abs(main.antennas.position) < _FARTHEST, axis=1)  # NaN is not on Earth
    good = (first != second) & np.isfinite(uvw).all(axis=1) & there[first] & there[second]
    first, second, uvw = first[good], second[good], uvw[good]
    time = float(index.time[integration])
    pointing = centres.at(field, time)
    centre = pointing.centre
    axes = uvw_axes(time, centre.longitude, centre.latitude, centre.frame or "FK5")
    axes = about_w(pointing.north).T @ axes  # v to the north of the field's own frame
    difference = main.antennas.position[second] - main.antennas.position[first]
    return check_uvw(uvw, difference @ axes.T)


def uvw_notes(chosen: Chosen) -> Iterator[str]:
    """Warn if the UVW of the first or the last integration are not those of the antennas, or cannot be known."""
    for number in dict.fromkeys((chosen.integrations[0], chosen.integrations[-1])):
        field = next(each for each in chosen.fields if each.number == int(chosen.index.field[number]))
        told = told_of_uvw(chosen.main, chosen.index, chosen.rephasing.centres, field, number)
        if told.startswith("warning"):
            yield told
            return
    yield from _looks_up(chosen)
    if isinstance(chosen.main, Spooled) and not chosen.main.setup.uvw:
        days = (float(chosen.index.time[chosen.integrations[each]]) / SECONDS_PER_DAY for each in (0, -1))
        yield from (f"warning: {told}" for told in dict.fromkeys(map(unknown, days)) if told)


def _looks_up(chosen: Chosen) -> Iterator[str]:
    """Say what to mind of a set that is being written if PHASE_DIR is the zenith at its first integration."""
    first, centres = chosen.integrations[0], chosen.rephasing.centres
    field = next(each for each in chosen.fields if each.number == int(chosen.index.field[first]))
    time = float(chosen.index.time[first])
    if not chosen.main.growing or not centres.stays(field) or not centres.on_earth:
        return
    if separation(centres.at(field, time).centre, centres.at(of_zenith(field), time).centre) < _SAME:
        yield (
            f"field {field.name}: its PHASE_DIR is the zenith at {iso_utc(time)}: if nothing tracks it from then on, "
            "give --uvw zenith"
        )


def told_of_uvw(main: Recording, index: RowIndex, centres: PhaseCentres, field: Field, integration: int) -> str:
    """Say how the UVW of an integration, of this field, fit the antennas; warn if they do not, and name what would."""
    found = check_uvw_at(main, index, centres, field, integration)
    zenith, time = of_zenith(field), float(index.time[integration])
    if found.fit is None or found.fit.residual < _REFERRED or not centres.on_earth:
        return str(found)
    other = check_uvw_at(main, index, centres, zenith, integration).fit
    if other is None or not other.good or other.residual > _BETTER * found.fit.residual:
        return str(found)
    away = format_angle(separation(centres.at(field, time).centre, centres.at(zenith, time).centre), digits=3)
    return (
        f"warning: field {field.name}: UVW at {iso_utc(time)} are those of the zenith, {away} from its PHASE_DIR: "
        f"{other}; --uvw zenith takes them as such"
    )


def width_notes(windows: Sequence[Window]) -> Iterator[str]:
    """Warn of channels without a width."""
    assumed = sorted({window.spectral_window for window in windows if window.assumed})
    if assumed:
        yield (
            f"warning: CHAN_WIDTH is 0 in spectral window {listed([str(each) for each in assumed])}: "
            "taken to be the spacing of its channels, or of one alone its TOTAL_BANDWIDTH"
        )
