"""What each daemon does, as one line for `systemctl status`, from what it tells of itself. Pure."""

from __future__ import annotations

from fip.messages import PipelineStatus, RunStatus, SinkState, WorkerState


def ventilator_line(status: PipelineStatus) -> str:
    """How far the jobs are, and who is missing."""
    workers, sink = len(status.workers), status.sink
    waits = "" if sink else "waits for a sink"
    waits = waits or ("" if workers else "waits for workers")
    if sink and sink.stalled:
        waits = f"the sink waits: {sink.stalled}"
    if status.ventilator.state == "draining":
        waits = f"draining: waits for {status.ventilator.queues.get('leased', 0)} slices to be stored"
    runs = [run for job in status.jobs if job.state == "running" for run in job.runs if _left(run)]
    queued = sum(job.state == "queued" for job in status.jobs)
    return "; ".join(
        part
        for part in (
            waits,
            *(_run(run) for run in runs),
            f"{queued} jobs queued" if queued else "" if runs else "no job is under way",
            f"{workers} worker{'s' * (workers != 1)}",
        )
        if part
    )


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
    return f"{does}; {_done(state.status.counters, rate, 'imaged')}"


def sink_line(state: SinkState, ventilator: str, heard: bool, rate: float) -> str:
    """What it stores, or waits for; `heard`: whether the ventilator has spoken of late."""
    if state.stalled:
        does = f"waits: {state.stalled}"
    elif state.status.state == "draining":
        does = "draining"
    elif not heard:
        does = f"waits for the ventilator at {ventilator}"
    elif state.runs:
        does = f"stores images of {len(state.runs)} run{'s' * (len(state.runs) != 1)}"
    else:
        does = "waits for a run"
    return f"{does}; {_done(state.status.counters, rate, 'stored')}"


def _left(run: RunStatus) -> int:
    return run.total - run.stored - run.failed


def _run(run: RunStatus) -> str:
    lag = f", {run.lag:.1f} s behind" if run.lag else ""
    failed = f", {run.failed} failed" if run.failed else ""
    return f"{run.name}: {run.stored} of {run.total} stored, {run.rate:.1f}/s{lag}{failed}"


def _done(counters: dict[str, int], rate: float, what: str) -> str:
    failures = counters.get("failures", 0)
    return f"{counters.get('images', 0)} {what}, {rate:.1f}/s" + (f", {failures} failed" if failures else "")
