"""What a follower does, as one line for `systemctl status`. Pure."""

from fip.state.words import done
from fip.wire.messages import FollowerState


def follower_line(state: FollowerState, directory: str, rate: float) -> str:
    """Say what it follows, or waits for; `rate`: its images/s in the last seconds."""
    if state.stalled:
        does = f"waits: {state.stalled}"
    elif state.status.state == "draining":
        does = "draining"
    elif state.runs:
        does = f"follows {len(state.runs)} run{'s' * (len(state.runs) != 1)} in {directory}"
    else:
        does = f"waits for images in {directory}"
    return f"{does}; {done(state.status.counters, rate, 'seen')}"
