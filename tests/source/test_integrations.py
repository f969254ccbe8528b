"""Integrations from TIMEs: what the correlator dumped, through jitter, drift and gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.source.index.integrations import Cadence, alike, cadences, split


@given(
    cadence=st.floats(0.01, 100),
    dumps=st.lists(st.integers(1, 5), min_size=1, max_size=40),
    jitter=st.floats(0, 0.4),
    error=st.floats(-0.01, 0.01),
    seed=st.integers(0, 1000),
)
def test_each_dump_is_one_integration(cadence: float, dumps: list[int], jitter: float, error: float, seed: int) -> None:
    """With jitter up to 0.4 of the cadence, gaps of whole dumps, and a cadence wrong by up to 1 per cent.

    A wrong cadence adds at most 5 x 1 per cent per gap, and the middle of a dump is off by at most half its jitter:
    the comb's teeth stay within half a cadence.
    """
    begins: NDArray[np.float64] = np.cumsum(dumps, dtype=np.float64) * cadence
    offsets = np.random.default_rng(seed).uniform(0, jitter * cadence, (begins.size, 30))
    times = np.sort((begins[:, None] + offsets).ravel())
    starts = split(times, cadence * (1 + error))
    assert starts.tolist() == list(range(0, times.size, 30))


def test_hours_of_a_cadence_a_little_off() -> None:
    """A fixed comb with the cadence 0.1 per cent off would be a whole integration out of step after 1000."""
    times = np.linspace(0, 10 * 4999, 5000)
    assert split(times, 10.01).size == 5000


def test_the_cadence_is_how_often_a_baseline_repeats() -> None:
    """Not how often TIME changes: three baselines at times of their own, INTERVAL plainly wrong."""
    time = np.concatenate([10.0 * np.arange(20) + offset for offset in (0, 0.3, 1.1)])
    baseline = np.repeat([5, 9, 11], 20)
    found = cadences(np.zeros(60, int), baseline, time, np.full(60, 0.04))
    assert found[0].seconds == pytest.approx(10)
    assert found[0].interval == 0.04


def test_gaps_are_no_cadence() -> None:
    """Two integrations of 10 s, one minute elsewhere, two more: the spacing that INTERVAL confirms counts."""
    time = np.array([0.0, 10, 70, 130])
    found = cadences(np.zeros(4, int), np.zeros(4, int), time, np.full(4, 10.0))
    assert found[0].seconds == 10


def test_data_descriptions_of_one_cadence_belong_together() -> None:
    """Within a tenth; one that never repeats goes with the others."""
    ten, other_ten, thirty, never = (Cadence(seconds, seconds, 1) for seconds in (10.0, 10.5, 30.0, float("inf")))
    assert alike(ten, other_ten)
    assert not alike(ten, thirty)
    assert alike(never, thirty) and alike(ten, never)


@given(
    dumps=st.lists(st.integers(1, 4), min_size=1, max_size=40),
    late=st.lists(st.floats(-0.12, 0.12), min_size=40, max_size=40),
    copies=st.integers(1, 3),
)
def test_times_that_are_dumps_of_their_own_are_found_at_once(dumps: list[int], late: list[float], copies: int) -> None:
    """They come one after the other: with gaps of whole dumps, and TIMEs a little off."""
    times = np.repeat(5e9 + 8.0 * (np.cumsum(dumps) + np.array(late[: len(dumps)])), copies)
    step_by_step = split(times, 8.0, np.ones(times.size, bool))
    assert split(times, 8.0).tolist() == step_by_step.tolist() == list(range(0, times.size, copies))


def test_times_without_a_cadence_are_one_integration() -> None:
    """They are one, whatever lies between them."""
    assert split(np.array([5e9, 5e9 + 1, 5e9 + 100]), float("inf")).tolist() == [0]
