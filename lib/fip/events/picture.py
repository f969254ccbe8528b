"""The picture of an event: a film strip of what is around its place, and below it its light curve."""

import math
from collections.abc import Sequence

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fip.archive.curve_pictures import STYLE, days, draw_curve, png
from fip.archive.figure import ACCENT, MUTED
from fip.archive.render import COLOUR_MAP
from fip.data.directions import shown
from fip.data.quantities import iso_utc
from fip.events.cutouts import SIDE, Cutouts
from fip.events.measuring import Measured

FRAMES = 12
_LOWEST, _HIGHEST = -3.0, 8.0  # S/N; an event that is brighter sets the upper one


@matplotlib.style.context(STYLE, after_reset=True)
def event_picture(measured: Measured, cutouts: Cutouts) -> bytes:
    """A PNG: in S/N up to 12 frames, those that show the event with a bar below, and flux against time."""
    found, best = measured.found, measured.found.event.best
    frames = _frames(cutouts.on)
    drawing = Figure((12, 4.2), dpi=100, layout="constrained")
    labels = f", but {', '.join(found.labels)}" * bool(found.labels)
    drawing.suptitle(f"{found.id}: {found.kind}{labels}, S/N {best.snr:.1f}, {shown(measured.place)}", fontsize=11)
    film, below = np.asarray(drawing.subfigures(2, 1, height_ratios=[1, 2]), object)
    snr, sign = cutouts.snr, best.sign
    middle = sign * snr[np.array(cutouts.on, bool), SIDE // 2, SIDE // 2]
    top = max(_HIGHEST, float(np.nanmax(middle))) if np.isfinite(middle).any() else _HIGHEST
    for axes, number in zip(film.subplots(1, max(len(frames), 1), squeeze=False)[0], frames, strict=False):
        axes.imshow(sign * snr[number], COLOUR_MAP, origin="lower", vmin=_LOWEST, vmax=top, interpolation="nearest")
        axes.set_title(f"{cutouts.entries[number].index}", fontsize=8, color=ACCENT if cutouts.on[number] else MUTED)
        _plain(axes, cutouts.on[number])
    axes = below.subplots()
    number = measured.stokes.index(found.series.stokes) if found.series.stokes in measured.stokes else 0
    draw_curve(axes, [each.bands[0] for each in measured.samples], number, found.series.stokes)
    begin, end = days([found.begin, found.end])
    axes.axvspan(begin, end, color=ACCENT, alpha=0.15)
    axes.set_xlabel(f"UTC; on from {iso_utc(found.begin)[:19]} to {iso_utc(found.end)[:19]}", loc="left")
    return png(drawing)


def _frames(on: Sequence[bool]) -> list[int]:
    """Some before, those that show the event or, of many, some of them evenly, and some after."""
    shows = [number for number, each in enumerate(on) if each]
    if not shows:
        return []
    most = FRAMES - 4
    some = [shows[round(at)] for at in np.linspace(0, len(shows) - 1, min(most, len(shows)))]
    beside = math.ceil((FRAMES - len(some)) / 2)
    before = range(max(0, shows[0] - beside), shows[0])
    after = range(shows[-1] + 1, min(len(on), shows[-1] + 1 + FRAMES - len(some) - len(before)))
    return [*before, *some, *after]


def _plain(axes: Axes, on: bool) -> None:
    """Draw without ticks; with a bar below if it shows the event."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if on:
        axes.axhline(-0.5, color=ACCENT, linewidth=5)
