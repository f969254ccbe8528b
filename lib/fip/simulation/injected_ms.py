"""`fip inject`: a copy of a MeasurementSet with sources added to its visibilities. The copy says that it is one.

Nothing is ever written into the set that is given. The copy's PROJECT begins with FIP-INJECTED, in all rows of its
subtable OBSERVATION: sets that others split off it have that, too. `Observation.injected` knows it by that.
"""

import hashlib
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables

from fip.corrections.predict.feeds import correlated
from fip.corrections.predict.predicting import predict
from fip.data.errors import InputError, UsageError
from fip.data.settings import asked as asked_of
from fip.data.values import INJECTED, whole
from fip.imaging.noise import expected_noise
from fip.simulation.injecting import Field, Injecting, Source, by_slice, components, drawn, table_of
from fip.source.child import Child
from fip.source.cutting import Run, SliceInfo
from fip.source.open_run import open_run
from fip.source.tables.measurement_set import MeasurementSet

COLUMNS = ("DATA", "CORRECTED_DATA")
"""Those to which sources are added, if they are there and hold values."""

_LOOKED_AT = 5  # slices of a field from which its noise is measured
_AT_ONCE = 500  # slices to which sources are added in one call
_EPSILON = 1e-6  # of the sum of all flux densities, to which visibilities are right


@dataclass(frozen=True)
class _Plan:
    """What is going to be added."""

    sources: tuple[Source, ...]
    reference: float  # Hz
    columns: tuple[str, ...]


def inject(
    path: Path, output: Path, asked: Injecting, progress: Callable[[int, int], None] = lambda done, total: None
) -> Path:
    """Write the copy and, beside it, the list of what was put in; return the list's path.

    The copy appears under its name when it is whole. UsageError if a name is taken, or the set is not fit for it.
    """
    listing = output.with_name(f"{output.name.removesuffix('.ms')}.injected.ecsv")
    partial = output.with_name(f"{output.name}.partial")
    _check_place(path, output, listing)
    with Child.fork() as child:
        plan = child.call(_planned, path, asked)
        text = StringIO()
        table_of(plan.sources, asked, plan.reference).write(text, format="ascii.ecsv")
        digest = hashlib.sha256(text.getvalue().encode()).hexdigest()[:8]
        _make_way(partial)
        try:
            child.call(_copy, path, partial, digest)
            slices = list(by_slice(plan.sources).items())
            for first in range(0, len(slices), _AT_ONCE):
                child.call(_add, partial, slices[first : first + _AT_ONCE], plan.reference, plan.columns)
                progress(min(first + _AT_ONCE, len(slices)), len(slices))
            child.call(_check, partial)
            listing.write_text(text.getvalue())
            partial.rename(output)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return listing


def _check_place(path: Path, output: Path, listing: Path) -> None:
    if not output.name:
        raise UsageError(f"--output {output}: not a name for a MeasurementSet; OUT.ms would do")
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: the folder {output.parent} does not exist")
    for taken in (output, listing):
        if taken.exists() or taken.is_symlink():
            raise UsageError(f"--output {output}: {taken} exists; nothing is overwritten: choose another name")
    needed = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    free = shutil.disk_usage(output.parent).free
    if needed > free:
        raise UsageError(f"{output} needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there")


def _make_way(partial: Path) -> None:
    """Remove what an earlier try has left. UsageError if what is in the way is something else."""
    if not partial.exists():
        return
    if not (partial / "table.dat").is_file():
        raise UsageError(f"{partial} is in the way: move it")
    shutil.rmtree(partial)


