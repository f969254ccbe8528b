"""By rows: each baseline's sum over components by itself, for Gaussians, smearing, and baselines that do not close."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.corrections.predict.compiled import functions
from fip.corrections.predict.geometry import OMEGA, Doubles, gaussian_axes, offsets, turning
from fip.corrections.predict.spectral import Spectra
from fip.data.quantities import SPEED_OF_LIGHT

_RUNGS_PER_OCTAVE = 2  # baselines whose delays differ by less than 2^(1/2) share their nodes
_GAUSSIAN_REACH = 3.2  # full widths at half maximum, to either side: only 1e-12 of the light is further out


@dataclass(frozen=True, slots=True, eq=False)
class Baselines:
    """The rows of one integration."""

    rows: NDArray[np.intp]  # [row] its rows, by their numbers in the slice
    uvw: Doubles  # [row, 3] m
    interval: Doubles  # [row] s
    axes: Doubles  # [3, 3] unit vectors of u, v, w in ICRS
    pole: Doubles | None  # [3] ICRS, of the Earth's axis; None: nothing is smeared
    tracked: Doubles | None  # [3] ICRS, the centre that the correlator tracked; None: that of the phases


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """Components as rows need them."""

    towards: Doubles  # [component, 3] ICRS
    flux: Doubles  # [component, channel, stokes] Jy
    major: Doubles  # [component] rad, full width at half maximum; 0 for a point
    minor: Doubles
    angle: Doubles  # [component] rad, from ICRS north


def add_by_rows(
    baselines: Baselines, components: Extended, spectra: Spectra, width: Doubles, out: NDArray[np.complexfloating],
    precision: type[np.floating],
) -> None:  # fmt: skip
    """Add components to out[row, channel, stokes]; width[channel] Hz. They are smeared if the baselines have a pole.

    Smearing is sinc(width x delay) and sinc(f x interval x d(delay)/dt), of the delay from the tracked centre: means
    over a channel and an integration, in which that delay is taken to be linear.
    """
    axes, smeared = baselines.axes, baselines.pole is not None
    rest = offsets(axes, components.towards)
    tracked = rest if baselines.tracked is None else offsets(axes, components.towards, baselines.tracked)
    moved = np.zeros_like(baselines.uvw)
    if baselines.pole is not None:
        moved = turning(baselines.uvw, axes, baselines.pole) * baselines.interval[:, None]
    extended = bool(components.major.any())
    along, across = (
        each @ axes.T / SPEED_OF_LIGHT
        for each in gaussian_axes(components.towards, components.major, components.minor, components.angle)
    )
    delay = _longest_delays(baselines, rest, tracked if smeared else None, float(components.major.max(initial=0.0)))
    alike = not smeared or bool(np.ptp(width) <= 1e-9 * width.max())
    bandwidth = max(float(np.ptp(spectra.frequency)), 1e-30)
    rung = np.ceil(_RUNGS_PER_OCTAVE * np.log2(1 + delay * bandwidth)).astype(int)
    for each in np.unique(rung).tolist():
        here = np.flatnonzero(rung == each)
        # Factors that depend on the width of a channel are no function of frequency: all channels are nodes.
        nodes = spectra.nodes(float(delay[here].max()) if alike else np.inf)
        part = np.zeros((len(here), len(nodes.channels), components.flux.shape[2], 2), precision)
        functions().add_rows(
            np.ascontiguousarray(baselines.uvw[here].T), np.ascontiguousarray(moved[here].T),
            rest / SPEED_OF_LIGHT, tracked / SPEED_OF_LIGHT, along, across,
            spectra.frequency[nodes.channels], np.ascontiguousarray(width[nodes.channels]),
            np.ascontiguousarray(components.flux[:, nodes.channels], precision), extended, smeared, part,
        )  # fmt: skip
        predicted = part.view(np.result_type(precision, np.complex64))[..., 0]
        rows = baselines.rows[here]
        for stokes in range(predicted.shape[2]):
            out[rows, :, stokes] += nodes.spread(np.ascontiguousarray(predicted[:, :, stokes]))


def _longest_delays(baselines: Baselines, rest: Doubles, tracked: Doubles | None, major: float) -> Doubles:
    """Return a bound [row] of the delays in s of all light, and of what smearing takes from beside it."""
    u, v, w = np.abs(baselines.uvw).T
    east, north, deep = np.abs(rest).max(axis=0)
    radius = float(np.hypot(rest[:, 0], rest[:, 1]).max())
    path = np.minimum(u * east + v * north, np.hypot(u, v) * radius) + w * deep
    length = np.sqrt(u * u + v * v + w * w)
    path += length * major * _GAUSSIAN_REACH
    if tracked is not None:
        furthest = float(np.sqrt((tracked * tracked).sum(axis=1).max()))
        path += 0.5 * OMEGA * baselines.interval * length * furthest
    return np.asarray(path / SPEED_OF_LIGHT)


def cost(rows: int, components: int, nodes: int, planes: int) -> float:
    """Return the expected CPU seconds of one core of an EPYC of 2023 (Zen 4), in single precision."""
    return 2e-5 + rows * nodes * components * (3.5e-10 + 1.5e-10 * planes)
