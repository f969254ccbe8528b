"""What a worker does, as one line for `systemctl status`. Pure."""

from __future__ import annotations

from fip.runtime.vitals import done
from fip.wire.messages import WorkerState


def worker_line(state: WorkerState, ventilator: str, heard: bool, rate: float) -> str:
    """What it images, or waits for.

    `ventilator` is the address that it dials, `heard`: whether it is connected to it, `rate` its images/s of late.
    """
    if state.leaving:
        does = f"leaving: {len(state.holds)} slices to end"
    elif state.working:
        run, index, _ = state.working
        does = f"images slice {index} of run {run}, for {state.working_for:.0f} s"
    elif state.holds:
        does = f"waits for the sink at {state.sink} to take images"
    elif state.lane and heard:
        does = "waits for slices"
    else:
        does = f"waits for the ventilator at {ventilator}"
    return f"{does}; {done(state.status.counters, rate, 'imaged')}"
