"""What a ventilator would say of a pipeline that does so and so: status messages for tests of what shows them."""

from dataclasses import replace
from typing import Any

from fip.data.names import Attempt
from fip.monitor.metrics import COUNTERS
from fip.wire.messages import (
    STATE_INTERVAL,
    JobStatus,
    PipelineStatus,
    RunStatus,
    SinkBrief,
    SinkState,
    WorkerBrief,
    WorkerState,
)
from fip.wire.receiving import ReceiverBrief, ReceiverState
from fip.wire.status import AntennaHealth, Latency, Resources, Status

BEGIN = 1_800_000_000.0  # s UTC, Unix, when all daemons started
UPTIME = 100.0  # s that they are up when message 0 is said
TOTAL = 100_000  # slices
BUSY = {"ventilator": 0.3, "worker": 0.95, "sink": 0.1, "follower": 0.2, "receiver": 0.1}  # share of time of each role


def when(number: int) -> float:
    """When a message is said, s UTC, Unix."""
    return BEGIN + UPTIME + number * STATE_INTERVAL


def status(role: str, name: str, number: int, rate: float = 2.0, host: str = "head") -> Status:
    """A daemon that does `rate` things a second, at the time of message `number`."""
    up, busy = UPTIME + number * STATE_INTERVAL, BUSY[role]
    done = round(rate * up)
    return Status(
        role, host, name, pid=100 + sum(map(ord, name)), state="running",
        counters=dict.fromkeys(COUNTERS, 0) | {"slices": done, "images": done, "bytes_out": 1000 * done},
        seconds={"busy": busy * up, "idle": (1 - busy) * up, "blocked": 0.0},
        latencies={"image": Latency(done, 0.4 * done, 0.4, 0.5, 0.6)},
        queues={"waiting": 1},
        resources=Resources(cpu_seconds=0.5 * up, memory=10**8, disk_free=10**11, disk_total=10**12),
        version="0.1.0", started=BEGIN, device="cpu" if role == "worker" else "",
    )  # fmt: skip


def worker(name: str, number: int, rate: float = 2.0, host: str = "head") -> WorkerState:
    """Return a worker that is imaging."""
    brief = WorkerBrief(
        host, name, boot="b", lane="ipc://lane", sink="ipc://sink",
        holds=(Attempt("r", number, 1),), handed_on=(), ages=(0.2,), failed=(),
        working=Attempt("r", number, 1), working_for=0.1, leaving=False,
    )  # fmt: skip
    return WorkerState(brief, status("worker", name, number, rate, host))


def receiver(number: int, spool: str = "/spools/obs-1.live", name: str = "receiver", **brief: Any) -> ReceiverState:
    """A receiver of a stream with two integrations a second and none lost, and with a ring of 100 s."""
    said: dict[str, Any] = {
        "host": "head", "boot": f"boot of {spool}", "spool": spool, "committed": 200 + number,
        "oldest": number, "newest": when(number) - 0.3, "received": 200 + number, "lost": 0, "dropped": 0, "late": 0,
        "samples": 1.0, "ring": 2_000_000_000, "size": 10_000_000, "cadence": 0.5, "ended": False,
    }  # fmt: skip
    told = status("receiver", name, number)
    counted = {"received": 200 + number, "lost": 0, "dropped": 0, "bytes_in": 10**7 * number, "late": 3, "junk": 5}
    return ReceiverState(ReceiverBrief(**said | brief), replace(told, counters=counted))


def pipeline(number: int, workers: int = 2, rate: float = 2.0) -> PipelineStatus:
    """A pipeline with one run under way; each of its workers makes `rate` images/s."""
    names = [f"cpu{index}" for index in range(workers)]
    speed = workers * rate
    stored = round(speed * number * STATE_INTERVAL)
    run = RunStatus("r", "obs", "/data/obs.ms", TOTAL, stored, 0, 2 * workers, speed, lag=None, missed=0)
    return PipelineStatus(
        time=when(number),
        ventilator=status("ventilator", "ventilator", number, speed),
        jobs=(JobStatus("job", "running", "", ("/data/obs.ms",), BEGIN, (run,)),),
        workers=tuple(worker(name, number, rate) for name in names),
        sink=SinkState(SinkBrief("head", "s", "ipc://sink", "", (), ""), status("sink", "sink", number, speed)),
        number=number,
        ages=dict.fromkeys((*(f"head/{name}" for name in names), "sink"), 0.2),
        antennas=antennas(),
    )


def antennas(**faults: tuple[float, float | None]) -> AntennaHealth:
    """Antennas m00 to m15, a twentieth of each flagged; or of some as much as is said, and at that level."""
    told = {f"m{number:02}": (0.05, 1.0 + 0.01 * number) for number in range(16)} | faults
    shares, levels = zip(*told.values(), strict=True)
    return AntennaHealth("r", 0.05, tuple(told), shares, levels)


def with_run(message: PipelineStatus, **changes: object) -> PipelineStatus:
    """The message with its run changed."""
    job = message.jobs[0]
    run = replace(job.runs[0], **changes)  # type: ignore[arg-type]
    return replace(message, jobs=(replace(job, runs=(run,)),))


def with_job(message: PipelineStatus, **changes: object) -> PipelineStatus:
    """The message with its job changed."""
    return replace(message, jobs=(replace(message.jobs[0], **changes),))  # type: ignore[arg-type]


def with_brief(state: WorkerState, **changes: object) -> WorkerState:
    """The state of a worker with its brief changed."""
    return replace(state, brief=replace(state.brief, **changes))  # type: ignore[arg-type]
