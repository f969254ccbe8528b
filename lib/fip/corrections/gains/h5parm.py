"""The edge to h5parm files (LOFAR's solutions, as DP3 and losoto write them), read by h5py.

A file has one solution set and one direction; at most one amplitude, one phase and one TEC. h5py is imported only if
such a file is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
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
    span,
)
from fip.corrections.observed import Expected, ExpectedWindow
from fip.data.errors import InputError, UsageError

KINDS = ("amplitude", "phase", "tec")
_AXES = ("time", "ant", "freq", "pol")
_RECEPTORS = (("XX", "YY"), ("RR", "LL"), ("XX", "XY", "YX", "YY"), ("RR", "RL", "LR", "LL"))


def read_h5parm(asked: Asked, expected: Expected) -> Source:
    """Read a file, checked against the recording. InputError if it cannot be applied."""
    try:
        import h5py
    except ImportError:
        raise UsageError(f"{asked.label}: h5parm files need the package h5py: pip install 'fip[gains]'") from None
    try:
        with h5py.File(asked.path, "r") as file:
            return _Reader(asked, expected, file).source()
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{asked.label}: cannot be read as an h5parm file: {why}") from None


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    """One or two tables of solutions on the same axes."""

    law: Law
    names: tuple[str, ...]  # of antennas
    time: NDArray[np.float64]  # [time]; one 0 if they hold always
    frequency: NDArray[np.float64]  # [frequency]
    values: NDArray[np.float64]  # [part, time, antenna, frequency, element]
    bad: NDArray[np.bool_]  # [time, antenna, frequency, element]
    polarisations: tuple[str, ...]  # of the elements; () for one


class _Reader:
    def __init__(self, asked: Asked, expected: Expected, file: Any) -> None:
        self.asked, self.expected, self.file = asked, expected, file
        self.notes: list[str] = []

    def source(self) -> Source:
        tables = self._tables()
        solved = [self._solved(kind, tables) for kind in ("amplitude", "tec")]
        found = [each for each in solved if each is not None]
        if "amplitude" not in tables and "phase" in tables:
            found.insert(0, self._read_gain(None, tables["phase"]))
        factors: dict[tuple[int, int], tuple[Factor, ...]] = {}
        for window in self.expected.windows:
            made = tuple(self._factor(each, window) for each in found)
            factors |= {(window.spectral_window, field): made for field in self.expected.fields}
        begin = min(float(each.time.min()) for each in found)
        notes = tuple(dict.fromkeys(self.notes))
        return Source(self.asked.path.name, "h5parm", digest_of(factors), begin, notes, factors)

    def _tables(self) -> Mapping[str, Any]:
        """Find the tables of solutions by kind. InputError for several sets, kinds not applied, or two of a kind."""
        sets = [name for name, each in self.file.items() if hasattr(each, "items") and "antenna" in each]
        if len(sets) != 1:
            raise InputError(
                f"{self.asked.label}: has {len(sets) or 'no'} solution sets {listed(sets)}: give a file with one"
            )
        found: dict[str, Any] = {}
        for name, each in self.file[sets[0]].items():
            if not hasattr(each, "items") or "val" not in each:
                continue
            kind = _text(each.attrs.get("TITLE", name.rstrip("0123456789")))
            if kind not in KINDS:
                raise InputError(
                    f"{self.asked.label}: {name} holds {kind}, which FIP does not apply (it does {', '.join(KINDS)}); "
                    f"give a file without"
                )
            if kind in found:
                raise InputError(f"{self.asked.label}: has two tables of {kind}; give a file with one, as {name}")
            found[kind] = each
        if not found:
            raise InputError(f"{self.asked.label}: has no table of solutions ({', '.join(KINDS)})")
        return found

    def _solved(self, kind: str, tables: Mapping[str, Any]) -> _Solved | None:
        if kind not in tables:
            return None
        if kind == "amplitude":
            return self._read_gain(tables["amplitude"], tables.get("phase"))
        values, bad, axes = self._read(tables["tec"])
        return self._made("tec", values[None], bad, axes)

    def _read_gain(self, amplitude: Any | None, phase: Any | None) -> _Solved:
        """Read amplitudes and phases as gains. Without phases the phase is 0, without amplitudes the amplitude is 1."""
        read = [self._read(each) for each in (amplitude, phase) if each is not None]
        if len(read) == 2 and not all(np.array_equal(read[0][2][axis], read[1][2][axis]) for axis in read[0][2]):
            raise InputError(f"{self.asked.label}: amplitude and phase have different axes; give files with one each")
        values, bad, axes = read[0][0], read[0][1], read[0][2]
        first = np.ones_like(values) if amplitude is None else values
        last = np.zeros_like(values) if phase is None else read[-1][0]
        turned = last - 2 * np.pi * np.round(last / (2 * np.pi))
        return self._made("gain", np.stack([first, turned]), bad | read[-1][1], axes)

    def _made(self, law: Law, values: NDArray[np.float64], bad: NDArray[np.bool_], axes: Mapping[str, Any]) -> _Solved:
        names = tuple(_text(each) for each in axes["ant"])
        polarisations = tuple(_text(each) for each in axes["pol"])
        if len(polarisations) == 1:
            polarisations = ()
        elif polarisations not in _RECEPTORS:
            order = next((each for each in _RECEPTORS if sorted(each) == sorted(polarisations)), None)
            if order is None:
                raise InputError(
                    f"{self.asked.label}: its polarisations are {listed(polarisations)}, and should be XX, YY or "
                    f"all four"
                )
            pick = [polarisations.index(each) for each in order]
            values, bad, polarisations = values[..., pick], bad[..., pick], order
        if bad.all():
            raise InputError(f"{self.asked.label}: all solutions are NaN or have weight 0; solve for gains again")
        if bad.any():
            self.notes.append(
                f"{self.asked.label}: {np.count_nonzero(bad)} of {bad.size} solutions are NaN or have weight 0: flagged"
            )
        return _Solved(law, names, axes["time"], axes["freq"], values, bad, polarisations)

    def _read(self, table: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_], Mapping[str, Any]]:
        """Read values and which are bad, [time, ant, freq, pol], and the axes. InputError for several directions."""
        values = np.asarray(table["val"][...], np.float64)
        names = _text(table["val"].attrs["AXES"]).split(",")
        weight = np.asarray(table["weight"][...]) if "weight" in table else np.ones(values.shape)
        label = f"{self.asked.label}: {table.name}"
        if len(names) != values.ndim or weight.shape != values.shape:
            raise InputError(f"{label}: its values have the shape {values.shape}, and its axes are {','.join(names)}")
        for length, name in zip(values.shape, names, strict=True):
            if name not in _AXES and length != 1:
                raise InputError(f"{label}: has {length} along {name}: FIP applies solutions of one direction alone")
        narrow = tuple(slice(None) if name in _AXES else 0 for name in names)
        values, weight = values[narrow], weight[narrow]
        names = [each for each in names if each in _AXES]
        if "ant" not in names:
            raise InputError(f"{label}: has no axis of antennas")
        order = [names.index(each) for each in _AXES if each in names]
        shape = [values.shape[names.index(each)] if each in names else 1 for each in _AXES]
        values, weight = values.transpose(order).reshape(shape), weight.transpose(order).reshape(shape)
        nothing: dict[str, Any] = {"time": np.zeros(1), "freq": np.zeros(1), "pol": ["I"]}
        axes = {each: table[each][...] if each in names else nothing[each] for each in _AXES}
        if not (_ascends(axes["time"]) and _ascends(axes["freq"])):
            raise InputError(f"{label}: its times or frequencies do not ascend")
        return values, ~(np.isfinite(values) & (weight > 0)), axes

    def _factor(self, solved: _Solved, window: ExpectedWindow) -> Factor:
        whole = len(solved.polarisations) == 4
        check_polarisation(self.asked.label, window, whole)
        numbers, notes = placed(self.asked.label, solved.names, self._positions(solved.names), self.expected)
        self.notes += notes + check_times(self.asked.label, solved.time, self.expected)
        if solved.frequency.any() and solved.law != "tec":  # electrons delay all bands
            self._check_band(solved, window)
        chosen = np.flatnonzero(numbers >= 0)
        times, antennas = len(solved.time), len(chosen)
        values, bad = solved.values[:, :, chosen], solved.bad[:, chosen]
        tracks = tracks_of(
            np.tile(numbers[chosen], times),
            np.repeat(np.asarray(solved.time, np.float64), antennas),
            np.where(bad, 0, values).reshape(len(values), times * antennas, *values.shape[3:]),
            bad.reshape(times * antennas, *bad.shape[2:]),
        )
        return Factor(
            solved.law,
            tracks,
            np.asarray(solved.frequency, np.float64),
            len(self.expected.antennas),
            max(1, len(solved.polarisations)),
            self.asked.in_time or "nearest",
            self.asked.in_frequency or "nearest",
            False,
            self.asked.scales_weights and solved.law == "gain",
        )

    def _positions(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """Return the positions of these antennas; zeros for those without one in the file."""
        sets = next(each for each in self.file.values() if hasattr(each, "items") and "antenna" in each)
        rows = sets["antenna"][...]
        places = {_text(row["name"]): np.asarray(row["position"], np.float64) for row in rows}
        return np.array([places.get(name, np.zeros(3)) for name in names])

    def _check_band(self, solved: _Solved, window: ExpectedWindow) -> None:
        frequency = np.asarray(solved.frequency, np.float64)
        every = np.concatenate([each.frequency for each in self.expected.windows])  # one may be for all these
        width = float(np.diff(frequency).max()) if len(frequency) > 1 else 2 * float(np.ptp(every))
        within = overlap(window, frequency, width)
        if not within.any():
            raise InputError(
                f"{self.asked.label}: no overlap in frequency: its solutions are for {span(frequency)}, and spectral "
                f"window {window.spectral_window} of {self.expected.path} has {span(window.frequency)}; "
                f"give a file of this band"
            )
        if beyond := int(np.count_nonzero(~within)):
            self.notes.append(
                f"{self.asked.label}: {beyond} channels of spectral window {window.spectral_window} are beyond its "
                f"ends: the last solutions hold"
            )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _ascends(axis: NDArray[Any]) -> bool:
    return bool((np.diff(axis) > 0).all()) and bool(np.isfinite(axis).all())
