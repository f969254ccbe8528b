"""What the sink does, as one line for `systemctl status`. Pure."""

from fip.state.words import done
from fip.wire.messages import SinkState


def sink_line(state: SinkState, ventilator: str, heard: bool, rate: float) -> str:
    """Return what the sink stores, or waits for; `heard` is whether the ventilator has spoken recently."""
    if state.brief.stalled:
        does = f"waits: {state.brief.stalled}"
    elif state.status.state == "draining":
        does = "draining"
    elif not heard:
        does = f"waits for the ventilator at {ventilator}"
    elif state.brief.runs:
        does = f"stores images of {len(state.brief.runs)} run{'s' * (len(state.brief.runs) != 1)}"
    else:
        does = "waits for a run"
    return f"{does}; {done(state.status.counters, rate, 'stored')}"
