"""What a daemon counts and times of its own work."""

import logging
import os
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.runtime.resources import resources
from fip.runtime.service import Loop
from fip.runtime.vitals import REMEMBERED, WINDOW, Recent, Stopwatch, Vitals, Window


@pytest.fixture
def vitals(tmp_path: Path) -> Iterator[Vitals]:
    """Yield the vitals of a sink."""
    loop, before = Loop(), logging.getLogger("fip").handlers[:]
    yield Vitals(loop, "sink", "head", "sink", ("images",), disk=tmp_path / "not" / "made" / "yet")
    logging.getLogger("fip").handlers[:] = before
    loop.close()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=2 * WINDOW))
def test_quantiles_are_of_the_last_durations(durations: list[float]) -> None:
    """They are the inverse of the empirical distribution; number and sum are of all."""
    window = Window()
    for each in durations:
        window.add(each)
    told = window.latency()
    last = durations[-WINDOW:]
    expected = np.quantile(last, [0.5, 0.95, 0.99], method="inverted_cdf")
    np.testing.assert_array_equal([told.p50, told.p95, told.p99], expected)
    assert told.count == len(durations)
    assert told.total == pytest.approx(sum(durations))


@given(st.lists(st.integers(0, 20), max_size=100))
def test_what_happens_again_is_counted(happened: list[int]) -> None:
    """The last few different things are known, the newest last; one that repeats pushes no other out."""
    recent = Recent[int](REMEMBERED)
    for each in happened:
        recent.add(each)
    known = recent.items()
    order = list(dict.fromkeys(reversed(happened)))[:REMEMBERED]
    assert [key for key, _, _ in known] == order[::-1]
    if len(set(happened)) <= REMEMBERED:
        assert {key: times for key, _, times in known} == {key: happened.count(key) for key in set(happened)}


def test_time_is_spent_once() -> None:
    """Busy, idle and blocked sum to the wall time."""
    begun = time.monotonic()
    stopwatch = Stopwatch()
    for state in ("busy", "blocked", "busy", "idle"):
        stopwatch.enter(state)
    spent = stopwatch.seconds()
    assert set(spent) == {"busy", "idle", "blocked"}
    assert 0 <= sum(spent.values()) <= time.monotonic() - begun


def test_errors_are_told(vitals: Vitals) -> None:
    """Warnings and worse, once each with how often; information is not; a long one is cut."""
    log = logging.getLogger("fip.sink")
    log.info("nothing")
    for _ in range(3):
        log.warning("slow %s", "disk")
    log.error("x" * 10_000)
    told = vitals.status("running", {})
    assert [(each.level, each.times) for each in told.errors] == [("warning", 3), ("error", 1)]
    assert told.errors[0].text == "slow disk"
    assert len(told.errors[1].text) < 1000
    assert (told.counters["warnings"], told.counters["errors"]) == (3, 1)


def test_every_counter_is_there_from_the_start(vitals: Vitals) -> None:
    """This makes the first event a change of what was there before."""
    assert vitals.status("running", {}).counters == dict.fromkeys(("images", "refused", "warnings", "errors"), 0)
    vitals.connection("images", "connected", "tcp://10.0.0.2")
    vitals.connection("images", "handshake failed", "tcp://10.0.0.9", "no key")
    told = vitals.status("running", {})
    assert told.counters["refused"] == 1
    assert [(each.event, each.peer, each.reason) for each in told.events] == [
        ("connected", "tcp://10.0.0.2", ""),
        ("handshake failed", "tcp://10.0.0.9", "no key"),
    ]


def test_resources(vitals: Vitals, tmp_path: Path) -> None:
    """They are those of this process, and of the disk that a directory will be on; what is not there is None."""
    used, room = vitals.status("running", {}).resources, os.statvfs(tmp_path)
    assert used.cpu_seconds == pytest.approx(time.process_time(), rel=0.5)
    assert used.disk_total == room.f_blocks * room.f_frsize
    assert used.gpu is None
    assert resources(None, "cuda:99").gpu is None
    assert resources(None, "cpu").disk_free is None


def test_a_process_without_free_descriptors_knows_less_of_itself(tmp_path: Path) -> None:
    """What cannot be measured now is unknown, and ends nobody."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resources(tmp_path, "cpu")
    with (tmp_path / "file").open("w") as highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno() + 1, limits[1]))
        held = []
        try:
            with suppress(OSError):
                while True:
                    held.append((tmp_path / "file").open())
            assert resources(tmp_path, "cpu").memory is None
        finally:
            for each in held:
                each.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert resources(tmp_path, "cpu").memory
