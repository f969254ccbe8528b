"""Spectral compression, against the direct sum of what it was given."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC
from fip.data.settings import Imaging, asked
from fip.data.values import Block, Grid, Slice
from fip.imaging.beam import fit_beam
from fip.imaging.compression import compress, compress_blocks, longest_delay, reduction
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.source.open_run import open_run
from fip.wire.codec import encode_slice, size
from fip.wire.messages import PipelineStatus
from support.direct_sum import direct_sum, pixel_directions
from support.mesh import Mesh
from support.synthetic import Source, array_uvw, make_block, make_slice

LIGHT = 299792458.0


def samples(blocks: Sequence[Block]) -> int:
    """Visibilities of one Stokes that travel."""
    return sum(len(block.uvw) * len(block.frequency) for block in blocks)


def places(grid: Grid, seed: int, number: int = 40) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """l and m of random pixels, of the four corners and the edges' middles, as far as they are sky."""
    east, north = pixel_directions(grid)
    random = np.random.default_rng(seed).integers(0, east.size, number)
    sides = np.ravel_multi_index(
        np.meshgrid([0, grid.height // 2, grid.height - 1], [0, grid.width // 2, grid.width - 1]), east.shape
    )
    pick = np.concatenate([random, sides.ravel()])
    pick = pick[east.ravel()[pick] ** 2 + north.ravel()[pick] ** 2 < 1]
    return east.ravel()[pick], north.ravel()[pick]


@dataclass(frozen=True)
class Geometry:
    """An array and a field, at wavelengths about 0.2 m, with a band of 10 %."""

    size: float = 100.0  # m
    elevation: float = 1.0
    thickness: float = 0.01
    antennas: int = 8
    fringes: float = 16.0  # of the longest baseline across the image
    shape: tuple[int, int] = (64, 48)
    channels: int = 40

    def slice(self, epsilon: float, bright: bool) -> Slice:
        """Two sources in the field, one of them near a corner; with `bright` one a hundred times brighter outside."""
        uvw = array_uvw(1, self.antennas, self.size, self.elevation, self.thickness)
        frequency = np.linspace(0.95, 1.05, self.channels) * LIGHT / 0.2
        finest = 1.05 * np.hypot(uvw[:, 0], uvw[:, 1]).max() / 0.2
        scale = min(self.fringes / finest, 2.2) / max(self.shape)
        grid = Grid(*self.shape, scale, 0.0, 0.0, "FK5")
        width, height = (min(scale * side / 2, 0.7) for side in self.shape)
        sky: list[Source] = [(0.3 * width, -0.4 * height, 1.0), (-0.97 * width, 0.96 * height, 0.5)]
        if bright:
            radius = min(3.1 * max(width, height), 0.9)
            sky.append((0.8 * radius, -0.55 * radius, 100.0))
        block = make_block(uvw, frequency, sky, epsilon)
        return make_slice(
            [block], grid, settings=Imaging(stokes=("I",), epsilon=epsilon, kernel="wgridder", weight="natural")
        )


GEOMETRIES = {
    "flat": Geometry(),
    "low elevation": Geometry(elevation=0.1),
    "mountains": Geometry(elevation=0.5, thickness=0.5),
    "larger field": Geometry(fringes=60.0, shape=(120, 90)),
    "all sky": Geometry(size=3, elevation=1.4, fringes=np.inf),
    "tall": Geometry(shape=(34, 80), elevation=0.3),
    "stamp": Geometry(fringes=4.0, shape=(24, 16), elevation=0.3),
}


@pytest.mark.parametrize("bright", [False, True], ids=["field", "100x outside"])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5, 1e-8, 1e-11])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_image_is_as_accurate_as_asked(name: str, epsilon: float, bright: bool) -> None:
    """The contract, L2(image - direct sum) <= epsilon L2(direct sum), holds for the image of a compressed slice."""
    slice_ = GEOMETRIES[name].slice(epsilon, bright)
    compressed = compress(slice_)
    assert samples(compressed.blocks) < 0.8 * samples(slice_.blocks)
    east, north = pixel_directions(slice_.grid)
    sky = east**2 + north**2 < 1
    exact = direct_sum(slice_.blocks, east[sky], north[sky])[0] / slice_.sum_of_weights
    image = dirty_image(compressed, make_kernel(slice_.settings, slice_.grid)).pixels[0, 0][sky]
    assert np.linalg.norm(image - exact) <= epsilon * np.linalg.norm(exact)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_channels_give_the_same_sums(data: st.DataObject) -> None:
    """However channels are spaced, and whatever the visibilities: |error| <= epsilon/4 sum |V| at pixels of the grid.

    The same of the weights, whose sum is the point spread function. Rounding in single precision adds a 1e-7 of that.
    """
    seed = data.draw(st.integers(0, 10**6), "seed")
    epsilon = data.draw(st.sampled_from([1e-2, 1e-3, 1e-5, 1e-6, 1e-7, 1e-9, 1e-11]), "epsilon")
    channels = data.draw(st.integers(2, 300), "channels")
    fringes = 10 ** data.draw(st.floats(0, 3), "fringes")
    spacing = data.draw(st.sampled_from(["even", "random", "gap", "clusters"]), "spacing")
    rng = np.random.default_rng(seed)
    steps = {
        "even": np.ones(channels),
        "random": rng.random(channels) + 1e-3,
        "gap": np.where(np.arange(channels) == channels // 2, channels, 1.0),
        "clusters": 10.0 ** rng.integers(-3, 3, channels),
    }[spacing]
    frequency = 1.5e9 * (1 + rng.uniform(0.001, 0.5) * np.cumsum(steps) / steps.sum())
    uvw = array_uvw(seed, 6, 100.0, rng.uniform(0.1, 1.5), rng.uniform(0, 0.3))
    scale = fringes * 0.2 / np.abs(uvw).max() / 48
    grid = Grid(64, 48, min(scale, 0.03), 0.0, 0.0, "FK5")
    block = make_block(uvw, frequency, [(0.3, 0.4, 1.0)], epsilon, seed)
    block = replace(
        block, visibility=(block.weight * rng.normal(size=block.weight.shape)).astype(block.visibility.dtype)
    )
    compressed = compress_blocks([block], grid, epsilon)
    east, north = places(grid, seed)
    for before, after in ((block, compressed), (psf_of([block])[0], psf_of(compressed))):
        error = direct_sum(after, east, north) - direct_sum([before], east, north)
        rounding = np.finfo(block.weight.dtype).eps
        assert np.abs(error).max() <= (epsilon / 4 + 4 * rounding) * np.abs(before.visibility).sum()


def psf_of(blocks: Sequence[Block]) -> list[Block]:
    """Blocks whose image is the point spread function."""
    return [replace(block, visibility=block.weight.astype(block.visibility.dtype)) for block in blocks]


@pytest.mark.parametrize("epsilon", [1e-3, 1e-5, 1e-11])
def test_noise_is_not_amplified(epsilon: float) -> None:
    """No channel goes into a node with a weight above 1.5, and nodes are ascending frequencies of the window."""
    channels = 60
    frequency = np.linspace(1.4e9, 1.5e9, channels)
    weight = np.eye(channels)[None]  # row c has nothing but channel c
    for length in np.geomspace(20, 6000, 20):
        uvw = np.tile([length, -0.7 * length, 0.2 * length], (channels, 1))
        block = Block(0, uvw, frequency, weight.astype(np.complex128), weight)
        (compressed,) = compress_blocks([block], Grid(512, 512, 2 * ARCSEC, 0.0, 0.0, "FK5"), epsilon)
        assert len(compressed.frequency) < channels
        assert np.abs(compressed.weight).max() <= 1.5
        assert (np.diff(compressed.frequency) > 0).all()
        assert np.isin(compressed.frequency, frequency).all()


@pytest.mark.parametrize("shape", [(120, 90), (8, 6)], ids=["image", "stamp"])
@pytest.mark.parametrize("elevation", [1.2, 0.1])
@pytest.mark.parametrize("core", [False, True], ids=["spread", "with a core"])
def test_beam_is_the_same(core: bool, elevation: float, shape: tuple[int, int]) -> None:
    """The ellipse fitted to compressed weights is that of the weights, to 1e-4, even if the image is smaller.

    With a dense core the main lobe's foot is as wide as many fringes of the long baselines, and the band is wide.
    """
    uvw = array_uvw(3, 12, 100.0, elevation)
    if core:
        uvw = np.concatenate([uvw, array_uvw(3, 12, 5.0, elevation)])
    block = make_block(uvw, np.linspace(0.7, 1.3, 64) * 1.5e9, [(0.0, 0.0, 1.0)])
    block.weight[...] *= np.linspace(0.2, 2, 64, dtype=np.float32)
    block.weight[:, ::3, 30:] = 0
    compressed = compress_blocks([block], Grid(*shape, 0.05 / np.abs(uvw).max(), 0.0, 0.0, "FK5"), 1e-5)
    assert samples(compressed) < samples([block]) / 2
    before, after = fit_beam([block]), fit_beam(compressed)
    assert before is not None
    assert after is not None
    assert (after.major, after.minor) == pytest.approx((before.major, before.minor), rel=1e-4)
    turned = (after.angle - before.angle + np.pi / 2) % np.pi - np.pi / 2
    assert abs(turned) < 1e-4 / (1 - before.minor / before.major)


def test_delay_bounds_every_pixel() -> None:
    """No pixel of the sky sees a longer delay than the bound, and some see nearly that."""
    uvw = array_uvw(2, 7, 100.0, 0.7, 0.3)
    for grid in (Grid(64, 32, 1e-3, 0.0, 0.0, "FK5"), Grid(64, 64, 0.05, 0.0, 0.0, "FK5")):
        east, north = pixel_directions(grid)
        sky = east**2 + north**2 < 1
        n = np.sqrt(1 - east[sky] ** 2 - north[sky] ** 2)
        delay = np.abs(uvw @ np.stack([east[sky], north[sky], n - 1])).max(axis=1) / LIGHT
        bound = longest_delay(uvw, grid)
        assert (delay <= bound * (1 + 1e-12)).all()
        assert (delay / bound).max() > 0.9


def test_only_samples_change() -> None:
    """Windows, output channels, Stokes and precision stay apart; sums, counts and all else stay what they were."""
    uvw = array_uvw(1, 8, 100.0, 0.9)
    grid = Grid(64, 48, 20 * ARCSEC, 0.0, 0.0, "FK5")
    first = make_block(uvw, np.linspace(1.0e9, 1.1e9, 40), [(0.0, 0.0, 1.0)])
    second = make_block(uvw[:9], np.linspace(1.2e9, 1.3e9, 30), [(0.0, 0.0, 3.0)], channel_out=1)
    blocks = [
        replace(block, visibility=block.visibility.repeat(2, 0), weight=block.weight.repeat(2, 0) * [[[1]], [[2]]])
        for block in (first, second)
    ]
    blocks = [replace(block, weight=block.weight.astype(np.float32)) for block in blocks]
    before = make_slice(blocks, grid)
    after = compress(before)
    for field in fields(Slice):
        if field.name != "blocks":
            assert getattr(after, field.name) is getattr(before, field.name)
    for channel, block in enumerate(blocks):
        parts = [part for part in after.blocks if part.channel_out == channel]
        assert samples(parts) < samples([block]) / 2
        assert {(part.visibility.dtype, part.weight.dtype) for part in parts} == {(np.dtype("c8"), np.dtype("f4"))}
        assert all(np.isin(part.frequency, block.frequency).all() for part in parts)
        np.testing.assert_array_equal(
            np.sort(np.concatenate([part.uvw for part in parts]), axis=0), np.sort(block.uvw, axis=0)
        )
    east, north = places(grid, 1)
    error = direct_sum(after.blocks, east, north) - direct_sum(blocks, east, north)
    scale = sum(np.abs(block.visibility).sum(axis=(1, 2)) for block in blocks)
    assert (np.abs(error).max(axis=1) <= 3e-6 * scale).all()


@pytest.mark.parametrize(
    ("channels", "width"), [(1, 1e5), (4, 1e5), (64, 1e9)], ids=["one channel", "four", "a wide field"]
)
def test_what_would_not_get_smaller_stays_as_it_is(channels: int, width: float) -> None:
    """A channel, a few, or many in a field with as many fringes of delay: the block goes on untouched."""
    block = make_block(array_uvw(1, 8, 3000.0, 0.9), 1.4e9 + np.linspace(0, width, channels), [(0.0, 0.0, 1.0)])
    after = compress_blocks([block], Grid(4096, 4096, 2 * ARCSEC, 0.0, 0.0, "FK5"), 1e-5)
    assert len(after) == 1
    assert after[0] is block
    assert reduction([block], after) == ""


def test_a_thousand_channels_travel_in_half_a_megabyte() -> None:
    """2016 baselines of 1024 channels, 24.8 MB, for 1024 x 1024 pixels of 1.5 arcsec; a tenth of them is summed."""
    uvw = array_uvw(1, 64, 1300.0, 0.9)
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.5, 1.5, (1, len(uvw), 1024)).astype(np.float32)
    visibility = weight * np.exp(2j * np.pi * rng.random(weight.shape)).astype(np.complex64)
    block = Block(0, uvw, np.linspace(1.3e9, 1.4e9, 1024), visibility, weight)
    slice_ = make_slice([block], Grid(1024, 1024, 1.5 * ARCSEC, 0.0, 0.0, "FK5"))
    compressed = compress(slice_)
    assert size(encode_slice(slice_)) > 24.7e6
    assert size(encode_slice(compressed)) < 0.5e6
    assert reduction(slice_.blocks, compressed.blocks).startswith("spectral compression: 1024 channels to 1")
    tenth = Block(0, uvw[::10], block.frequency, visibility[:, ::10], weight[:, ::10])
    east, north = places(slice_.grid, 1, number=6)
    exact = direct_sum([tenth], east, north)
    error = direct_sum(compress_blocks([tenth], slice_.grid, 1e-5), east, north) - exact
    assert np.linalg.norm(error) <= 1e-5 / 2 * np.linalg.norm(exact)


def test_the_ventilator_sends_what_is_compressed(simulated_ms: Path, tmp_path: Path) -> None:
    """Its counter of bytes shows that slices travel with fewer samples than they are cut with, as the note has said."""
    selection = asked(size=(400, 400), scale=2 * ARCSEC)
    run = open_run(simulated_ms, selection)
    cut = size(encode_slice(run.read(0)))
    run.close()
    assert any(note.startswith("spectral compression: 32 channels") for note in run.notes)
    sent: list[float] = []

    def done(status: PipelineStatus) -> bool:
        sent.append(status.ventilator.counters["bytes_out"] / max(1, status.ventilator.counters["slices"]))
        return mesh.job(status, job).state == "done"

    with Mesh(tmp_path / "mesh", workers=1) as mesh:
        job = mesh.submit([simulated_ms], selection)
        mesh.wait(done)
    assert 0 < sent[-1] < 0.7 * cut
