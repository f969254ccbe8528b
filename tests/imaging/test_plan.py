"""What is decided of a slice: from that slice alone, with as few terms as need be, whatever its uvw are."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.settings import Imaging
from fip.data.values import Block, Grid
from fip.imaging.kernels import make_kernel
from fip.imaging.slant.basis import make_basis
from fip.imaging.slant.plan import Plane, make_plan
from fip.imaging.slant.rows import in_bins, look_at
from fip.imaging.slant.scheme import SINGLE
from fip.imaging.slant.sheet import UnsuitableError
from support.geometries import GEOMETRIES
from support.repository import TESTS
from support.synthetic import array_uvw, make_block

KINDS = ("mountains", "flat", "low elevation", "wide field", "three antennas", "all sky")


def digests(names: tuple[str, ...]) -> dict[str, str]:
    """Return the digest of an image of each geometry, made in this order."""
    found = {}
    for name in names:
        blocks, grid = GEOMETRIES[name].blocks(1e-5, bright=False)
        out = np.zeros((1, grid.height, grid.width), np.float32)
        make_kernel(Imaging(stokes=("I",), epsilon=1e-5, kernel="slant", weight="natural"), grid).image(blocks, out)
        found[name] = hashlib.sha256(out.tobytes()).hexdigest()
    return found


ELSEWHERE = "import test_plan; print(test_plan.digests(tuple(reversed(test_plan.KINDS))))"


def test_a_slice_has_the_same_bits_first_last_and_in_another_process() -> None:
    """What is kept of terms is a function of constants: there, each is imaged after the others, in the other order."""
    here = digests(KINDS)
    assert digests(KINDS) == here
    paths = [str(TESTS), str(TESTS / "imaging"), *sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    there = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == str(dict(reversed(here.items())))


def fewest_terms(height: NDArray[np.float64], power: NDArray[np.float64], reach: float, tolerance: float) -> int:
    """Return the terms of the shortest sum for these baselines: singular values, in the mean over y and the power."""
    nodes, weights = np.polynomial.legendre.leggauss(48)
    y, over_y = (nodes + 1) / 2, np.sqrt(weights / 2)
    over_t = np.sqrt(power / power.sum())
    values = np.concatenate([
        np.linalg.svd(over_y[:, None] * function(reach * np.outer(y, np.abs(height))) * over_t, compute_uv=False)
        for function in (np.cos, np.sin)
    ])  # fmt: skip
    left_out = np.sqrt(np.cumsum(np.sort(values) ** 2))
    return max(1, len(values) - int(np.searchsorted(left_out, tolerance, side="right")))


def test_a_ladder_has_hardly_more_terms_than_need_be() -> None:
    """Heights as of rough ground: at most one term more than the shortest sum has, and that one time in five at most.

    A rung of a law that is far from this (all power at one height, say) has several more.
    """
    more = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        height, power = rng.normal(size=300), rng.exponential(size=300)
        height /= np.abs(height).max()
        reach, tolerance = float(10 ** rng.uniform(-2.5, 1)), float(rng.choice([1.5e-4, 1.5e-6, 1.5e-9]))
        basis = make_basis(height, power, reach, tolerance, "float64")
        more.append(basis.terms - fewest_terms(height, power, reach, tolerance))
    assert min(more) >= 0
    assert max(more) <= 1
    assert np.mean(more) < 0.2


def test_the_number_of_terms_goes_by_the_very_power_of_the_baselines() -> None:
    """If all power is high up, or none is but a hundredth, the terms are right there, whatever rung they are of."""
    rng = np.random.default_rng(1)
    y = rng.uniform(-1, 1, 4000)
    for share in (1.0, 1e-2, 1e-4):
        height = np.concatenate([rng.uniform(0.9, 1, 200), rng.uniform(0, 0.01, 200)])
        power = np.repeat([share / 200, (1 - share) / 200], 200)
        tolerance, reach = 1.5e-6, 4.0
        basis = make_basis(height, power, reach, tolerance, "float64")
        t = rng.choice(height, 4000, p=power / power.sum()) if share > 0.1 else rng.uniform(0.9, 1, 4000)
        error = np.mean(np.abs(basis.screen(y, t) - np.exp(-1j * reach * y * t)) ** 2)
        assert np.sqrt(error * share) < 1.2 * tolerance


def test_bins_have_the_power_and_the_heights_of_all_rows() -> None:
    """Their means are those of the rows; the mean square is too low by no more than that within a bin."""
    rng = np.random.default_rng(2)
    visibility = rng.normal(size=(2, 5000, 3)).astype(np.complex64)
    block = Block(0, rng.normal(size=(5000, 3)), np.array([1e8, 1.1e8, 1.2e8]), visibility, visibility.real)
    rows = look_at([block], SINGLE)
    plane = Plane.level(rows)
    deepest = float(plane.longest[2])
    height, power = in_bins(plane.baselines, rows.power, rows.bands, deepest)
    exact = np.abs(block.uvw[:, 2]) / np.abs(block.uvw[:, 2]).max()
    np.testing.assert_allclose(rows.power, (visibility.real.astype(float) ** 2).sum(axis=(0, 2)), rtol=1e-12)
    assert power.sum() == pytest.approx(rows.power.sum(), rel=1e-12)
    assert power @ height == pytest.approx(rows.power @ exact, rel=1e-12)
    lacking = 1 - (power @ height**2) / (rows.power @ exact**2)
    assert 0 <= lacking <= (1 / len(height)) ** 2 / 4 / np.average(exact**2, weights=rows.power)


def test_the_plane_is_that_of_least_squares() -> None:
    """It is the one that numpy finds, in either orientation; along an axis without extent there is no slope."""
    block = make_block(array_uvw(3, 12, 300.0, 0.5), np.array([1.0e9]), [(0.0, 0.0, 1.0)])
    turns = [block.uvw, block.uvw[:, [1, 0, 2]], block.uvw * [1, 0, 1], block.uvw * [0, 0, 1]]
    for uvw in turns:
        rows = look_at([Block(0, uvw, block.frequency, block.visibility, block.weight)], SINGLE)
        slope = np.linalg.lstsq(uvw[:, :2], uvw[:, 2], rcond=1e-9)[0]
        plane = Plane.fit(rows)
        expected = (slope[0], -slope[1]) if plane.transposed else (-slope[1], slope[0])
        assert (plane.a, plane.b) == pytest.approx(expected, rel=1e-9, abs=1e-12)
        u, v, d = plane.baselines
        np.testing.assert_allclose(plane.a * u + plane.b * v + d, uvw[:, 2], rtol=0, atol=1e-9)


@pytest.mark.parametrize("far", [1e9, 1e30, 1e160, np.nan, np.inf])
def test_uvw_beyond_reason_have_no_plan(far: float) -> None:
    """A slice of such is not imaged through a slanted image, and nothing waits for it."""
    uvw = array_uvw(3, 5, 300.0, 0.5)
    uvw[3] *= far
    ones = np.ones((1, len(uvw), 1), np.complex64)
    with pytest.raises(UnsuitableError):
        make_plan([Block(0, uvw, np.array([1.0e9]), ones, ones.real)], Grid(64, 48, 1e-4, 0.0, 0.0, "FK5"), 1e-5)
