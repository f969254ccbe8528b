"""What a worker does, as one line for `systemctl status`. Pure."""

from fip.state.words import done
from fip.wire.messages import WorkerState


def worker_line(state: WorkerState, ventilator: str, heard: bool, rate: float) -> str:
    """Return what the worker images, or waits for.

    `ventilator` is the address that it dials, `heard` whether it is connected to it, `rate` its recent images/s.
    """
    brief = state.brief
    if brief.leaving:
        does = f"leaving: {len(brief.holds)} slices to end"
    elif brief.working:
        does = f"images slice {brief.working.slice} of run {brief.working.run}, for {brief.working_for:.0f} s"
    elif brief.holds:
        does = f"waits for the sink at {brief.sink} to take images"
    elif brief.lane and heard:
        does = "waits for slices"
    else:
        does = f"waits for the ventilator at {ventilator}"
    return f"{does}; {done(state.status.counters, rate, 'imaged')}"
