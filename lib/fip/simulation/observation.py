"""A simulated observation of MeerKAT's kind: known sources, a transient, noise and bad data, and the truth beside.

V = sum over sources of S exp(+2 pi i (u l + v m + w (n-1))) with UVW as stored, the position of ANTENNA1 less that
of ANTENNA2 turned to u east, v north, w towards the phase centre. (Real sets have either sign: the VLA's and
MeerKAT's are as here, GMRT's and WSRT's the opposite; the transform is the same for both.)
"""

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fip.data.errors import UsageError
from fip.simulation.calibration_tables import write_gains
from fip.simulation.observed import Observed
from fip.simulation.plan import Simulation
from fip.simulation.simulated_ms import SimulatedMs
from fip.simulation.truth import truth_table, write_sky_model


@dataclass(frozen=True)
class Beside:
    """What is written beside OUT.ms."""

    truth: Path  # OUT.truth.ecsv
    sky_model: Path | None  # OUT.skymodel, of sources that are drawn
    tables: tuple[Path, Path] | tuple[()]  # OUT.B and OUT.G, of gains with errors

    @classmethod
    def of(cls, path: Path, simulation: Simulation) -> "Beside":
        """What there will be beside a set."""
        name = path.name.removesuffix(".ms")
        model = path.with_name(f"{name}.skymodel")
        return cls(
            path.with_name(f"{name}.truth.ecsv"),
            model if simulation.sources else None,
            (path.with_name(f"{name}.B"), path.with_name(f"{name}.G")) if simulation.gain_errors else (),
        )

    @property
    def all(self) -> tuple[Path, ...]:
        """Every path beside the set."""
        return (self.truth, *((self.sky_model,) if self.sky_model else ()), *self.tables)


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
    each integration when it is over. `progress` is called with the integrations done and their number. UsageError if
    `path` is taken (an older MeasurementSet gives way with `overwrite`), lies in no folder, or the disk is too small.
    """
    if not path.name:
        raise UsageError(f"{path}: not a name for a MeasurementSet; OUT.ms would do")
    beside = Beside.of(path, simulation)
    partial = path.with_name(f"{path.name}.partial")
    _check_place(path, beside, simulation, overwrite)
    observed = Observed(simulation)
    for old in (partial, *beside.tables, *((path,) if live else ())):
        if old.exists():
            shutil.rmtree(old)
    truth_table(simulation, observed.sources).write(beside.truth, format="ascii.ecsv", overwrite=overwrite)
    if beside.sky_model:
        write_sky_model(beside.sky_model, simulation, observed.sources)
    begun = time.monotonic()
    try:
        written = path if live else partial
        with closing(SimulatedMs(written, observed)) as ms:
            if observed.gains is not None and beside.tables:
                write_gains(*beside.tables, simulation, observed.gains, written, path)
            for integration in range(simulation.integrations):
                if live:
                    time.sleep(max(0.0, begun + (integration + 1) * simulation.cadence - time.monotonic()))
                _write_integration(ms, observed, integration)
                ms.flush()
                if progress:
                    progress(integration + 1, simulation.integrations)
        if not live:
            if path.exists():
                shutil.rmtree(path)
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return beside.truth


def _write_integration(ms: SimulatedMs, observed: Observed, integration: int) -> None:
    """Write one integration, some rows at a time."""
    ms.begin_integration(observed.simulation.time(integration), observed.uvw(integration))
    for some in observed.samples(integration):
        ms.write(some)


def _check_place(path: Path, beside: Beside, simulation: Simulation, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist")
    for taken in (path, *beside.all):
        if taken.exists() and not overwrite:
            raise UsageError(f"{taken} exists: choose another name or overwrite it with --overwrite")
    for table, kind in ((path, "MeasurementSet"), *((each, "table") for each in beside.tables)):
        if table.exists() and not (table / "table.dat").is_file():
            raise UsageError(f"{table} exists and is no {kind}: it is not overwritten")
    rows = simulation.antennas * (simulation.antennas + 1) // 2 * simulation.integrations
    needed = rows * simulation.channels * 4 * (2 * 8 + 1 / 8 + 4 * simulation.weight_spectrum)
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise UsageError(f"{path} needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there")
