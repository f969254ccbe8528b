"""The visibilities of a model image: the reverse of gridding, right to epsilon. Pure."""

import logging
import math

import ducc0
import numpy as np
from numpy.typing import NDArray

from fip.corrections.observed import Observed
from fip.corrections.predict.geometry import Doubles, offsets
from fip.corrections.predict.spectral import Nodes, Spectra
from fip.corrections.sky.components import SkyImage
from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.rotations import icrs_axes
from fip.data.values import Grid
from fip.imaging.machine_code import machine_code_allowed

log = logging.getLogger("fip.corrections.predict")

_DUCC_SINGLE_PRECISION_EPSILON = 1e-5
_DUCC_SMALLEST_SIDE = 32
_DUCC_MARGIN = 0.7  # the share of epsilon that ducc0 is asked for, as for images
_NARROWEST = 1e-15  # rad^2: below it ducc0 finds no n, and the sky is flat
_FINEST_OF_SLANT = 1e-11  # epsilon
_NO_TURN = 1e-12  # turns
_RUNGS_PER_OCTAVE = 2  # baselines whose delays differ by less than 2^(1/2) share their nodes


def add_image(image: SkyImage, observed: Observed, epsilon: float, out: NDArray[np.complexfloating]) -> None:
    """Add the image's visibilities to out[row, channel], for any phase centre: it is turned exactly to the image's own.

    Between its planes it is linear in frequency, beyond them it is as the nearest plane.
    """
    axes = icrs_axes(image.centre).copy()
    axes[1] = np.cross(axes[2], axes[0])  # north was found by a step of finite length, which is off by 2e-12
    uvw, path = np.empty_like(observed.uvw), np.empty(len(observed.uvw))
    for each in np.unique(observed.integration).tolist():
        here = observed.integration == each
        uvw[here] = observed.uvw[here] @ (observed.axes[each] @ axes.T)
        path[here] = observed.uvw[here] @ offsets(observed.axes[each], axes[2:])[0]
    visible = _above_horizon(image)
    nodes = _nodes_of_rows(image, uvw, observed.frequency, epsilon)
    turn = _turns(path / SPEED_OF_LIGHT, observed.frequency, out.dtype)
    for plane, share in zip(visible, shares(image.frequency, observed.frequency), strict=True):
        if share.any():
            _add_plane(
                plane, image.scale, uvw, observed.frequency, nodes, epsilon, turn * share.astype(turn.dtype), out
            )


def shares(planes: Doubles, frequency: Doubles) -> Doubles:
    """Return the weights [plane, channel] of planes, so that channels between two planes are linear in frequency."""
    return np.stack([np.interp(frequency, planes, one) for one in np.eye(len(planes))])


