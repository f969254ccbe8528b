"""Arrays, skies and slices made up for tests of the science, small enough for the direct sum."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.settings import Imaging
from fip.data.values import Band, Block, Grid, Image, Observation, Slice, Times
from fip.imaging.kernels import Kernel
from fip.imaging.subbands import effective_bands
from fip.worker.stages import pass_through
from support.direct_sum import point_source

Source = tuple[float, float, float]  # l east, m north, flux


def array_uvw(seed: int, antennas: int, size: float, elevation: float, thickness: float = 0.01) -> NDArray[np.float64]:
    """uvw[baseline, 3] in m of antennas over `size` m, `thickness` of that in height, seen at `elevation` rad."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(antennas, 3)) * size * [1, 1, thickness]
    azimuth = rng.uniform(0, 2 * np.pi)
    level = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    source = np.cos(elevation) * level + np.sin(elevation) * np.array([0, 0, 1])
    east = np.array([-level[1], level[0], 0])
    first, second = np.triu_indices(antennas, 1)
    uvw: NDArray[np.float64] = (places[second] - places[first]) @ np.stack([east, np.cross(source, east), source]).T
    return uvw


def make_block(
    uvw: NDArray[np.float64],
    frequency: NDArray[np.float64],
    sky: Sequence[Source],
    epsilon: float = 1e-5,
    seed: int = 0,
    channel_out: int = 0,
) -> Block:
    """One Stokes of a sky of point sources, random weights, a tenth of the samples flagged."""
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 1.5, (1, len(uvw), len(frequency)))
    weight *= rng.random(weight.shape) > 0.1
    visibility = weight * sum(point_source(uvw, frequency, *source) for source in sky)
    single = epsilon >= 1e-6
    return Block(
        channel_out,
        uvw,
        frequency,
        visibility.astype(np.complex64 if single else np.complex128),
        weight.astype(np.float32 if single else np.float64),
    )


def make_slice(blocks: Sequence[Block], grid: Grid, **changes: Any) -> Slice:
    """A slice of these blocks, channel beside channel, as an instrument with a full set of papers would observe it."""
    channels = 1 + max((block.channel_out for block in blocks), default=0)
    planes = len(blocks[0].weight) if blocks else 1
    weights, counts = np.zeros((planes, channels)), np.zeros((planes, channels), np.int64)
    for block in blocks:
        weights[:, block.channel_out] += block.weight.sum(axis=(1, 2), dtype=np.float64)
        counts[:, block.channel_out] += np.count_nonzero(block.weight, axis=(1, 2))
    widths = [np.gradient(b.frequency) if len(b.frequency) > 1 else np.full(1, 1e6) for b in blocks]
    slice_ = Slice(
        run="0123456789abcdef",
        label="",
        index=4,
        attempt=1,
        integration=7,
        times=Times(begin=5.1e9 + 0.123456, average=5.1e9 + 1.123456, end=5.1e9 + 2.123456, exposure=1.9),
        grid=grid,
        bands=tuple(Band(1.4e9 + 1e7 * channel, 1e7) for channel in range(channels)),
        effective=effective_bands(blocks, widths, (planes, channels)),
        observation=Observation(
            measurement_set="night.ms",
            telescope="MeerKAT",
            observer="A. Observer",
            project="P1",
            field="J0408-6545",
            position=(5109360.0, 2006852.0, -3238948.0),
            antennas=64,
            column="CORRECTED_DATA",
            correlations=("XX", "YY"),
            frequency_frame="TOPOCENT",
        ),
        settings=Imaging(stokes=("I", "Q", "U", "V")[:planes], epsilon=1e-5, kernel="wgridder", weight="natural"),
        blocks=tuple(blocks),
        sum_of_weights=weights,
        visibilities=counts,
        samples=sum(block.weight[0].size for block in blocks) or 100,
        nominal_beam=None,
    )
    return replace(slice_, **changes)


def image_slice(slice_: Slice, kernel: Kernel) -> Image:
    """The dirty image that a worker's stages make of a slice."""
    return pass_through(slice_, kernel)[0].images["dirty"]
