"""Briefs: what of a state is told on change, when it is, and how much work a worker has meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import cast

import pytest

from fip.runtime.control_link import Briefs
from fip.runtime.service import Loop
from fip.ventilator.lanes import MOST_AHEAD, depth
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import BRIEF_INTERVAL, Latency, SinkBrief, WorkerBrief
from spoken import pipeline, status, worker


class Clock:
    """A loop whose time is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self._calls: list[tuple[float, Callable[[], None]]] = []
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """As the loop's."""
        self._calls.append((when, call))

    def go_on(self, seconds: float) -> None:
        """So much later, with all that is due until then."""
        end = self.now + seconds
        while due := [each for each in self._calls if each[0] <= end]:
            self._calls.remove(first := min(due, key=lambda each: each[0]))
            self.now = max(self.now, first[0])
            first[1]()
        self.now = end


def test_a_brief_is_completed_by_the_last_state() -> None:
    """What slices depend on is the brief's, whole; without a state before it a brief is left aside."""
    state = worker("cpu0", 1)
    said = {item.name: getattr(state, item.name) for item in fields(WorkerBrief)}
    brief = WorkerBrief(**said | {"holds": (), "ages": (0.1,), "handed_on": (("r", 1, 1),)})
    heard = decode_control(encode_control(brief))
    assert isinstance(heard, WorkerBrief)
    assert heard == brief
    assert heard.whole(state) == replace(state, holds=(), ages=(0.1,), handed_on=(("r", 1, 1),))
    assert heard.whole(None) is None
    assert state.whole(worker("cpu0", 2)) == state
    sink = pipeline(1).sink
    assert sink
    full = SinkBrief(**{item.name: getattr(sink, item.name) for item in fields(SinkBrief)} | {"stalled": "full"})
    assert full.whole(sink) == replace(sink, stalled="full")
    assert full.whole(None) is None


def test_changes_are_told_together_unless_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, once for all; at once where that is waited for; and not again."""
    clock, told = Clock(monkeypatch), list[float]()
    briefs = Briefs(cast(Loop, clock), lambda: told.append(clock.now))
    for _ in range(9):
        briefs.changed()
        clock.go_on(BRIEF_INTERVAL / 8)
    assert told == [100.0 + BRIEF_INTERVAL]
    briefs.changed(waited_for=True)
    assert told[1:] == [clock.now]
    clock.go_on(10 * BRIEF_INTERVAL)
    assert len(told) == 2, "what was told is not told again"
    briefs.changed()
    briefs.said()  # by a state, which is more
    clock.go_on(10 * BRIEF_INTERVAL)
    assert len(told) == 2


def test_states_in_between_do_not_make_briefs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes without end are told at the same pace, whatever is told beside."""
    clock, told = Clock(monkeypatch), list[float]()
    briefs = Briefs(cast(Loop, clock), lambda: told.append(clock.now))
    for number in range(1000):
        briefs.changed()
        if number % 70 == 0:
            briefs.said()
        clock.go_on(BRIEF_INTERVAL / 10)
    assert 90 <= len(told) <= 100


@pytest.mark.parametrize(("seconds", "slices"), [(0.0, MOST_AHEAD), (0.02, 10), (0.05, 4), (0.1, 2), (3.0, 2)])
def test_a_fast_worker_has_work_until_it_tells_again(seconds: float, slices: int) -> None:
    """A fifth of a second's, and never less than the configuration says."""
    told = status("worker", "cpu0", 1)
    fast = replace(told, latencies={"image": Latency(9, 9 * seconds, seconds, seconds, seconds)})
    assert depth(2, fast) == slices
    assert depth(7, fast) == max(7, slices)
    assert depth(2, replace(told, latencies={})) == 2
