"""Briefs: what of a state is sent on change, when it is, and how much work a worker has meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from fip.config import Config, Ventilator
from fip.data.names import Attempt
from fip.runtime.control_link import Briefs
from fip.runtime.credit import MOST_AHEAD, depth
from fip.runtime.gate import Gate
from fip.runtime.service import Loop
from fip.runtime.vitals import Vitals
from fip.ventilator.lanes import Lanes
from fip.ventilator.loads import Loads
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import BRIEF_INTERVAL
from fip.wire.status import Latency
from support.told_states import status, with_brief, worker


class Clock:
    """A loop whose time is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self._calls: list[tuple[float, Callable[[], None]]] = []
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Keep the call and its time, as the loop does."""
        self._calls.append((when, call))

    def go_on(self, seconds: float) -> None:
        """Go on by so much, and do all that is due until then."""
        end = self.now + seconds
        while due := [each for each in self._calls if each[0] <= end]:
            self._calls.remove(first := min(due, key=lambda each: each[0]))
            self.now = max(self.now, first[0])
            first[1]()
        self.now = end


def test_a_brief_is_taken_into_the_last_state(tmp_path: Path) -> None:
    """What slices depend on is the brief's, the rest stays; without a state before it a brief is left aside."""
    loop = Loop()
    config = Config(ventilator=Ventilator(lanes=f"ipc://{tmp_path}/lane-"))
    vitals = Vitals(loop, "ventilator", "head", "ventilator", ())
    lanes = Lanes(loop, config.ventilator, Gate(loop, config.security, "ventilator", vitals), Loads())
    state = with_brief(worker("cpu0", 1), lane="", working=None)
    brief = replace(state.brief, holds=(), ages=(0.1,), handed_on=(Attempt("r", 1, 1),))
    assert decode_control(encode_control(brief)) == brief
    assert lanes.hear(b"route", brief, 0.0) is None
    known = lanes.hear(b"route", state, 1.0)
    assert known is not None
    assert known.state == state
    heard = lanes.hear(b"route", brief, 2.0)
    assert heard is known
    loop.close()
    assert (heard.state, heard.heard) == (replace(state, brief=brief), 2.0)


def test_changes_are_told_together_unless_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, once for all; at once if somebody waits for it; and not again."""
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
    """Changes without end are sent at the same pace, whatever else is sent."""
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
