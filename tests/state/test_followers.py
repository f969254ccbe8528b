"""Followers in the state of a pipeline: they are seen beside the sink, and nothing depends on them."""

import io
from dataclasses import replace

from rich.console import Console

from fip.monitor.metrics import exposition
from fip.state.panels import panels
from fip.terminal.drawing import whole
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import Departure, Followed, FollowerState, PipelineStatus
from support.pipeline_states import state
from support.told_states import pipeline, status

FOLLOWED = Followed("mean", "job", "r", 7, 3, "/var/lib/fip-follower/mean/job")


def followed_by(number: int, *names: str, stalled: str = "") -> PipelineStatus:
    """A pipeline with followers of these names."""
    said = pipeline(number)
    states = tuple(FollowerState(status("follower", name, number), (FOLLOWED,), stalled) for name in names)
    return replace(said, followers=states, ages=said.ages | {f"head/{name}": 0.2 for name in names})


def test_what_a_follower_says_comes_back_as_it_was() -> None:
    """Over the wire, by itself and with all that the ventilator sends."""
    message = FollowerState(status("follower", "mean", 3), (FOLLOWED,), "no room", leaving=True)
    assert decode_control(encode_control(message)) == message
    told = followed_by(3, "mean")
    assert decode_control(encode_control(told)) == told


def test_followers_stand_beside_the_sink() -> None:
    """Each has a panel after the sink's, with its rate; the verdict is what it is without them."""
    seen = state(*(followed_by(number, "mean", "flares") for number in range(20)))
    names = [panel.name for panel in panels(seen)]
    assert names[names.index("sink") :][:3] == ["sink", "follower-flares", "follower-mean"]
    assert seen.verdict == state(*map(pipeline, range(20))).verdict
    file = io.StringIO()
    Console(file=file, width=200).print(whole(panels(seen), 200))
    assert "Follower mean · head · 2 images/s" in file.getvalue()
    assert b'fip_images_total{daemon="head/mean",role="follower"}' in exposition(seen)


def test_a_follower_that_is_gone_or_stands_still_is_seen() -> None:
    """The reason is shown; the pipeline keeps up all the same."""
    still = state(*(followed_by(number, "mean", stalled="no room") for number in range(20)))
    (view,) = still.followers
    assert view.why == "no room"
    last = replace(pipeline(20), departed=(Departure(status("follower", "mean", 19), pipeline(20).time, "died"),))
    gone = state(*map(pipeline, range(20)), last)
    assert [(each.state, each.why) for each in gone.followers] == [("gone", "died")]
    assert gone.verdict == still.verdict == "keeping up"


def test_the_panel_of_the_sink_says_how_much_is_pinned() -> None:
    """How many images, and how large they are."""
    said = pipeline(3)
    assert said.sink
    pinned = replace(said.sink.status, queues={"in_hand": 0, "pinned": 140, "pinned_bytes": 587_000_000})
    (panel,) = [
        each for each in panels(state(replace(said, sink=replace(said.sink, status=pinned)))) if each.name == "sink"
    ]
    assert "pinned 140, pinned bytes 587 MB" in ", ".join(text for fact in panel.facts for text in fact.items)
