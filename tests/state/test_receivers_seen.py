"""Receivers in the state of a pipeline: what is lost, how old what comes is, and when the ring takes what is needed."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from fip.monitor.metrics import exposition
from fip.state.panel import Panel
from fip.state.panels import panels
from fip.state.pipeline import PipelineState
from fip.state.ring import bites_in, kept_for
from fip.terminal.drawing import whole
from fip.terminal.status import page
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import Departure, PipelineStatus, RingState
from fip.wire.receiving import ReceiverState
from support.pipeline_states import state
from support.told_states import pipeline, receiver, status, when, with_run

SPOOL = "/spools/obs-1.live"
BRIEF = receiver(0).brief


def heard_of(number: int, *receivers: ReceiverState, **run: object) -> PipelineStatus:
    """A pipeline with these receivers, and a run of the spool with this much known."""
    said = with_run(pipeline(number), **{"measurement_set": SPOOL, "final": False, "cadence": 0.5} | run)
    ages = said.ages | {each.brief.boot: 0.2 for each in receivers}
    return replace(said, receivers=receivers, ages=ages)


def seen(**changes: Any) -> PipelineState:
    """The state with one receiver that says so, over ten seconds."""
    return state(*(heard_of(number, receiver(number, **changes)) for number in range(20)))


def panel_of(found: PipelineState) -> Panel:
    """Return the panel of receivers."""
    return next(panel for panel in panels(found) if panel.name == "receivers")


def test_what_a_receiver_says_comes_back_as_it_was() -> None:
    """Over the wire, by itself and with all that the ventilator sends."""
    message = replace(receiver(3), leaving=True)
    assert decode_control(encode_control(message)) == message
    assert decode_control(encode_control(message.brief)) == message.brief
    told = heard_of(3, receiver(3))
    assert decode_control(encode_control(told)) == told


def test_the_ring_takes_what_is_needed_when_newer_integrations_push_it_out() -> None:
    """It holds 100 s; what has waited for 70 s of the stream is there for 30 more."""
    assert BRIEF.newest
    assert kept_for(BRIEF) == 100.0
    assert bites_in(BRIEF, None) == 100.0
    assert bites_in(BRIEF, BRIEF.newest - 70.0) == pytest.approx(30.0)
    assert bites_in(BRIEF, BRIEF.newest - 700.0) == 0.0
    assert bites_in(BRIEF, BRIEF.newest + 700.0) == 100.0, "a time to come is not older than the newest"


@pytest.mark.parametrize("unknown", [{"size": 0}, {"cadence": 0.0}, {"newest": None}, {"ended": True}])
def test_a_ring_that_takes_nothing_or_is_not_known_bites_never(unknown: dict[str, object]) -> None:
    """Before the set-up is known, before the first integration, and after the last."""
    assert bites_in(replace(BRIEF, **unknown), 0.0) is None  # type: ignore[arg-type]


def test_receivers_stand_before_the_source_with_what_is_lost() -> None:
    """The panel, its line, and its numbers; the verdict is what it is without them."""
    found = seen(lost=3, dropped=2, late=7, samples=0.995, received=1234)
    names = [panel.name for panel in panels(found)]
    assert names.index("receivers") == names.index("source") - 1
    panel = panel_of(found)
    assert panel.summary == "1,234 received · 3 lost · 2 dropped · 99.5% of the samples · ring left 1:40"
    (row,) = panel.tables[0].rows
    assert row.cells[:9] == ("obs-1", "running", "1,234", "3", "2", "7", "99.5%", "50 ms old", "1:40")
    assert found.verdict == "keeping up"
    file = io.StringIO()
    Console(file=file, width=200).print(whole(panels(found), 200))
    assert "Receivers · 1,234 received" in file.getvalue()


def test_numbers_of_receivers_are_by_spool() -> None:
    """Those that it counts are there, too, as other daemons count other things."""
    text = exposition(seen(lost=3, dropped=2)).decode()
    of = 'daemon="head/receiver",spool="obs-1.live"'
    for line in (
        'fip_stream_integrations_total{became="lost",' + of + "} 3.0",
        'fip_stream_integrations_total{became="dropped",' + of + "} 2.0",
        "fip_stream_ring_seconds{" + of + "} 100.0",
        "fip_stream_ring_left_seconds{" + of + "} 100.0",
        "fip_stream_samples_ratio{" + of + "} 1.0",
        'fip_late_packets_total{daemon="head/receiver",role="receiver"} 3.0',
        'fip_junk_packets_total{daemon="head/receiver",role="receiver"} 5.0',
        'fip_daemon_up{daemon="head/receiver",role="receiver"} 1.0',
    ):
        assert line in text
    assert 'fip_late_images_total{daemon="head/receiver"' not in text


def test_a_ring_that_is_nearly_used_up_is_behind_and_in_large() -> None:
    """It says which, and how long that will take; a ring that is not needed says nothing."""
    since = when(19) - 0.3 - 80.0
    found = state(*(heard_of(number, receiver(number), unsafe=5, unsafe_since=since) for number in range(20)))
    assert (found.verdict, found.exit_code) == ("behind", 1)
    assert found.reasons == ("obs-1.live: its ring takes what is not imaged in 20 s",)
    (fact,) = [fact for fact in panels(found)[0].facts if fact.name == "ring left"]
    assert (fact.items, fact.level) == (("20 s",), "bad")
    assert panel_of(found).level == "bad"
    unasked = state(*(replace(pipeline(number), receivers=(receiver(number),)) for number in range(20)))
    assert not [fact for fact in panels(unasked)[0].facts if fact.name == "ring left"]
    assert ("images", ("no job images it",), "") in panel_of(unasked).facts


def test_an_average_of_integrations_needs_the_first_of_them() -> None:
    """A slice of 20 s has its middle 10 s after its beginning, and the ring takes that first."""
    since = when(19) - 0.3 - 60.0
    found = state(*(heard_of(n, receiver(n), unsafe=0, unsafe_since=since, cadence=20.0) for n in range(20)))
    (view,) = found.receivers
    assert view.bites == pytest.approx(100.0 - 60.0 - 9.75)


@pytest.mark.parametrize(("newest", "said"), [(-120.0, "nothing newer than"), (40.0, "ahead of this clock")])
def test_data_of_a_wrong_time_are_told(newest: float, said: str) -> None:
    """Too old while more should come, or of a time to come."""
    panel = panel_of(seen(newest=when(19) + newest))
    (fact,) = [fact for fact in panel.facts if fact.name == "clock"]
    assert said in fact.items[0]
    assert (fact.level, panel.level) == ("warn", "warn")


@pytest.mark.parametrize("quiet", [{"ended": True, "newest": when(0) - 600.0}, {"newest": when(0) - 1e7}, {}])
def test_a_stream_that_has_ended_or_is_of_another_day_is_of_no_wrong_time(quiet: dict[str, object]) -> None:
    """A recording that is played again has times of its own."""
    assert "clock" not in [fact.name for fact in panel_of(seen(**quiet)).facts]


def test_what_a_receiver_warns_of_and_loses_now_is_seen() -> None:
    """Its words, and whether it loses integrations just now."""
    panel = panel_of(seen(warns=("a socket has 4 of 64 MB: sysctl",)))
    assert panel.level == "warn"
    assert ("warns", ("a socket has 4 of 64 MB: sysctl",), "warn") in panel.facts
    losing = [receiver(number) for number in range(20)]
    counted = [replace(each.status, counters=each.status.counters | {"lost": n}) for n, each in enumerate(losing)]
    said = [heard_of(n, replace(each, status=counted[n])) for n, each in enumerate(losing)]
    assert panel_of(state(*said)).level == "warn"
    assert panel_of(seen(lost=7)).level == "", "what was lost before is over"


def test_a_receiver_that_died_fails_the_pipeline_and_one_that_left_does_not() -> None:
    """Nothing is received meanwhile: that is lost."""
    for how, verdict in (("died", "failing"), ("left", "keeping up")):
        gone = Departure(status("receiver", "receiver", 19), when(20), how)
        found = state(*(heard_of(n, receiver(n)) for n in range(20)), replace(heard_of(20), departed=(gone,)))
        assert found.verdict == verdict
        assert [(view.state, view.why) for view in found.receivers] == [("gone", how)]
        assert panel_of(found).summary == "none is heard"


def test_two_receivers_have_a_row_each_and_facts_by_their_spools() -> None:
    """They are in the order of their spools."""
    two = [receiver(3), receiver(3, "/spools/other.live", "second", warns=("dust",))]
    panel = panel_of(state(heard_of(3, *two)))
    assert [row.cells[0] for row in panel.tables[0].rows] == ["obs-1", "other"]
    assert panel.summary.startswith("2 of 2 running · 406 received")
    assert ("other warns", ("dust",), "warn") in panel.facts


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_has_room_for_a_spool_of_any_name(width: int) -> None:
    """The ends of a long name are shown; no line is broken, and nothing is cut off, if it is of 80 columns."""
    said = receiver(3, f"/spools/{'commissioning-' * 3}1a2b3c4d.live", received=123_456, lost=12_345)
    file = io.StringIO()
    Console(file=file, width=width).print(page(state(heard_of(3, said)), width))
    (line,) = [line for line in file.getvalue().splitlines() if "1a2b3c4d" in line and "123,456" in line]
    assert line.startswith("commissioning-…-1a2b3c4d  running ")
    assert "12,345" in line
    assert "50 ms old" in line
    assert "holds 1:40" in line


def test_what_is_cut_ahead_is_told() -> None:
    """How much, of how much, and why no more can be."""
    ring = RingState(120, 60_000_000, 10**9, 1880, "no space left")
    panel = panel_of(state(replace(heard_of(3, receiver(3)), ring=ring)))
    (fact,) = [fact for fact in panel.facts if fact.name == "cut ahead"]
    assert fact.items == ("120 slices", "60 MB of 1 GB", "room for 1,880 more", "no space left")
    assert fact.level == "bad"
