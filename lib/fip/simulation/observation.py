"""A simulated observation of MeerKAT's kind: known sources, a transient, noise and bad data, and the truth beside.

V = sum over sources of S exp(+2 pi i (u l + v m + w (n-1))) with UVW as stored, the position of ANTENNA1 less that
of ANTENNA2 turned to u east, v north, w towards the phase centre. (Real sets have either sign: the VLA's and
MeerKAT's are as here, GMRT's and WSRT's the opposite; the transform is the same for both.)
"""

import math
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC, SPEED_OF_LIGHT
from fip.simulation.plan import Simulation, uvw_axes
from fip.simulation.simulated_ms import SimulatedMs

JUNK = 1e4  # Jy, hidden under the flags
SYSTEM_FLUX = 400.0  # Jy, what an antenna's own noise adds to an autocorrelation
_LEVELS = 2**16  # of the numbers that flags are drawn by
ARCMIN = 60 * ARCSEC

STEADY_SKY = (
    ("S1", 2.5, -1.6, (1.0, 0.0, 0.0, 0.0)),
    ("S2", -6.2, 3.9, (0.8, 0.08, -0.05, 0.0)),
    ("S3", 7.4, 6.3, (0.5, 0.0, 0.0, 0.0)),
    ("S4", -4.4, -7.1, (0.4, -0.03, 0.06, 0.04)),
    ("S5", 14.0, -19.0, (0.6, 0.0, 0.0, 0.0)),
)
"""Name, l and m in arcminutes, (I, Q, U, V) in Jy of the steady sources; S5 is 0.39 deg from the phase centre."""

TRANSIENT_PLACE = (-1.4, 5.2)  # arcminutes, l and m


@dataclass(frozen=True)
class Source:
    """A point source, its flux densities (I, Q, U, V) in Jy, on in integrations first <= k < end."""

    name: str
    l: float  # noqa: E741  direction cosine towards east
    m: float  # direction cosine towards north
    stokes: tuple[float, float, float, float]
    kind: str  # "steady" or "transient"
    first: int
    end: int

    @property
    def correlations(self) -> tuple[complex, complex, complex, complex]:
        """XX, XY, YX, YY of linear feeds: XX = I+Q, XY = U+iV, YX = U-iV, YY = I-Q."""
        i, q, u, v = self.stokes
        return i + q, u + 1j * v, u - 1j * v, i - q


