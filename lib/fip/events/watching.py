"""Light curves of places that are watched, DIR/transients/watch/NAME.ecsv: written beside and put in place."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import QTable
from numpy.typing import NDArray

from fip.archive.folder import Folder
from fip.archive.lightcurve import Named, place_of, told
from fip.archive.tables import JY_PER_BEAM
from fip.data.errors import NoRoomError, UsageError
from fip.data.quantities import SECONDS_PER_DAY, iso_utc
from fip.data.values import Grid
from fip.events.words import FOLDER
from fip.search.variables import variability

WATCH = "watch"
"""The folder of these in that of what was found."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A place that is watched, in one image."""

    time: float  # s UTC since MJD 0, the middle of the exposure
    run: str
    index: int  # of the slice in its run
    flux: tuple[float, ...]  # [stokes] Jy/beam; NaN if there is none
    error: tuple[float, ...]  # [stokes] Jy/beam
    changed: tuple[float, ...] = ()  # [stokes] S/N of a change reported with this image, else 0; () for no change


def pixels_of(grid: Grid, watched: Sequence[Named]) -> NDArray[np.float64]:
    """[place, (x, y)] pixels from 0, of a grid; NaN of a place that it does not show."""
    found = np.full((len(watched), 2), np.nan)
    for number, each in enumerate(watched):
        try:
            found[number] = place_of(grid, each.place)
        except UsageError:
            continue
    return found


def write_watched(
    directory: Path, watched: Named, stokes: Sequence[str], rows: Iterable[Watched], folder: str = FOLDER
) -> Path:
    """Write all of the light curve of a place. Raises NoRoomError if it cannot be written."""
    path, name = directory / folder / WATCH, f"{watched.name}.ecsv"
    try:
        with closing(Folder(path)) as beside:
            beside.write_new(f"{name}.part", watch_table(watched, stokes, rows).encode())
            beside.replace(f"{name}.part", name)
            beside.sync()
    except OSError as error:
        raise NoRoomError(f"{path / name}: cannot be written: {error.strerror}") from None
    return path / name


def variables_table(curves: Mapping[str, Sequence[Watched]], stokes: Sequence[str]) -> QTable:
    """Return a row for each place and plane: how its light curve varies, as in TraP, and how many changes it had."""
    rows = [(name, number, list(of)) for name, of in curves.items() for number in range(len(stokes))]
    found = [variability([r.flux[n] for r in of], [r.error[n] for r in of]) for _, n, of in rows]
    changes = [[abs(each.changed[n]) for each in of if each.changed and each.changed[n]] for _, n, of in rows]
    table = QTable()
    table["name"] = np.array([name for name, _, _ in rows], str)
    table["stokes"] = np.array([stokes[number] for _, number, _ in rows], str)
    table["images"] = np.array([each.points for each in found], int)
    table["flux"] = np.array([each.mean for each in found], float) * JY_PER_BEAM
    for name in ("eta", "v", "modulation"):
        table[name] = np.array([getattr(each, name) for each in found], float)
    table["changes"] = np.array([len(each) for each in changes], int)
    table["largest"] = np.array([max(each, default=math.nan) for each in changes], float)
    table.meta["eta"] = "reduced chi^2 of a constant source (eta_nu of Swinbank et al. 2015)"
    table.meta["v"] = "standard deviation of the fluxes over their mean (V_nu there)"
    table.meta["modulation"] = "the same without what the errors make of it"
    table.meta["changes, largest"] = "how often a change was told, and the largest S/N of one"
    return table


def watch_table(watched: Named, stokes: Sequence[str], rows: Iterable[Watched]) -> str:
    """ECSV: a row an image, in order of time; for each plane flux, error, and the S/N of a reported change."""
    ordered = sorted(rows, key=lambda each: (each.time, each.run, each.index))
    table = QTable()
    table["time"] = np.array([iso_utc(each.time) for each in ordered], str)
    table["mjd"] = np.array([each.time / SECONDS_PER_DAY for each in ordered]) * units.day
    table["slice"] = np.array([each.index for each in ordered], int)
    for number, plane in enumerate(stokes):
        table[f"flux_{plane}"] = np.array([each.flux[number] for each in ordered], float) * JY_PER_BEAM
        table[f"error_{plane}"] = np.array([each.error[number] for each in ordered], float) * JY_PER_BEAM
        told_ = [each.changed[number] if each.changed else 0.0 for each in ordered]
        table[f"changed_{plane}"] = np.array([each or math.nan for each in told_], float)
    table["run"] = np.array([each.run for each in ordered], str)
    table.meta["name"], table.meta["position"] = watched.name, told(watched.place)
    table.meta["flux"] = "of a point source at this place, forced: apparent, no primary beam"
    table.meta["changed"] = "S/N of a change that was told with this image"
    text = StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()