def _planned(path: Path, asked: Injecting) -> _Plan:
    MeasurementSet(path).close()  # other recordings can be imaged, but not copied: it says so
    shown = {name: text for name, text in (("size", asked.size), ("scale", asked.scale)) if text}
    with closing(open_run(path, asked_of(stokes=(asked.stokes,), **shown))) as run:
        main = run.picked.main
        rows = main.rows(range(1))
        holding = [each for each in main.complex_columns() if rows.defined(each, 0)]
    columns = tuple(each for each in COLUMNS if each in holding)
    if not columns:
        raise UsageError(f"{path}: has neither DATA nor CORRECTED_DATA: there is nothing to add sources to")
    # The noise is measured best without the steady sky.
    without = "MODEL_DATA" in holding
    with closing(open_run(path, asked_of(stokes=(asked.stokes,), subtract_model=without, **shown))) as run:
        numbered = sorted(enumerate(run.slices), key=lambda each: (each[1].label, each[1].time))
        fields = [_field(run, label, list(group)) for label, group in groupby(numbered, key=lambda each: each[1].label)]
        return _Plan(drawn(asked, fields), whole(run.bands).centre, columns)


def _field(run: Run, label: str, slices: Sequence[tuple[int, SliceInfo]]) -> Field:
    """One of them, and its noise, that of some of its slices."""
    numbers = tuple(number for number, _ in slices)
    some = sorted({numbers[at * (len(numbers) - 1) // (_LOOKED_AT - 1)] for at in range(_LOOKED_AT)})
    cut = [run.read(number) for number in some]
    expected = [expected_noise(each.blocks, each.blocks) for each in cut if not each.empty]
    noise = [float(each[0]) for each in expected if len(each)]
    beam = next((each.nominal_beam.major for each in cut if each.nominal_beam), math.nan)
    half = (run.cadence or 0.0) / 2
    times = [info.time for _, info in slices]
    return Field(
        label, cut[0].grid, float(np.median(noise)) if noise else math.nan, beam, numbers,
        tuple(time - half for time in times), tuple(time + half for time in times),
    )  # fmt: skip


def _copy(path: Path, partial: Path, digest: str) -> None:
    """Make a deep copy, which is a table of its own even if the set is a reference to others."""
    with closing(tables.table(str(path), ack=False)) as original:
        original.copy(str(partial), deep=True).close()
    with closing(tables.table(f"{partial}/OBSERVATION", readonly=False, ack=False)) as observation:
        if not observation.nrows():
            observation.addrows(1)
        for row in range(observation.nrows()):
            there = observation.iscelldefined("PROJECT", row)
            before = str(observation.getcell("PROJECT", row)) if there else ""
            observation.putcell("PROJECT", row, f"{INJECTED} {digest} {before}".strip())


def _check(partial: Path) -> None:
    """Raise InputError if images of the copy would not be known as injected."""
    with closing(open_run(partial, asked_of())) as run:
        if not all(each.injected for each in run.observations.values()):
            raise InputError(f"{partial}: its OBSERVATION_ID names rows that are not in subtable OBSERVATION")


def _add(
    partial: Path, slices: Iterable[tuple[int, tuple[Source, ...]]], reference: float, columns: Sequence[str]
) -> None:
    """Add the sources to the visibilities of these slices."""
    with (
        closing(open_run(partial, asked_of())) as run,
        closing(tables.table(str(partial), readonly=False, ack=False)) as main,
    ):
        for number, sources in slices:
            for rows, window, observed in run.observed(number):
                found = components(sources, observed.frequency, reference)
                seen = correlated(predict(found, (), observed, _EPSILON), observed.correlations, observed.feed_angle)
                for column in columns:
                    _add_to(main, column, rows.numbers, window.order, seen)
        main.flush()


def _add_to(main: Any, column: str, numbers: Any, order: Any, seen: Any) -> None:
    """Add [row, channel, correlation], channels in the order of frequency, to rows of a column that have a cell."""
    for first, end, at in _stretches(np.asarray(numbers)):
        if main.iscelldefined(column, first):
            values = main.getcol(column, first, end - first)
            values[:, order] += seen[at : at + end - first]
            main.putcol(column, values, first, end - first)


def _stretches(numbers: Any) -> Iterable[tuple[int, int, int]]:
    """Yield stretches of rows: the first row, the one after the last, and the place of the first in `numbers` [row]."""
    edges = np.flatnonzero(np.diff(numbers) != 1) + 1
    for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(numbers)], strict=True):
        yield int(numbers[begin]), int(numbers[end - 1]) + 1, begin