def simulate(
    path: Path,
    simulation: Simulation,
    *,
    overwrite: bool = False,
    live: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the MeasurementSet and, beside it, the truth; return the truth's path.

    The set is written as `path`.partial and renamed when it is whole; or `live`, as a telescope writes it: in place,
    each integration when it is over. `progress` is told the integrations done and their number. UsageError where
    `path` is taken (an older MeasurementSet gives way with `overwrite`), lies in no folder, or the disk is too small.
    """
    if not path.name:
        raise UsageError(f"{path}: not a name for a MeasurementSet; OUT.ms would do")
    truth = path.with_name(f"{path.name.removesuffix('.ms')}.truth.ecsv")
    partial = path.with_name(f"{path.name}.partial")
    _check_place(path, truth, simulation, overwrite)
    sources = sky(simulation)
    for old in (partial, path) if live else (partial,):
        if old.exists():
            shutil.rmtree(old)
    _truth_table(simulation, sources).write(truth, format="ascii.ecsv", overwrite=overwrite)
    begun = time.monotonic()
    try:
        with closing(SimulatedMs(path if live else partial, simulation)) as ms:
            for integration in range(simulation.integrations):
                if live:
                    time.sleep(max(0.0, begun + (integration + 1) * simulation.cadence - time.monotonic()))
                _write_integration(ms, simulation, sources, integration)
                ms.flush()
                if progress:
                    progress(integration + 1, simulation.integrations)
        if not live:
            if path.exists():
                shutil.rmtree(path)
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return truth


def sky(simulation: Simulation) -> tuple[Source, ...]:
    """The sources: five steady ones, and last the transient, if there is one."""
    steady = tuple(
        Source(name, east * ARCMIN, north * ARCMIN, stokes, "steady", 0, simulation.integrations)
        for name, east, north, stokes in STEADY_SKY
    )
    if simulation.transient == 0.0:
        return steady
    east, north = (offset * ARCMIN for offset in TRANSIENT_PLACE)
    stokes = (simulation.transient, 0.0, 0.0, 0.0)
    return (*steady, Source("T1", east, north, stokes, "transient", *simulation.transient_integrations))


def visibilities(
    uvw: NDArray[np.float64], frequency: NDArray[np.float64], sources: tuple[Source, ...]
) -> NDArray[np.complex64]:
    """Visibilities [row, channel, correlation] in Jy of sources seen at uvw [row, 3] m, evenly spaced frequencies.

    The phase is exact to double precision: a channel's phasor is the product of a coarse and a fine step in
    frequency, which spares all but a fraction of the exponentials.
    """
    channels = len(frequency)
    step = (frequency[-1] - frequency[0]) / max(channels - 1, 1)
    fine = math.isqrt(channels - 1) + 1
    coarse = -(-channels // fine)
    directions = np.array([(s.l, s.m, math.sqrt(1.0 - s.l**2 - s.m**2) - 1.0) for s in sources])
    turns = (directions @ uvw.T)[:, :, None] * (2j * np.pi / SPEED_OF_LIGHT)
    rough_phasor = np.exp(turns * (frequency[0] + np.arange(coarse) * fine * step))
    fine_phasor = np.exp(turns * (np.arange(fine) * step))
    phasor = np.empty((len(sources), len(uvw), coarse, fine), np.complex64)
    np.multiply(rough_phasor[..., None], fine_phasor[:, :, None, :], out=phasor, casting="same_kind")
    correlations = np.array([s.correlations for s in sources], np.complex64)
    summed = phasor.reshape(len(sources), -1).T @ correlations
    return summed.reshape(len(uvw), coarse * fine, 4)[:, :channels]


def _write_integration(ms: SimulatedMs, simulation: Simulation, sources: tuple[Source, ...], integration: int) -> None:
    """Write one integration, some rows at a time."""
    random = np.random.default_rng([simulation.seed, integration])
    uvw = ms.vectors @ uvw_axes(simulation, integration).T
    steady = tuple(s for s in sources if s.kind == "steady")
    transients = tuple(s for s in sources if s.kind == "transient" and s.first <= integration < s.end)
    frequency = simulation.channel_frequencies
    at_once = max(1, 2**18 // simulation.channels)
    ms.begin_integration(simulation.time(integration), uvw)
    for first in range(0, len(uvw), at_once):
        rows = slice(first, min(first + at_once, len(uvw)))
        model = visibilities(uvw[rows], frequency, steady)
        data = model + visibilities(uvw[rows], frequency, transients) if transients else model.copy()
        auto = ms.antenna1[rows] == ms.antenna2[rows]
        _add_noise(data, auto, simulation.noise, random)
        # Samples are flagged each for itself, by chance, and all those of the flagged antenna.
        drawn = random.integers(_LEVELS, size=data.shape, dtype=np.uint16)
        flags = np.asarray(drawn < simulation.flag_fraction * _LEVELS)
        flags[ms.flagged[rows]] = True
        data[flags] = JUNK
        ms.write(rows, data, model, flags)


def _add_noise(
    data: NDArray[np.complex64], auto: NDArray[np.bool_], deviation: float, random: np.random.Generator
) -> None:
    """Add noise in place and, to parallel hands of autocorrelations [row], the antenna's own power; they are real."""
    noise = random.standard_normal((*data.shape, 2), dtype=np.float32)
    noise *= np.float32(deviation)
    data += noise.view(np.complex64)[..., 0]
    if auto.any():
        own = data[auto]
        own[..., [0, 3]] = own[..., [0, 3]].real + np.float32(SYSTEM_FLUX)
        data[auto] = own


def _truth_table(simulation: Simulation, sources: tuple[Source, ...]) -> Table:
    """A row a source; the meta holds every parameter of the simulation.

    Columns: name; ra, dec (deg, J2000); I, Q, U, V (Jy); kind, "steady" or "transient"; first, end (integrations
    in which it is on, the end left out).
    """
    meta = asdict(simulation) | {
        "transient_on": list(simulation.transient_integrations),
        "flagged_antenna": simulation.flagged_antenna,
        "comment": "A source is on in integrations first <= k < end. Directions are J2000.",
    }
    rows = [(s.name, *_direction(simulation, s), *s.stokes, s.kind, s.first, s.end) for s in sources]
    names = ("name", "ra", "dec", *"IQUV", "kind", "first", "end")
    units = {"ra": "deg", "dec": "deg"} | dict.fromkeys("IQUV", "Jy")
    return Table(rows=rows, names=names, units=units, meta=meta)


def _direction(simulation: Simulation, source: Source) -> tuple[float, float]:
    """J2000 right ascension and declination in degrees of a source: the inverse of the SIN projection."""
    ra, dec = simulation.right_ascension, simulation.declination
    n = math.sqrt(1.0 - source.l**2 - source.m**2)
    turned = math.atan2(source.l, n * math.cos(dec) - source.m * math.sin(dec))
    height = math.asin(source.m * math.cos(dec) + n * math.sin(dec))
    return math.degrees(ra + turned) % 360.0, math.degrees(height)


def _check_place(path: Path, truth: Path, simulation: Simulation, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist")
    for taken in (path, truth):
        if taken.exists() and not overwrite:
            raise UsageError(f"{taken} exists: choose another name or overwrite it with --overwrite")
    if path.exists() and not (path / "table.dat").is_file():
        raise UsageError(f"{path} exists and is no MeasurementSet: it is not overwritten")
    rows = simulation.antennas * (simulation.antennas + 1) // 2 * simulation.integrations
    needed = rows * simulation.channels * 4 * (2 * 8 + 1 / 8 + 4 * simulation.weight_spectrum)
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise UsageError(f"{path} needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there")
