"""Rows grouped into integrations whatever their order, within a bounded memory."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.source.index import stretches
from fip.source.index.indexer import Indexer
from fip.source.index.row_index import CHUNK, RowIndex

Columns = dict[str, NDArray[Any]]
PAIRS = np.stack(np.triu_indices(6), axis=1).astype(np.int32)  # autocorrelations, too


def observed(dumps: int, scan: int, windows: int, jitter: float, seed: int) -> Columns:
    """Rows in order of time: dumps of 10 s in scans of so many, two fields in turn.

    TIMEs of the baselines of a dump are up to `jitter` s apart, the same in all windows.
    """
    baselines = len(PAIRS)
    late = jitter * np.random.default_rng(seed).random((dumps, 1, baselines))
    dump = np.repeat(np.arange(dumps), windows * baselines)
    pair = np.tile(PAIRS, (dumps * windows, 1))
    ids = {name: np.zeros(dump.size, np.int32) for name in ("OBSERVATION_ID", "ARRAY_ID")}
    return ids | {
        "TIME": 5e9 + 10.0 * dump + np.repeat(late, windows, axis=1).ravel(),
        "INTERVAL": np.full(dump.size, 10.0),
        "ANTENNA1": pair[:, 0],
        "ANTENNA2": pair[:, 1],
        "UVW": 100.0 * (pair[:, :1] - pair[:, 1:]) * np.ones(3),
        "SCAN_NUMBER": (dump // scan).astype(np.int32),
        "FIELD_ID": (dump // scan % 2).astype(np.int32),
        "DATA_DESC_ID": np.tile(np.repeat(np.arange(windows, dtype=np.int32), baselines), dumps),
    }


def chunks(columns: Columns, size: int) -> Iterator[Columns]:
    """Rows `size` at a time."""
    for first in range(0, columns["TIME"].size, size):
        yield {name: values[first : first + size] for name, values in columns.items()}


def indexed(columns: Columns, size: int) -> RowIndex:
    """The index of these rows, which have cross-correlations."""
    index = Indexer().feed(chunks(columns, size)).index()
    assert index is not None
    return index


def rows_of(index: RowIndex, number: int) -> NDArray[np.int64]:
    """The rows of an integration."""
    return np.asarray(index.rows_of([number])[0])


@given(
    dumps=st.integers(1, 12),
    scan=st.integers(1, 5),
    windows=st.integers(1, 3),
    jitter=st.sampled_from([0.0, 2.0]),
    seed=st.integers(0, 99),
    size=st.integers(7, 400),
    block=st.integers(3, 100),
)
@example(dumps=7, scan=1, windows=2, jitter=0.0, seed=0, size=85, block=3)  # two dumps that an edge of chunks cuts
@example(dumps=10, scan=2, windows=2, jitter=2.0, seed=1, size=118, block=3)  # few rows, whose cadence is a guess
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_does_not_matter(
    dumps: int, scan: int, windows: int, jitter: float, seed: int, size: int, block: int
) -> None:
    """Every cross-correlation is in the one integration of its dump, whether rows are in order or in none.

    Chunks and the blocks that stretches are worked on in are of any size: no edge of theirs is one of the data.
    """
    columns = observed(dumps, scan, windows, jitter, seed)
    order = np.random.default_rng(seed).permutation(columns["TIME"].size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "BLOCK", block)
        tidy = indexed(columns, columns["TIME"].size)
        mixed = indexed({name: values[order] for name, values in columns.items()}, columns["TIME"].size)
        chunked = indexed(columns, max(size, 2 * windows * len(PAIRS)))
    dump = np.repeat(np.arange(dumps), windows * len(PAIRS))
    cross = columns["ANTENNA1"] != columns["ANTENNA2"]
    assert len(tidy) == len(mixed) == len(chunked) == dumps
    for number in range(dumps):
        expected = np.flatnonzero(cross & (dump == number))
        for index, rows in ((tidy, None), (mixed, order), (chunked, None)):
            found = rows_of(index, number)
            assert (np.diff(found) > 0).all()
            here = np.sort(found if rows is None else rows[found])
            assert set(expected) <= set(here.tolist())
            assert (dump[here] == number).all()
    counted = np.full((dumps, windows), np.count_nonzero(PAIRS[:, 0] != PAIRS[:, 1]))
    for index in (tidy, mixed, chunked):
        np.testing.assert_array_equal(index.rows_of_window, counted)
    np.testing.assert_array_equal(tidy.field, mixed.field)
    np.testing.assert_array_equal(tidy.scan, mixed.scan)
    np.testing.assert_allclose(tidy.time, mixed.time, atol=1)  # a mean over other stretches: TIMEs jitter
    assert (tidy.first_time, tidy.last_time) == (mixed.first_time, mixed.last_time)
    assert replace(tidy.coverage, rms_baseline=0) == replace(mixed.coverage, rms_baseline=0)
    assert tidy.coverage.rms_baseline == pytest.approx(mixed.coverage.rms_baseline)


def test_rows_of_some_integrations_tell_whose_they_are() -> None:
    """Ascending, each with its integration, all at once or in pieces."""
    columns = observed(4, 4, 1, 0.0, 0)
    order = np.random.default_rng(1).permutation(columns["TIME"].size)
    index = indexed({name: values[order] for name, values in columns.items()}, order.size)
    numbers, integration = index.rows_of([3, 1])
    np.testing.assert_array_equal(integration, order[np.asarray(numbers)] // len(PAIRS))
    assert set(integration.tolist()) == {1, 3}
    assert (np.diff(np.asarray(numbers)) > 0).all()
    pieces = list(index.in_order([3, 1], 5))
    assert all(len(piece) <= 5 for piece, _ in pieces)
    np.testing.assert_array_equal(np.concatenate([np.asarray(piece) for piece, _ in pieces]), numbers)
    tidy, _ = indexed(columns, order.size).rows_of([1, 2])
    assert isinstance(tidy, range)


@pytest.mark.parametrize("jitter", [0.0, 2.0])
def test_rows_in_no_order_take_sixteen_bytes_each(jitter: float) -> None:
    """This is the peak, above what a chunk takes by itself; the index that stays has eight."""
    generator = np.random.default_rng(4)
    pair = np.stack(np.triu_indices(64, 1), axis=1).astype(np.int32)

    def shuffled(rows: int) -> Iterator[Columns]:
        for first in range(0, rows, CHUNK):
            size = min(CHUNK, rows - first)
            dump, which = generator.integers(0, 1000, size), generator.integers(0, len(pair), size)
            ids = dict.fromkeys(
                ("OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID"), np.zeros(size, np.int32)
            )
            yield ids | {
                "TIME": 5e9 + 10.0 * dump + jitter * generator.random(size),
                "INTERVAL": np.full(size, 10.0),
                "ANTENNA1": pair[which, 0],
                "ANTENNA2": pair[which, 1],
                "UVW": np.ones((size, 3)),
            }

    peaks, kept = [], []
    for rows in (2 * CHUNK, 8 * CHUNK):
        tracemalloc.start()
        index = Indexer().feed(shuffled(rows)).index()
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert index is not None
        assert len(index) == 1000
        peaks.append(peak)
        kept.append(held)
    assert (peaks[1] - peaks[0]) / (6 * CHUNK) <= 16.1
    assert (kept[1] - kept[0]) / (6 * CHUNK) <= 8.1
