"""The edge to CASA's tables of gains: the content of one, read by casacore. Its meaning is in `casa_solutions`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table as open_table
from numpy.typing import NDArray

from fip.corrections.gains.solutions import Law
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


@dataclass(frozen=True, slots=True, eq=False)
class TableWindow:
    """A spectral window of a table, its channels ascending."""

    frequency: NDArray[np.float64]  # [channel] Hz
    width: float  # Hz, of the widest channel
    pivot: float  # Hz, at which delays turn no phase


@dataclass(frozen=True, slots=True, eq=False)
class TableField:
    """A field of a table."""

    name: str
    place: tuple[float, float]  # rad, of its phase centre


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """The solutions for one spectral window."""

    row: NDArray[np.intp]  # [row] their rows in the table
    values: NDArray[np.complexfloating] | NDArray[np.floating]  # [row, channel, receptor] gains, or delays in ns
    flag: NDArray[np.bool_]  # as values


@dataclass(frozen=True, slots=True, eq=False)
class CasaTable:
    """All that is in a table of gains, its rows within its subtables and its times finite."""

    kind: str  # one of `LAWS`
    old: bool  # whether delays are about REF_FREQUENCY: CASA did so before 5.3, when it did not write its version
    antennas: tuple[str, ...]
    position: NDArray[np.float64]  # [antenna, 3] m, ITRF
    windows: tuple[TableWindow, ...]
    fields: tuple[TableField, ...]
    time: NDArray[np.float64]  # [row] s UTC since MJD 0
    antenna: NDArray[np.integer]  # [row]
    field: NDArray[np.integer]  # [row]
    solved: Mapping[int, Solved]  # by window


def is_casa_table(path: Path) -> bool:
    """Return whether a path holds a table of casacore's."""
    return (path / "table.dat").is_file()


def read_table_of_casa(path: Path, label: str) -> CasaTable:
    """Read a table. InputError, which begins with `label`, if it is none, or of a kind that is not applied."""
    try:
        with _opened(path) as main:
            kind = _kind(main, label)
            if not main.nrows():
                raise InputError(f"{label}: is empty: solve for gains again")
            return _read(path, label, main, kind)
    except _UNREADABLE as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{label}: cannot be read as a CASA table of gains: {why}") from None


def _opened(path: Path) -> Any:
    """Open a table without locks: reading takes none and waits for none."""
    return open_table(str(path), ack=False, lockoptions="autonoread")


def _kind(main: Any, label: str) -> str:
    kind = str(main.getkeyword("VisCal")) if "VisCal" in main.keywordnames() else ""
    if not kind:
        raise InputError(
            f"{label}: is no table of gains of CASA's (it has no keyword VisCal); give one that gaincal or "
            f"bandpass wrote"
        )
    if kind not in LAWS:
        raise InputError(f"{label}: {kind} {REFUSED.get(kind, _ELSE)} (--gains takes {', '.join(LAWS)})")
    return kind


def _read(path: Path, label: str, main: Any, kind: str) -> CasaTable:
    old = _is_old(main)
    with _opened(path / "ANTENNA") as sub:
        antennas = tuple(str(each) for each in sub.getcol("NAME"))
        position = np.asarray(sub.getcol("POSITION"), np.float64).reshape(len(antennas), 3)
    with _opened(path / "FIELD") as sub:
        places = [np.ravel(sub.getcell("PHASE_DIR", row)) for row in range(sub.nrows())]
        names = [str(sub.getcell("NAME", row)) for row in range(sub.nrows())]
        fields = [TableField(name, (float(at[0]), float(at[1]))) for name, at in zip(names, places, strict=True)]
    windows, orders = [], []
    with _opened(path / "SPECTRAL_WINDOW") as sub:
        for row in range(sub.nrows()):
            frequency = np.ravel(sub.getcell("CHAN_FREQ", row)).astype(np.float64)
            width = float(np.abs(sub.getcell("CHAN_WIDTH", row)).max())
            pivot = float(sub.getcell("REF_FREQUENCY", row)) if old else float(frequency[len(frequency) // 2])
            orders.append(np.argsort(frequency, kind="stable"))
            windows.append(TableWindow(frequency[orders[-1]], width, pivot))
    window = _column(main, label, "SPECTRAL_WINDOW_ID", len(windows))
    read = [(each, np.flatnonzero(window == each)) for each in np.unique(window).tolist()]
    return CasaTable(
        kind,
        old,
        antennas,
        position,
        tuple(windows),
        tuple(fields),
        _time(main, label),
        _column(main, label, "ANTENNA1", len(antennas)),
        np.asarray(main.getcol("FIELD_ID")),
        {each: _solved(main, label, LAWS[kind], rows, orders[each]) for each, rows in read},
    )


def _is_old(main: Any) -> bool:
    version = str(main.getkeyword("CASA_Version")) if "CASA_Version" in main.keywordnames() else "Unknown"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None or _PIVOT_OF_OLD.fullmatch(version):
        return True
    return (int(numbers[1]), int(numbers[2])) < _CENTRE_SINCE


def _time(main: Any, label: str) -> NDArray[np.float64]:
    time = np.asarray(main.getcol("TIME"), np.float64)
    if not np.isfinite(time).all():
        row = int(np.argmax(~np.isfinite(time)))
        raise InputError(f"{label}: row {row}: TIME is {time[row]}; solve for gains again")
    frame = str(main.getcolkeywords("TIME").get("MEASINFO", {}).get("Ref", "UTC")).upper()
    if frame != "UTC":
        raise InputError(f"{label}: TIME is in the frame {frame}; CASA writes UTC")
    return time


def _column(main: Any, label: str, name: str, number: int) -> NDArray[np.integer]:
    """Read a column of row numbers of a subtable that has `number` rows."""
    values: NDArray[np.integer] = np.asarray(main.getcol(name))
    beyond = (values < 0) | (values >= number)
    if beyond.any():
        row = int(np.argmax(beyond))
        raise InputError(f"{label}: row {row}: {name} is {values[row]}, and its subtable has {number} rows")
    return values


def _solved(main: Any, label: str, law: Law, rows: NDArray[np.intp], order: NDArray[np.intp]) -> Solved:
    column = "FPARAM" if law == "delay" else "CPARAM"
    some = main.selectrows(rows)
    values, flag = np.asarray(some.getcol(column)), np.asarray(some.getcol("FLAG"))
    some.close()
    channels = 1 if law == "delay" else len(order)
    if values.ndim != 3 or values.shape[1] != channels or values.shape[2] not in (1, 2) or flag.shape != values.shape:
        raise InputError(
            f"{label}: row {rows[0]}: {column} has the shape {values.shape[1:]}, and should have ({channels}, 2)"
        )
    return Solved(rows, values, flag) if law == "delay" else Solved(rows, values[:, order], flag[:, order])
