"""The places that are watched, as part of a search: their fluxes in each image of a field, and what has changed.

What is found in each image is a JSON object: `what` is watch, with `label`, `time`, `stokes`, `flux` and `error`
[place][stokes],
and `changed`, a list of [place, stokes, S/N].
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.archive.followed import FollowedImage
from fip.data.values import Beam, Grid
from fip.events.settling import Begun
from fip.events.watching import Watched, pixels_of
from fip.events.words import Asked, Series
from fip.search.forced import Core, core_of
from fip.search.watching import History, look, threshold_of, watch_fluxes
from fip.search.words import beam_matrix

Finding = dict[str, Any]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Watch:
    """The places on the grid of a field, and what is known of their fluxes."""

    places: Floats  # [place, (x, y)] pixels
    core: Core
    threshold: float  # S/N of a change
    history: History = field(default_factory=History)


def new_watch(grid: Grid, first: Begun, series: tuple[Series, ...], asked: Asked) -> Watch | None:
    """Return a watch for the images of a field; None if nothing is watched, or all of it lies elsewhere."""
    places = pixels_of(grid, asked.watch)
    seen = int(np.isfinite(places[:, 0]).sum())
    if not seen:
        return None
    searched = series[0].searched
    planes = len({each.stokes for each in series})
    threshold = threshold_of(asked.budget, seen * planes, searched.cadence)
    return Watch(places, core_of(beam_matrix(Beam(*first.beam), grid.scale), searched.curvature), threshold)


def measured(watch: Watch, image: FollowedImage) -> Finding:
    """The fluxes in an image. Changes what it is given."""
    return _looked(watch, image.label, image.pixels, (image.entry.begin + image.entry.end) / 2, image.stokes)


def measured_first(watch: Watch, label: str, first: Begun, stokes: tuple[str, ...]) -> Finding:
    """The same of one of the first images."""
    return _looked(watch, label, first.pixels, (first.begin + first.end) / 2, stokes) | {"index": first.index}


def _looked(watch: Watch, label: str, pixels: NDArray[np.floating], time: float, stokes: tuple[str, ...]) -> Finding:
    fluxes = watch_fluxes(pixels, watch.places, watch.core)
    watch.history, changes = look(watch.history, fluxes, watch.threshold)
    return {
        "what": "watch", "label": label, "time": time, "stokes": stokes,
        "flux": _json(fluxes.flux), "error": _json(fluxes.error),
        "changed": [[each.place, each.stokes, each.snr] for each in changes],
    }  # fmt: skip


def row_of(place: int, run: str, index: int, finding: Any) -> Watched | None:
    """What a finding says of a place; None if the image does not show it."""
    flux, error = finding["flux"][place], finding["error"][place]
    if all(each is None for each in flux):
        return None
    changed = [0.0] * len(flux)
    for number, stokes, snr in finding["changed"]:
        if number == place:
            changed[stokes] = snr
    told = tuple(changed) if any(changed) else ()
    return Watched(float(finding["time"]), run, int(finding.get("index", index)), _floats(flux), _floats(error), told)


def _json(values: Floats) -> list[list[float | None]]:
    return [[each if np.isfinite(each) else None for each in row] for row in values.tolist()]


def _floats(values: list[float | None]) -> tuple[float, ...]:
    return tuple(np.nan if each is None else float(each) for each in values)