def _above_horizon(image: SkyImage) -> NDArray[np.floating]:
    """Return the pixels, [frequency, y, x], 0 beyond the horizon."""
    height, width = image.pixels.shape[1:]
    if math.hypot(height, width) / 2 * image.scale < 1:
        return image.pixels
    x, y = ((np.arange(n) - n // 2) * image.scale for n in (width, height))
    return np.where(x * x + y[:, None] ** 2 >= 1, 0, image.pixels)


def _nodes_of_rows(
    image: SkyImage, uvw: Doubles, frequency: Doubles, epsilon: float
) -> list[tuple[NDArray[np.intp], Nodes]]:
    """Return the rows that share nodes, and these nodes: those of a flat spectrum."""
    height, width = image.pixels.shape[1:]
    east, north = width / 2 * image.scale, height / 2 * image.scale
    radius = min(math.hypot(east, north), 1.0)
    u, v, w = np.abs(uvw).T
    across = np.minimum(u * east + v * north, np.hypot(u, v) * radius)
    delay = (across + w * (1 - math.sqrt(1 - radius**2))) / SPEED_OF_LIGHT
    spectra = Spectra(frequency, 0, epsilon / 16)
    rung = np.ceil(_RUNGS_PER_OCTAVE * np.log2(1 + delay * float(np.ptp(frequency)))).astype(int)
    rows = [np.flatnonzero(rung == each) for each in np.unique(rung)]
    return [(here, spectra.nodes(float(delay[here].max()))) for here in rows]


def _turns(delay: Doubles, frequency: Doubles, dtype: np.dtype[np.complexfloating]) -> NDArray[np.complexfloating]:
    """Return exp(2 pi i delay frequency) [row, channel], or [1, 1] if that is 1."""
    if np.abs(delay).max() * frequency[-1] < _NO_TURN:
        return np.ones((1, 1), dtype)
    turns = delay[:, None] * frequency
    turns -= np.rint(turns)
    out = np.empty(turns.shape, dtype)
    phase = (2 * np.pi * turns).astype(out.real.dtype)
    out.real, out.imag = np.cos(phase), np.sin(phase)
    return out


def _add_plane(
    plane: NDArray[np.floating], scale: float, uvw: Doubles, frequency: Doubles,
    nodes: list[tuple[NDArray[np.intp], Nodes]], epsilon: float,
    factor: NDArray[np.complexfloating], out: NDArray[np.complexfloating],
) -> None:  # fmt: skip
    """out += factor x the visibilities of this plane alone, about its own centre."""
    predicted = _degridded(
        plane, scale, [uvw[rows] for rows, _ in nodes], [frequency[n.channels] for _, n in nodes], epsilon
    )
    for (rows, through), part in zip(nodes, predicted, strict=True):
        out[rows] += (factor[rows] if len(factor) > 1 else factor) * through.spread(part)


def _degridded(
    plane: NDArray[np.floating], scale: float, uvw: list[Doubles], frequencies: list[Doubles], epsilon: float
) -> list[NDArray[np.complexfloating]]:
    """sum pixel exp(2 pi i f/c (u l + v m + w (n - 1))), [row, node] of each block, by the slant kernel or ducc0."""
    if epsilon >= _FINEST_OF_SLANT and machine_code_allowed():
        # Late: they import numba, which takes half a second.
        from fip.imaging.slant.backwards import UnsuitableError, degrid_if_cheaper
        from fip.imaging.slant.warm import degridding_unless_warm

        degridding_unless_warm(epsilon)
        pixels = _even(plane, 2)
        try:
            grid = Grid(pixels.shape[1], pixels.shape[0], scale, 0.0, 0.0, "ICRS")
            return degrid_if_cheaper(uvw, frequencies, pixels, grid, epsilon)
        except UnsuitableError as unsuitable:
            log.debug("a model image is not degridded by the slant kernel: %s", unsuitable)
    return _by_ducc(_even(plane, _DUCC_SMALLEST_SIDE), scale, uvw, frequencies, epsilon)


def _even(plane: NDArray[np.floating], least: int) -> NDArray[np.floating]:
    """Return the same about the same middle pixel N/2, with even sides of at least so many pixels."""
    height, width = plane.shape
    shape = tuple(max(n + n % 2, least) for n in (height, width))
    if shape == plane.shape:
        return plane
    padded = np.zeros(shape, plane.dtype)
    top, left = shape[0] // 2 - height // 2, shape[1] // 2 - width // 2
    padded[top : top + height, left : left + width] = plane
    return padded


def _by_ducc(
    plane: NDArray[np.floating], scale: float, uvw: list[Doubles], frequencies: list[Doubles], epsilon: float
) -> list[NDArray[np.complexfloating]]:
    """Degrid by improved w-stacking (Arras et al. 2021, A&A 646, A58): any array, any field."""
    single = epsilon >= _DUCC_SINGLE_PRECISION_EPSILON
    visibilities = ducc0.wgridder.experimental.dirty2vis_bda(
        # as `kernels.dirty`: ducc0's axes are (-u, v) with u and v exchanged, the first is y and nothing is transposed
        uvw=np.ascontiguousarray(np.concatenate(uvw)[:, [1, 0, 2]]),
        flip_u=True,
        freqlist_id=np.repeat(np.arange(len(uvw), dtype=np.uint64), [len(each) for each in uvw]),
        freqlist_nfreqs=np.array([len(each) for each in frequencies], dtype=np.uint64),
        freqlist_freqs=np.concatenate(frequencies),
        dirty=np.ascontiguousarray(plane, np.float32 if single else np.float64),
        pixsize_x=scale,
        pixsize_y=scale,
        epsilon=max(_DUCC_MARGIN * epsilon, _DUCC_SINGLE_PRECISION_EPSILON if single else 2e-13),
        do_wgridding=(math.hypot(*plane.shape) / 2 * scale) ** 2 > _NARROWEST,
        divide_by_n=False,
        nthreads=1,
    )
    sizes = [len(rows) * len(each) for rows, each in zip(uvw, frequencies, strict=True)]
    parts = np.split(visibilities.ravel(), np.cumsum(sizes[:-1]))
    return [part.reshape(-1, len(each)) for part, each in zip(parts, frequencies, strict=True)]
