"""How long a pipeline has been silent is measured by a clock that nobody sets."""

import time

import pytest

from fip.client.hearing import Hearing
from support.told_states import pipeline

DAY = 86400.0  # s


@pytest.mark.parametrize("step", [2.0, 60.0, DAY, -2.0, -DAY])
def test_a_clock_that_is_set_silences_nobody(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """It does not keep one alive that has gone: that is silent after some seconds, whatever the time of day is then."""
    wall, steady = 1.8e9, 1000.0
    monkeypatch.setattr(time, "time", lambda: wall)
    monkeypatch.setattr(time, "monotonic", lambda: steady)
    hearing = Hearing()
    assert hearing.state().verdict == "no pipeline"
    hearing.hear(pipeline(0))
    wall += step
    steady += 0.5
    assert hearing.state().since is None
    hearing.hear(pipeline(1))
    assert hearing.state().time == wall
    wall -= step
    steady += 60.0
    state = hearing.state()
    assert state.verdict == "no pipeline"
    assert state.since == pytest.approx(state.time - 60.0)
    hearing.forget()
    assert hearing.state().ventilator is None
