"""What the ventilator does, as one line for `systemctl status`. Pure."""

from fip.wire.messages import PipelineStatus, RunStatus


def ventilator_line(status: PipelineStatus) -> str:
    """Return how far the jobs are, and who is missing."""
    workers, sink = len(status.workers), status.sink
    waits = "" if sink else "waits for a sink"
    waits = waits or ("" if workers else "waits for workers")
    if sink and sink.brief.stalled:
        waits = f"the sink waits: {sink.brief.stalled}"
    waits = status.waits or waits
    if status.ventilator.state == "draining":
        waits = f"draining: waits for {status.ventilator.queues.get('leased', 0)} slices to be stored"
    runs = [
        run for job in status.jobs if job.state == "running" for run in job.runs if run.stored + run.failed < run.total
    ]
    queued = sum(job.state == "queued" for job in status.jobs)
    jobs = f"{queued} jobs queued" if queued else "" if runs else "no job is under way"
    parts = (status.unsaved, waits, *map(_run, runs), jobs, f"{workers} worker{'s' * (workers != 1)}")
    return "; ".join(filter(None, parts))


def _run(run: RunStatus) -> str:
    lag = f", {run.lag:.1f} s behind" if run.lag else ""
    failed = f", {run.failed} failed" if run.failed else ""
    return f"{run.name}: {run.stored} of {run.total} stored, {run.rate:.1f}/s{lag}{failed}"
