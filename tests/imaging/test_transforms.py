"""Zeros that are not read, tiles that are not zeroed, memory that is not cached: the same bits as otherwise."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fip.data.values import Grid
from fip.imaging.slant import buffers
from fip.imaging.slant.fft import fft8, fft_plan, reads_ends
from fip.imaging.slant.grid import gridder, kernel_polynomials
from fip.imaging.slant.kernel import render
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.scheme import SCHEMES, SINGLE, Scheme
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.simd import Floats, aligned
from fip.imaging.slant.sky import render_sky
from fip.imaging.slant.sky_plan import make_sky_plan
from fip.imaging.slant.tiles import CELLS, add_tiles, clear_tiles, mark_tiles, tiles_across
from support.geometries import GEOMETRIES
from support.synthetic import array_uvw, make_block


@pytest.mark.parametrize("n", [8, 64, 120, 1024, 4608])
def test_what_is_known_to_be_zero_is_not_read(n: int) -> None:
    """NaN between n / 4 and 3 n / 4 make no difference, and the others are transformed as beside zeros."""
    radices, twiddles = fft_plan(n, "float32")
    assert reads_ends(radices, n, n // 4, n // 4)
    assert not reads_ends(radices, n, n // 4 + 1, 0)
    source, a, b = (aligned(16 * n, "float32") for _ in range(3))
    source[:] = np.random.default_rng(n).normal(size=source.size)
    middle = slice(n // 4 * 16, n * 3 // 4 * 16)
    source[middle] = 0
    expected = fft8(source, 0, 16, a, b, radices, twiddles, n).copy()
    source[middle] = np.nan
    np.testing.assert_array_equal(fft8(source, 0, 16, a, b, radices, twiddles, n, True), expected)


def test_a_transform_that_does_not_begin_with_eights_reads_all() -> None:
    """There are 100 points, 5 x 5 x 4."""
    assert not reads_ends(fft_plan(100, "float32")[0], 100, 1, 1)


@given(
    seed=st.integers(0, 10**6), count=st.integers(1, 40), channels=st.integers(1, 70), spread=st.floats(0, 0.6),
    terms=st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_all_that_is_gridded_is_in_marked_tiles(
    seed: int, count: int, channels: int, spread: float, terms: int
) -> None:
    """Cells beyond the marked tiles stay as they were, and those within are as on a grid of zeros."""
    rng = np.random.default_rng(seed)
    columns, height, row0 = 160, 96, 4
    frequency = np.sort(1 + spread * rng.random(channels))
    rows = np.column_stack([
        rng.uniform(-74, 74, count) / 1.6, rng.uniform(-86, 86, count) / 1.6, rng.normal(size=(count, 2)),
    ])  # fmt: skip
    visibility = np.exp(2j * np.pi * rng.random((count, channels))).astype(np.complex64)
    across, row_length = tiles_across(columns), columns * 2 * terms
    marks = np.zeros(height // 8 * across, np.uint8)
    mark_tiles(rows, frequency, 8, row0, columns // 2, across, marks)

    def gridded(grid: Floats) -> Floats:
        coefficients, odd = np.ones((terms, 2), np.float32), np.zeros(terms, np.int64)
        weights = kernel_polynomials(SINGLE)
        gridder(terms, 8, SINGLE.degree)(
            grid, row_length, row0, columns // 2, rows, frequency, visibility, weights, coefficients, odd
        )
        return grid

    zeros = aligned(height * row_length, "float32")
    expected = gridded(zeros)
    kept = np.full(zeros.size, 7, np.float32)
    clear_tiles(kept, row_length, 2 * terms, across, marks)
    made = gridded(kept)
    tile = np.arange(height)[:, None] // 8 * across + np.arange(columns) // CELLS
    marked = np.repeat(marks[tile].astype(bool).ravel(), 2 * terms)
    np.testing.assert_array_equal(made[marked], expected[marked])
    assert (made[~marked] == 7).all()
    assert not expected[~marked].any()


def test_tiles_of_a_part_are_added_or_taken() -> None:
    """What neither grid has marked counts as zero."""
    row_length, cell, across = 80 * 2, 2, tiles_across(80)
    one, two = np.full(16 * row_length, 3, np.float32), np.full(16 * row_length, 5, np.float32)
    marks, others = np.array([1, 0, 0, 1, 1, 0], np.uint8), np.array([1, 1, 0, 0, 0, 1], np.uint8)
    add_tiles(one, row_length, cell, across, marks, two, others)
    tiles = [one.reshape(2, 8, 80, 2)[tile // 3, :, tile % 3 * CELLS : (tile % 3 + 1) * CELLS] for tile in range(6)]
    assert [set(each.ravel()) for each in tiles] == [{8}, {5}, {3}, {3}, {3}, {5}]
    assert marks.tolist() == [1, 1, 0, 1, 1, 1]


@pytest.mark.parametrize("past", [False, True], ids=["cached", "past the caches"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=["1e-5", "1e-8", "1e-11"])
@pytest.mark.parametrize("name", ["flat", "low elevation", "tall"])
def test_no_image_holds_what_buffers_held(
    name: str, scheme: Scheme, past: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NaN in all of a thread's buffers every image has the same bits, by the slant and term by term."""
    blocks, grid = GEOMETRIES[name].blocks(scheme.finest, bright=False)
    makers: list[Callable[[Floats], None]] = [
        lambda out: render(make_plan(blocks, grid, scheme.finest), blocks, out),
        lambda out: render_sky(make_sky_plan(blocks, grid, scheme.finest, level=False), blocks, out),
        lambda out: render_sky(make_sky_plan(blocks, grid, scheme.finest, level=True), blocks, out),
    ]
    made = 0
    for make in makers:
        alone, after = (aligned(grid.height * grid.width, scheme.precision) for _ in range(2))
        shape = 1, grid.height, grid.width
        buffers.buffers.release()
        try:
            make(alone.reshape(shape))
        except UnsuitableError:
            continue
        monkeypatch.setattr(buffers, "LEAST_PAST", 0 if past else 1 << 60)
        poison()
        make(after.reshape(shape))
        assert after.tobytes() == alone.tobytes()
        assert np.isfinite(alone).all()
        made += 1
    assert made > 1


def poison() -> None:
    """NaN into all buffers of this thread."""
    for held in buffers.buffers._held.values():  # noqa: SLF001
        held[:] = np.nan


def test_batches_of_many_rows_hold_nothing_of_the_last_image() -> None:
    """Several batches are summed on this grid."""
    uvw = array_uvw(3, 200, 12.0, 1.3, 0.001)
    blocks = [make_block(uvw, np.array([1.5e8]), [(3e-3, 1e-3, 1.0)])]
    grid = Grid(64, 64, 1e-3, 0.0, 0.0, "FK5")
    plan = make_plan(blocks, grid, 1e-5)
    assert len(uvw) > max(4096, plan.shape.rows * plan.shape.columns // 4)
    alone, after = (np.empty((1, grid.height, grid.width), np.float32) for _ in range(2))
    buffers.buffers.release()
    render(plan, blocks, alone)
    poison()
    render(plan, blocks, after)
    assert after.tobytes() == alone.tobytes()
