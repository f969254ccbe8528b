"""The edge to CASA's tables of gains, read by casacore: K, B and G Jones."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from casacore.tables import table as open_table
from numpy.typing import NDArray

from fip.corrections.gains.asked import Asked
from fip.corrections.gains.solutions import Factor, Law, tracks_of
from fip.corrections.gains.source import (
    Source,
    check_polarisation,
    check_times,
    digest_of,
    listed,
    overlap,
    placed,
)
from fip.corrections.observed import Expected, ExpectedWindow
from fip.data.errors import InputError

LAWS: Mapping[str, Law] = {"K Jones": "delay", "B Jones": "gain", "G Jones": "gain"}

REFUSED: Mapping[str, str] = {
    "T Jones": "is of the troposphere, one for both polarisations; solve for G instead",
    "D Jones": "is of leakage, which turns with the parallactic angle",
    "Df Jones": "is of leakage, which turns with the parallactic angle",
    "KAntPos Jones": "corrects antenna positions, which changes uvw, too; correct the set itself",
    "Fringe Jones": "is of fringes, with rates; apply it by CASA",
    "KMBD Jones": "is a delay over several windows; solve for one in each",
    "Kcross Jones": "is of the phase between polarisations; apply it by CASA",
    "EGainCurve": "is a gain curve, which goes with elevation; apply it by CASA",
    "TOpac": "is of opacity, which goes with elevation; apply it by CASA",
    "B TSYS": "is of system temperatures, which scale data by their square root; apply it by CASA",
}
_ELSE = "is of a kind that FIP does not apply; apply it by CASA"

_UNREADABLE = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
_PIVOT_OF_OLD = re.compile(r"5\.3\.0-10[0-6]")  # a few versions in which delays were as before 5.3
_CENTRE_SINCE = (5, 3)


def is_casa_table(path: Path) -> bool:
    """Whether a path holds a table of casacore's."""
    return (path / "table.dat").is_file()


class _Window(NamedTuple):
    frequency: NDArray[np.float64]  # [channel] Hz, ascending
    order: NDArray[np.intp]  # which channel on file each is
    width: float  # Hz
    pivot: float  # Hz


def read_casa_table(asked: Asked, expected: Expected) -> Source:
    """A table, checked against what it is for. InputError if it is not what can be applied."""
    try:
        main = open_table(str(asked.path), ack=False, lockoptions="autonoread")
        try:
            return _Reader(asked, expected, main).source()
        finally:
            main.close()
    except _UNREADABLE as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{asked.label}: cannot be read as a CASA table of gains: {why}") from None


