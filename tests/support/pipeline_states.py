"""The state of a pipeline after these messages (see told_states)."""

from fip.state.pipeline import PipelineState, pipeline_state
from fip.state.trends import Heard, remember
from fip.wire.messages import PipelineStatus
from support.told_states import pipeline


def hear(*messages: PipelineStatus, at: float | None = None) -> Heard:
    """What is remembered of messages that come one after the other, all by `at` or each when it is said."""
    heard: Heard | None = None
    for message in messages:
        heard = remember(heard, message, message.time if at is None else at)
    assert heard
    return heard


def state(*messages: PipelineStatus, later: float = 0.0) -> PipelineState:
    """The state `later` s after the last of these messages was said, each having come when it was said."""
    return pipeline_state(hear(*messages), messages[-1].time + later)


def running(number: int = 40) -> PipelineState:
    """Return a pipeline with everything heard."""
    return state(*map(pipeline, range(number + 1)))
