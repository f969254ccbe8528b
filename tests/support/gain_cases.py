"""Samples, and gains for them, with the results of other programs: made alike here, there and in tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.corrections.observed import Expected, ExpectedWindow, Observed
from fip.data.directions import Direction
from support.casa_gains import write_gains
from support.h5parms import Axes, write_h5parm

ANTENNAS = ("m000", "m001", "m002", "m003", "m004")
BEGIN, CADENCE = 5279112004.0, 8.0
TIMES = BEGIN + CADENCE * np.arange(6)
FREQUENCY = np.arange(1280e6, 1312e6, 4e6)
CORRELATIONS = ("XX", "XY", "YX", "YY")

Values = NDArray[Any]


class Made(NamedTuple):
    """What another program made of the samples."""

    visibility: NDArray[np.complex64]
    flag: NDArray[np.bool_]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """Gains, written into a folder as `file`."""

    name: str
    write: Callable[[Path], str]  # writes tables into a folder, and returns the text of a cal library
    program: str = "casa"
    weights: bool = False  # whether weights are to be compared
    corrections: tuple[str, ...] = ()  # DP3's, in turn
    in_time: str = "nearest"
    antennas: tuple[str, ...] = field(default=ANTENNAS)

    @property
    def file(self) -> str:
        """Return the name of the file that `--gains` is given."""
        return f"{self.name}.txt" if self.program == "casa" or self.in_time == "linear" else f"{self.name}.h5"


def observed_of(case: Case, times: Values = TIMES, correlations: tuple[str, ...] = CORRELATIONS) -> Observed:
    """Samples of noise, always the same, of all baselines at each time."""
    random = np.random.default_rng(1)
    number = len(case.antennas)
    one, other = np.triu_indices(number, 1)
    rows = len(one) * len(times)
    shape = (rows, len(FREQUENCY), len(correlations))
    noise = random.normal(size=(*shape, 2)).astype(np.float32)
    return Observed(
        path=Path("some.ms"),
        field=0,
        spectral_window=0,
        frequency=FREQUENCY,
        width=np.full(len(FREQUENCY), 4e6),
        correlations=correlations,
        antenna1=np.tile(one, len(times)).astype(np.int32),
        antenna2=np.tile(other, len(times)).astype(np.int32),
        integration=np.repeat(np.arange(len(times)), len(one)),
        time=np.repeat(times, len(one)),
        interval=np.full(rows, CADENCE),
        uvw=np.zeros((rows, 3)),
        axes=np.tile(np.eye(3), (len(times), 1, 1)),
        visibility=noise[..., 0] + 1j * noise[..., 1],
        weight=np.ones(shape, np.float32),
        bad=np.zeros(shape, bool),
    )


def expected_of(case: Case, correlations: tuple[str, ...] = CORRELATIONS) -> Expected:
    """What such gains are for."""
    window = ExpectedWindow(0, FREQUENCY, np.full(len(FREQUENCY), 4e6), correlations)
    return Expected(
        path=Path("some.ms"),
        telescope="MeerKAT",
        antennas=case.antennas,
        position=np.zeros((len(case.antennas), 3)),
        diameter=13.5,
        windows=(window,),
        fields={0: "field"},
        centres={0: Direction(0.0, 0.5, "ICRS")},
        begin=float(TIMES[0]),
        end=float(TIMES[-1]),
        growing=False,
        primary_beam=None,
        epsilon=1e-4,
    )


def tables_of(case: Case, folder: Path) -> str:
    """Write the tables of a case; return the text of its cal library, which is written beside them, too."""
    text = case.write(folder)
    if case.file.endswith(".txt"):
        (folder / case.file).write_text(text)
    return text


def solutions(
    times: Values, channels: int, seed: int, receptors: int = 2, antennas: int = len(ANTENNAS)
) -> tuple[Values, Values, Values]:
    """Time and antenna of each row, and gains [row, channel, receptor] whose phases turn far from time to time."""
    random = np.random.default_rng(seed)
    shape = (len(times), antennas, channels, receptors)
    phase = random.uniform(-np.pi, np.pi, shape)
    gains = random.uniform(0.5, 2.0, shape) * np.exp(1j * phase)
    rows = len(times) * antennas
    return np.repeat(times, antennas), np.tile(np.arange(antennas), len(times)), gains.reshape(rows, *shape[2:])


def _gains(path: Path, times: Values, seed: int, **more: Any) -> Path:
    time, antenna, values = solutions(times, 1, seed)
    return write_gains(path, "G Jones", ANTENNAS, time, antenna, values, [np.array([FREQUENCY.mean()])], **more)


def _bandpass(path: Path, frequency: Values, seed: int, flagged: float = 0.0) -> Path:
    time, antenna, values = solutions(np.array([BEGIN - 100]), len(frequency), seed)
    smooth = np.exp(np.cumsum(0.2 * np.random.default_rng(seed).normal(size=values.shape), axis=1))
    turned = np.exp(1j * np.cumsum(np.random.default_rng(seed + 1).uniform(-3, 3, values.shape), axis=1))
    flag = np.random.default_rng(seed + 2).random(values.shape) < flagged
    return write_gains(path, "B Jones", ANTENNAS, time, antenna, smooth * turned, [frequency], flag)


def _delays(path: Path, version: str | None, seed: int = 5) -> Path:
    antenna = np.arange(len(ANTENNAS))
    delays = np.random.default_rng(seed).normal(0, 5, (len(antenna), 1, 2))
    time = np.full(len(antenna), BEGIN + 20)
    reference = [float(FREQUENCY[0])]
    centre = [np.array([FREQUENCY[4]])]
    return write_gains(path, "K Jones", ANTENNAS, time, antenna, delays, centre, version=version, reference=reference)


COARSE = 1.278e9 + 7e6 * np.arange(6)
FEW = BEGIN + np.array([-3.0, 11.0, 18.5, 31.0])


def _new_delays(folder: Path) -> str:
    return f"caltable='{_delays(folder / 'new.K', '6.7.0-31').name}' calwt=True\n"


def _old_delays(folder: Path) -> str:
    return f"caltable='{_delays(folder / 'old.K', None).name}' calwt=False\n"


def _linear_gains(folder: Path) -> str:
    return f"caltable='{_gains(folder / 'linear.G', FEW, 1).name}' tinterp='linear' calwt=False\n"


def _nearest_gains(folder: Path) -> str:
    return f"caltable='{_gains(folder / 'nearest.G', FEW, 2).name}' tinterp='nearest' calwt=False\n"


def _weights(folder: Path) -> str:
    _gains(folder / "weights.G", FEW, 3)
    _bandpass(folder / "weights.B", COARSE, 4)
    return "caltable='weights.B' calwt=True\ncaltable='weights.G' tinterp='nearest' calwt=True\n"


def _flagged_gains(folder: Path) -> str:
    flag = np.random.default_rng(6).random((len(FEW) * len(ANTENNAS), 1, 2)) < 0.2
    _gains(folder / "flagged.G", FEW, 7, flag=flag)
    return "caltable='flagged.G' tinterp='linear' calwt=False\n"


def _bandpasses(finterp: str, flagged: float) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        name = f"{finterp}{flagged}.B"
        _bandpass(folder / name, COARSE, 8, flagged)
        return f"caltable='{name}' finterp='{finterp}' calwt=False\n"

    return write


def _exact_bandpass(folder: Path) -> str:
    _bandpass(folder / "exact.B", FREQUENCY, 8, 0.2)
    return "caltable='exact.B' finterp='linear' calwt=False\n"


def _exact_flagged(folder: Path) -> str:
    _bandpass(folder / "exactly.B", FREQUENCY, 8, 0.2)
    return "caltable='exactly.B' finterp='linearflag' calwt=False\n"


def _mapped(folder: Path) -> str:
    """Two windows; the recording has one; its solutions are in the other."""
    time, antenna, values = solutions(FEW, 1, 11)
    times, numbers = np.tile(time, 2), np.tile(antenna, 2)
    values = np.concatenate([values, values * 1.5 * np.exp(1j)])
    window = np.repeat([0, 1], len(time))
    middle = np.array([FREQUENCY.mean()])
    write_gains(folder / "two.G", "G Jones", ANTENNAS, times, numbers, values, [middle, middle + 40e6], window=window)
    delays = np.random.default_rng(12).normal(0, 5, (2 * len(ANTENNAS), 1, 2))
    antenna, window = np.tile(np.arange(len(ANTENNAS)), 2), np.repeat([0, 1], len(ANTENNAS))
    ends = [np.array([FREQUENCY[2]]), np.array([FREQUENCY[5]])]
    when = np.full(len(antenna), BEGIN)
    write_gains(folder / "two.K", "K Jones", ANTENNAS, when, antenna, delays, ends, window=window)
    return "caltable='two.G' spwmap=[1] calwt=False\ncaltable='two.K' spwmap=[1]\n"


def _fields(folder: Path) -> str:
    """Solutions of two fields at other times; one of them is asked for."""
    time, antenna, values = solutions(FEW, 1, 13)
    field_id = np.where(np.isin(time, FEW[[0, 3]]), 0, 1)
    middle, fields = [np.array([FREQUENCY.mean()])], (("a", 0.0, 0.5), ("b", 1.0, 0.4))
    write_gains(
        folder / "two.fields", "G Jones", ANTENNAS, time, antenna, values, middle, field=field_id, fields=fields
    )
    return "caltable='two.fields' fldmap=[1] tinterp='linear' calwt=False\n"


def _absent(folder: Path) -> str:
    """One antenna has no row at all, and another fewer."""
    time, antenna, values = solutions(FEW, 1, 14)
    kept = (antenna != 3) & ~((antenna == 1) & (time == FEW[1]))
    write_gains(
        folder / "gap.G", "G Jones", ANTENNAS, time[kept], antenna[kept], values[kept], [np.array([FREQUENCY.mean()])]
    )
    return "caltable='gap.G' tinterp='linear' calwt=False\n"


def _all(folder: Path) -> str:
    _delays(folder / "all.K", "6.7.0-31", 15)
    _bandpass(folder / "all.B", COARSE, 16, 0.1)
    _gains(folder / "all.G", FEW, 17)
    return "caltable='all.K'\ncaltable='all.B' calwt=True\ncaltable='all.G' calwt=True tinterp='linear'\n"


BOTH = ("amplitude000", "phase000")
CELLS = TIMES[0] + 12.0 * np.arange(4)  # times of cells of solutions


def _axes(times: Values, frequency: Values | None, polarisations: tuple[str, ...]) -> tuple[dict[str, Any], Values]:
    """Axes of a table of solutions, and random numbers on them, in (0, 1)."""
    axes: dict[str, Any] = {"time": times}
    axes |= {} if frequency is None else {"freq": frequency}
    axes |= {"ant": ANTENNAS} | ({"pol": polarisations} if polarisations else {})
    random = np.random.default_rng(len(axes) + len(times) + len(polarisations))
    return axes, random.random([len(each) for each in axes.values()])


def _diagonal(folder: Path, name: str, flagged: float = 0.0) -> str:
    # DP3 reads no cell beyond that which is nearest to the last channel, and so does not interpolate towards it.
    frequency = 1.278e9 + 7.6e6 * np.arange(5) if name == "dp3-linear" else COARSE
    axes, random = _axes(CELLS, frequency, ("XX", "YY"))
    amplitude = np.where(np.random.default_rng(3).random(random.shape) < flagged, np.nan, 0.5 + random)
    phase = 3 * random - 1.5 if name == "dp3-linear" else 9 * random - 3  # DP3 does not take the shorter way round
    write_h5parm(folder / f"{name}.h5", {"amplitude000": (amplitude, axes), "phase000": (phase, axes)})
    return f"caltable='{name}.h5' tinterp='linear' finterp='linear' calwt=False"


def _whole(folder: Path) -> str:
    axes, random = _axes(CELLS, FREQUENCY, ("XX", "XY", "YX", "YY"))
    amplitude = random * [1.0, 0.3, 0.3, 1.0] + [0.5, 0.0, 0.0, 0.5]
    tables: dict[str, tuple[Values, Axes]] = {"amplitude000": (amplitude, axes), "phase000": (6 * random - 3, axes)}
    write_h5parm(folder / "dp3-whole.h5", tables)
    return ""


def _electrons(folder: Path) -> str:
    axes, random = _axes(CELLS, None, ())
    both, more = _axes(CELLS, FREQUENCY, ("XX", "YY"))
    write_h5parm(folder / "dp3-tec.h5", {"tec000": (random - 0.5, axes), "phase000": (6 * more, both)})
    return ""


CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        Case("new-delays", _new_delays, weights=True),
        Case("old-delays", _old_delays),
        Case("linear-gains", _linear_gains),
        Case("nearest-gains", _nearest_gains),
        Case("flagged-gains", _flagged_gains),
        Case("weights", _weights, weights=True),
        Case("linear-bandpass", _bandpasses("linear", 0.0)),
        Case("nearest-bandpass", _bandpasses("nearest", 0.0)),
        Case("filled-bandpass", _bandpasses("linear", 0.3)),
        Case("flagged-bandpass", _bandpasses("linearflag", 0.3)),
        Case("nearest-flagged-bandpass", _bandpasses("nearestflag", 0.3)),
        Case("exact-bandpass", _exact_bandpass),
        Case("exact-flagged-bandpass", _exact_flagged),
        Case("mapped-windows", _mapped),
        Case("mapped-fields", _fields),
        Case("absent-solutions", _absent),
        Case("all-tables", _all, weights=True),
        Case("dp3-diagonal", partial(_diagonal, name="dp3-diagonal"), "dp3", corrections=BOTH),
        Case("dp3-flagged", partial(_diagonal, name="dp3-flagged", flagged=0.1), "dp3", corrections=BOTH),
        Case("dp3-linear", partial(_diagonal, name="dp3-linear"), "dp3", corrections=BOTH, in_time="linear"),
        Case("dp3-whole", _whole, "dp3", corrections=("fulljones",)),
        Case("dp3-tec", _electrons, "dp3", corrections=("tec000", "phase000")),
    )
}