@dataclass
class _Reader:
    asked: Asked
    expected: Expected
    main: Any

    def source(self) -> Source:
        kind = self._kind()
        if not self.main.nrows():
            raise InputError(f"{self.asked.label}: is empty: solve for gains again")
        self.notes: list[str] = []
        self.scalars = {
            name: np.asarray(self.main.getcol(name)) for name in ("TIME", "ANTENNA1", "SPECTRAL_WINDOW_ID", "FIELD_ID")
        }
        self._check_rows()
        names, position = self._antennas()
        self.numbers, notes = placed(self.asked.label, names, position, self.expected)
        self.notes += notes
        for column, number in (("ANTENNA1", len(names)), ("SPECTRAL_WINDOW_ID", len(self._windows))):
            self._check_within(column, number)
        self.notes += check_times(self.asked.label, self.scalars["TIME"], self.expected)
        read: dict[tuple[int, int | None], tuple[Factor, ...]] = {}
        factors = {}
        for window in self.expected.windows:
            check_polarisation(self.asked.label, window, whole=False)
            there = self._window_for(window, kind)
            for field in self.expected.fields:
                mapped = self._field_for(field)
                if (there, mapped) not in read:
                    read[there, mapped] = (self._factor(there, mapped, LAWS[kind]),)
                factors[window.spectral_window, field] = read[there, mapped]
        begin = float(self.scalars["TIME"].min())
        return Source(self.asked.path.name, kind, digest_of(factors), begin, tuple(dict.fromkeys(self.notes)), factors)

    def _kind(self) -> str:
        keywords = self.main.keywordnames()
        kind = str(self.main.getkeyword("VisCal")) if "VisCal" in keywords else ""
        if not kind:
            raise InputError(
                f"{self.asked.label}: is no table of gains of CASA's (it has no keyword VisCal); give one that "
                f"gaincal or bandpass wrote"
            )
        if kind not in LAWS:
            raise InputError(f"{self.asked.label}: {kind} {REFUSED.get(kind, _ELSE)} (--gains takes {', '.join(LAWS)})")
        return kind

    def _check_rows(self) -> None:
        time = self.scalars["TIME"]
        if not np.isfinite(time).all():
            row = int(np.argmax(~np.isfinite(time)))
            raise InputError(f"{self.asked.label}: row {row}: TIME is {time[row]}; solve for gains again")
        frame = str(self.main.getcolkeywords("TIME").get("MEASINFO", {}).get("Ref", "UTC")).upper()
        if frame != "UTC":
            raise InputError(f"{self.asked.label}: TIME is in the frame {frame}; CASA writes UTC")

    def _check_within(self, column: str, number: int) -> None:
        values = self.scalars[column]
        beyond = (values < 0) | (values >= number)
        if beyond.any():
            row = int(np.argmax(beyond))
            raise InputError(
                f"{self.asked.label}: row {row}: {column} is {values[row]}, and its subtable has {number} rows"
            )

    def _subtable(self, name: str) -> Any:
        return open_table(f"{self.asked.path}/{name}", ack=False, lockoptions="autonoread")

    def _antennas(self) -> tuple[list[str], NDArray[np.float64]]:
        with self._subtable("ANTENNA") as sub:
            names = [str(each) for each in sub.getcol("NAME")]
            return names, np.asarray(sub.getcol("POSITION"), np.float64).reshape(len(names), 3)

    @cached_property
    def _windows(self) -> tuple[_Window, ...]:
        old = self._is_old
        found = []
        with self._subtable("SPECTRAL_WINDOW") as sub:
            for row in range(sub.nrows()):
                frequency = np.ravel(sub.getcell("CHAN_FREQ", row)).astype(np.float64)
                width = np.abs(np.ravel(sub.getcell("CHAN_WIDTH", row))).astype(np.float64)
                order = np.argsort(frequency, kind="stable")
                pivot = float(sub.getcell("REF_FREQUENCY", row)) if old else float(frequency[len(frequency) // 2])
                found.append(_Window(frequency[order], order, float(width.max()), pivot))
        return tuple(found)

    @property
    def _is_old(self) -> bool:
        """Whether delays are about REF_FREQUENCY: CASA wrote that before 5.3, when it did not say its version."""
        said = self.main.keywordnames()
        version = str(self.main.getkeyword("CASA_Version")) if "CASA_Version" in said else "Unknown"
        numbers = re.match(r"(\d+)\.(\d+)", version)
        return (
            numbers is None
            or (int(numbers[1]), int(numbers[2])) < _CENTRE_SINCE
            or _PIVOT_OF_OLD.fullmatch(version) is not None
        )

    def _window_for(self, window: ExpectedWindow, kind: str) -> int:
        """The table's window for one of the recording. InputError if there is none that overlaps."""
        label, number = self.asked.label, window.spectral_window
        present = np.unique(self.scalars["SPECTRAL_WINDOW_ID"]).tolist()
        asked = self.asked.window_map
        if asked:
            there = asked[0] if len(asked) == 1 else asked[number] if number < len(asked) else number
            if there not in present:
                raise InputError(
                    f"{label}: spwmap has {there} for spectral window {number}, and the table has solutions for "
                    f"{', '.join(map(str, present))}"
                )
            if LAWS[kind] == "gain" and len(self._windows[there].frequency) == 1:
                return there  # a gain of another window that is meant: it does not go with frequency
            fitting = [there] if self._overlaps(window, there).any() else []
        else:
            fitting = [each for each in present if self._overlaps(window, each).any()]
        if not fitting:
            raise InputError(
                f"{label}: no overlap in frequency: its solutions are for {self._spans(present)}, and spectral window "
                f"{number} of {self.expected.path} has {_span(window.frequency)}; give a table of this band"
                + ("" if asked else ", or a cal library with spwmap")
            )
        there = number if number in fitting else fitting[0]
        if there != number and not asked:
            if len(fitting) > 1:
                raise InputError(
                    f"{label}: has nothing for spectral window {number}, and windows "
                    f"{', '.join(map(str, fitting))} overlap with it; name one by spwmap in a cal library"
                )
            self.notes.append(f"{label}: its window {there} is taken for spectral window {number}, by frequency")
        beyond = int(np.count_nonzero(~self._overlaps(window, there)))
        if beyond and len(self._windows[there].frequency) > 1:
            self.notes.append(
                f"{label}: {beyond} channels of spectral window {number} are beyond its ends: the last solutions hold"
            )
        if kind == "K Jones" and self._is_old:
            self.notes.append(
                f"{label}: does not say that CASA 5.3 or newer wrote it: delays turn about REF_FREQUENCY, "
                f"{self._windows[there].pivot / 1e6:.6g} MHz"
            )
        return there

    def _overlaps(self, window: ExpectedWindow, there: int) -> NDArray[np.bool_]:
        return overlap(window, self._windows[there].frequency, self._windows[there].width)

    def _spans(self, windows: Sequence[int]) -> str:
        return listed([_span(self._windows[each].frequency) for each in windows])

    def _field_for(self, field: int) -> int | None:
        """The table's field whose solutions are for one of the recording; None if all are."""
        asked, label = self.asked.field_map, self.asked.label
        if asked == ():
            return None
        present = np.unique(self.scalars["FIELD_ID"]).tolist()
        if asked == "nearest":
            return self._nearest_field(field, present)
        if isinstance(asked, str):
            with self._subtable("FIELD") as sub:
                names = [str(each) for each in sub.getcol("NAME")]
            there = int(asked) if asked.isdecimal() else names.index(asked) if asked in names else -1
        else:
            there = asked[min(field, len(asked) - 1)]
        if there not in present:
            raise InputError(
                f"{label}: fldmap has {asked if isinstance(asked, str) else there}, and the table has solutions for "
                f"fields {', '.join(map(str, present))}"
            )
        return there

    def _nearest_field(self, field: int, present: Sequence[int]) -> int:
        with self._subtable("FIELD") as sub:
            places = {each: np.ravel(sub.getcell("PHASE_DIR", each))[:2] for each in present}
        centre = self.expected.centres[field]
        here = _unit(centre.longitude, centre.latitude)
        return max(present, key=lambda each: float(here @ _unit(*places[each])))

    def _factor(self, there: int, field: int | None, law: Law) -> Factor:
        """The solutions of a window, of one field or all."""
        window = self._windows[there]
        chosen = self.scalars["SPECTRAL_WINDOW_ID"] == there
        if field is not None:
            chosen &= self.scalars["FIELD_ID"] == field
        chosen &= self.numbers[self.scalars["ANTENNA1"]] >= 0
        rows = np.flatnonzero(chosen)
        if not len(rows):
            raise InputError(
                f"{self.asked.label}: has no solution for the antennas of {self.expected.path} in window {there}"
                + ("" if field is None else f", field {field}")
            )
        antenna, time = self.numbers[self.scalars["ANTENNA1"][rows]], self.scalars["TIME"][rows].astype(np.float64)
        self._check_once(rows, antenna, time)
        some = self.main.selectrows(rows)
        column = "FPARAM" if law == "delay" else "CPARAM"
        solved, flag = np.asarray(some.getcol(column)), np.asarray(some.getcol("FLAG"))
        some.close()
        frequency = window.frequency if law == "gain" else window.frequency[:1]
        if solved.ndim != 3 or solved.shape[1] != len(frequency) or solved.shape[2] not in (1, 2):
            raise InputError(
                f"{self.asked.label}: row {rows[0]}: {column} has the shape {solved.shape[1:]}, and should have "
                f"({len(frequency)}, 2)"
            )
        if law == "gain":
            solved, flag = solved[:, window.order], flag[:, window.order]
        bad = flag | ~np.isfinite(solved)
        if law == "gain":
            bad |= solved == 0
        self._count(there, solved, flag, bad)
        solved = np.where(bad, 0, solved)
        values = np.stack([np.abs(solved), np.angle(solved)]) if law == "gain" else solved[None]
        return Factor(
            law,
            tracks_of(antenna, time, values, bad),
            frequency,
            len(self.expected.antennas),
            solved.shape[2],
            self.asked.in_time or "linear",
            self.asked.in_frequency or "linear",
            self.asked.fills_gaps,
            self.asked.scales_weights and law != "delay",
            window.pivot,
        )

    def _check_once(self, rows: NDArray[np.intp], antenna: NDArray[np.intp], time: NDArray[np.float64]) -> None:
        order = np.lexsort((time, antenna))
        again = (np.diff(antenna[order]) == 0) & (np.diff(time[order]) == 0)
        if again.any():
            at = int(np.argmax(again))
            raise InputError(
                f"{self.asked.label}: rows {rows[order[at]]} and {rows[order[at + 1]]} are of one antenna, window and "
                f"time; choose a field by fldmap in a cal library"
            )

    def _count(self, there: int, solved: NDArray[Any], flag: NDArray[np.bool_], bad: NDArray[np.bool_]) -> None:
        """Notes on what is no solution."""
        where = f"{self.asked.label}: window {there}"
        if strange := int(np.count_nonzero(bad & ~flag)):
            self.notes.append(f"{where}: {strange} of {solved.size} solutions are 0 or no finite number: flagged")
        if flag.all():
            raise InputError(f"{where}: all solutions are flagged; solve for gains again")
        whole: NDArray[np.bool_] = np.logical_and.reduce(bad, axis=1)
        if whole.any():
            self.notes.append(f"{where}: {np.count_nonzero(whole)} of {whole.size} solutions are flagged")
        if (some := int(np.count_nonzero(bad & ~whole[:, None]))) and self.asked.fills_gaps:
            self.notes.append(
                f"{where}: {some} channels of solutions are flagged: their neighbours' hold (finterp with 'flag' flags)"
            )


def _span(frequency: NDArray[np.float64]) -> str:
    return f"{frequency[0] / 1e6:.6g} to {frequency[-1] / 1e6:.6g} MHz"


def _unit(longitude: float, latitude: float) -> NDArray[np.float64]:
    return np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], np.float64
    )
