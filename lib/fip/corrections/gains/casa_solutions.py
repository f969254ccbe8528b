"""The meaning of a table of CASA's for a recording: its windows, fields and antennas, and what is no solution."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fip.corrections.gains.asked import Asked
from fip.corrections.gains.casa_table import LAWS, CasaTable, Solved, read_table_of_casa
from fip.corrections.gains.solutions import Factor, tracks_of
from fip.corrections.gains.source import (
    Source,
    check_polarisation,
    check_times,
    digest_of,
    listed,
    overlap,
    placed,
    span,
)
from fip.corrections.observed import Expected, ExpectedWindow
from fip.data.errors import InputError


def read_casa_table(asked: Asked, expected: Expected) -> Source:
    """Read a table, checked against the recording. InputError if it cannot be applied."""
    table = read_table_of_casa(asked.path, asked.label)
    numbers, notes = placed(asked.label, table.antennas, table.position, expected)
    notes += check_times(asked.label, table.time, expected)
    return _Meaning(asked, expected, table, numbers, notes).source()


@dataclass
class _Meaning:
    asked: Asked
    expected: Expected
    table: CasaTable
    numbers: NDArray[np.intp]  # the recording's number of each antenna of the table, or -1
    notes: list[str] = field(default_factory=list)

    def source(self) -> Source:
        made: dict[tuple[int, int | None], tuple[Factor, ...]] = {}
        factors = {}
        for window in self.expected.windows:
            check_polarisation(self.asked.label, window, whole=False)
            there = self._window_for(window)
            for number in self.expected.fields:
                key = (there, self._field_for(number))
                if key not in made:
                    made[key] = (self._factor(*key),)
                factors[window.spectral_window, number] = made[key]
        begin, notes = float(self.table.time.min()), tuple(dict.fromkeys(self.notes))
        return Source(self.asked.path.name, self.table.kind, digest_of(factors), begin, notes, factors)

    def _window_for(self, window: ExpectedWindow) -> int:
        """Return the table's window for one of the recording. InputError if none overlaps."""
        number = window.spectral_window
        there = self._mapped_window(number) if self.asked.window_map else self._window_by_frequency(window)
        one = self.table.windows[there]
        within = self._overlap(window, there)
        if len(one.frequency) > 1 and not within.all():
            if not within.any():
                raise self._elsewhere(window, [there])
            self.notes.append(
                f"{self.asked.label}: {np.count_nonzero(~within)} channels of spectral window {number} are beyond its "
                f"ends: the last solutions hold"
            )
        if self.table.old and LAWS[self.table.kind] == "delay":
            self.notes.append(
                f"{self.asked.label}: does not say that CASA 5.3 or newer wrote it: delays turn about REF_FREQUENCY, "
                f"{one.pivot / 1e6:.6g} MHz"
            )
        return there

    def _mapped_window(self, number: int) -> int:
        asked, present = self.asked.window_map, sorted(self.table.solved)
        there = asked[0] if len(asked) == 1 else asked[number] if number < len(asked) else number
        if there not in present:
            raise InputError(
                f"{self.asked.label}: spwmap has {there} for spectral window {number}, and the table has solutions for "
                f"{', '.join(map(str, present))}"
            )
        return there

    def _window_by_frequency(self, window: ExpectedWindow) -> int:
        """Return the window of the same number if it overlaps, else the only one that overlaps."""
        number, present = window.spectral_window, sorted(self.table.solved)
        fitting = [each for each in present if self._overlap(window, each).any()]
        if number in fitting:
            return number
        if not fitting:
            raise self._elsewhere(window, present)
        if len(fitting) > 1:
            raise InputError(
                f"{self.asked.label}: has nothing for spectral window {number}, and windows "
                f"{', '.join(map(str, fitting))} overlap with it; name one by spwmap in a cal library"
            )
        self.notes.append(
            f"{self.asked.label}: its window {fitting[0]} is taken for spectral window {number}, by frequency"
        )
        return fitting[0]

    def _overlap(self, window: ExpectedWindow, there: int) -> NDArray[np.bool_]:
        return overlap(window, self.table.windows[there].frequency, self.table.windows[there].width)

    def _elsewhere(self, window: ExpectedWindow, windows: Sequence[int]) -> InputError:
        return InputError(
            f"{self.asked.label}: no overlap in frequency: its solutions are for "
            f"{listed([span(self.table.windows[each].frequency) for each in windows])}, and spectral window "
            f"{window.spectral_window} of {self.expected.path} has {span(window.frequency)}; give a table of this band"
            + ("" if self.asked.window_map else ", or a cal library with spwmap")
        )

    def _field_for(self, number: int) -> int | None:
        """Return the table's field whose solutions are for one of the recording; None if all are."""
        asked, fields = self.asked.field_map, self.table.fields
        present: list[int] = np.unique(self.table.field).tolist()
        if asked == ():
            return None
        if asked == "nearest":
            centre = self.expected.centres[number]
            here = _unit(centre.longitude, centre.latitude)
            placed_ones = [each for each in present if 0 <= each < len(fields)]
            there = max(placed_ones, key=lambda each: float(here @ _unit(*fields[each].place)), default=-1)
        elif isinstance(asked, str):
            names = [each.name for each in fields]
            there = int(asked) if asked.isdecimal() else names.index(asked) if asked in names else -1
        else:
            there = asked[min(number, len(asked) - 1)]
        if there not in present:
            raise InputError(
                f"{self.asked.label}: fldmap has {asked if isinstance(asked, str) else there}, and the table has "
                f"solutions for fields {', '.join(map(str, present))}"
            )
        return there

    def _factor(self, there: int, number: int | None) -> Factor:
        """Return the solutions of a window, of one field or all."""
        solved, window = self._chosen(there, number), self.table.windows[there]
        law = LAWS[self.table.kind]
        antenna, time = self.numbers[self.table.antenna[solved.row]], self.table.time[solved.row]
        self._check_once(solved.row, antenna, time)
        bad = solved.flag | ~np.isfinite(solved.values)
        if law == "gain":
            bad |= solved.values == 0
        self._count(there, solved, bad)
        values = np.where(bad, 0, solved.values)
        return Factor(
            law=law,
            tracks=tracks_of(
                antenna, time, np.stack([np.abs(values), np.angle(values)]) if law == "gain" else values[None].real, bad
            ),
            frequency=window.frequency if law == "gain" else window.frequency[:1],
            antennas=len(self.expected.antennas),
            elements=values.shape[2],
            in_time=self.asked.in_time or "linear",
            in_frequency=self.asked.in_frequency or "linear",
            fills_gaps=self.asked.fills_gaps,
            scales_weights=self.asked.scales_weights and law != "delay",
            pivot=window.pivot,
        )

    def _chosen(self, there: int, number: int | None) -> Solved:
        """Return the solutions of a window and field, of antennas of the recording. InputError if there are none."""
        solved = self.table.solved[there]
        chosen = self.numbers[self.table.antenna[solved.row]] >= 0
        if number is not None:
            chosen &= self.table.field[solved.row] == number
        if not chosen.any():
            raise InputError(
                f"{self.asked.label}: has no solution for the antennas of {self.expected.path} in window {there}"
                + ("" if number is None else f", field {number}")
            )
        return Solved(solved.row[chosen], solved.values[chosen], solved.flag[chosen])

    def _check_once(self, rows: NDArray[np.intp], antenna: NDArray[np.intp], time: NDArray[np.float64]) -> None:
        order = np.lexsort((time, antenna))
        again = (np.diff(antenna[order]) == 0) & (np.diff(time[order]) == 0)
        if again.any():
            at = int(np.argmax(again))
            raise InputError(
                f"{self.asked.label}: rows {rows[order[at]]} and {rows[order[at + 1]]} are of one antenna, window and "
                f"time; choose a field by fldmap in a cal library"
            )

    def _count(self, there: int, solved: Solved, bad: NDArray[np.bool_]) -> None:
        """Note what is no solution. InputError if nothing is a solution."""
        where = f"{self.asked.label}: window {there}"
        if solved.flag.all():
            raise InputError(f"{where}: all solutions are flagged; solve for gains again")
        if strange := int(np.count_nonzero(bad & ~solved.flag)):
            self.notes.append(f"{where}: {strange} of {bad.size} solutions are 0 or no finite number: flagged")
        whole: NDArray[np.bool_] = np.logical_and.reduce(bad, axis=1)
        if whole.any():
            self.notes.append(f"{where}: {np.count_nonzero(whole)} of {whole.size} solutions are flagged")
        if (some := int(np.count_nonzero(bad & ~whole[:, None]))) and self.asked.fills_gaps:
            self.notes.append(
                f"{where}: {some} channels of solutions are flagged: their neighbours' hold (finterp with 'flag' flags)"
            )


def _unit(longitude: float, latitude: float) -> NDArray[np.float64]:
    return np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], np.float64
    )
