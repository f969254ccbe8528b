"""What a ventilator with many workers would send, made up: as large and as varied as the real thing."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fip.data.names import Attempt
from fip.wire.messages import (
    JobState,
    JobStatus,
    PipelineStatus,
    RunStatus,
    RunStored,
    SinkBrief,
    SinkState,
    Task,
    WorkerBrief,
    WorkerState,
)
from fip.wire.status import AntennaHealth, Gpu, Latency, Logged, Resources, SocketEvent, Status

RUN = "00112233445566778899aabbccddeeff"
INTERVAL = 0.5  # s between two statuses
SLICE_BYTES, IMAGE_BYTES = 4_000_000, 4_200_000
TASKS_KEPT = 16
ANTENNAS = 64
STAGES = {"ventilator": ("cut",), "worker": ("wire", "wait", "image", "beam", "fits"), "sink": ("store", "fsync")}


@dataclass(frozen=True)
class Load:
    """How busy a pipeline is."""

    workers: int = 64
    rate: float = 100.0  # images/s, of all together
    total: int = 360_000  # images of the run


def statuses(load: Load, start: float, first: int = 0) -> Iterator[PipelineStatus]:
    """One status after the other, half a second apart, from Unix time `start`, with `first` images stored before."""
    random = np.random.default_rng(1)
    number = 0
    while True:
        number += 1
        elapsed = number * INTERVAL
        stored = min(first + int(load.rate * elapsed), load.total)
        workers = tuple(_worker(k, load, start, elapsed, stored, random) for k in range(load.workers))
        yield PipelineStatus(
            time=start + elapsed,
            ventilator=_status("ventilator", "head", "ventilator", start, elapsed, stored, (0.4, 0.2, 0.4)),
            jobs=(_job(load, start, stored),),
            workers=workers,
            sink=_sink(start, elapsed, stored),
            number=number,
            ages={worker.brief.identity: float(random.uniform(0, 0.5)) for worker in workers} | {"sink": 0.1},
            antennas=_antennas(random),
        )


def _worker(k: int, load: Load, start: float, elapsed: float, stored: int, random: np.random.Generator) -> WorkerState:
    host, name = f"gpu{k // 8:02d}", f"gpu{k % 8}"
    done = stored // load.workers
    each = load.workers / load.rate
    busy = 0.7 + 0.25 * np.sin(k)
    tasks = tuple(
        Task(RUN, (done - back) * load.workers + k, start + elapsed - (back + 1) * each, 0.1 * each, busy * each, 0.02)
        for back in range(min(done, TASKS_KEPT), 0, -1)
    )
    index = done * load.workers + k
    brief = WorkerBrief(
        host=host, name=name, boot=f"{k:012x}", lane=f"tcp://:{5600 + k}", sink="tcp://:5559",
        holds=(Attempt(RUN, index, 1), Attempt(RUN, index + load.workers, 1)),
        handed_on=tuple(Attempt(t.run, t.index, 1) for t in tasks), ages=(0.1,) * (len(tasks) + 2),
        failed=(), working=Attempt(RUN, index, 1), working_for=float(random.uniform(0, each)), leaving=False,
    )  # fmt: skip
    return WorkerState(brief, _status("worker", host, name, start, elapsed, done, (busy, 0.95 - busy, 0.05)), tasks)


def _status(
    role: str, host: str, name: str, start: float, elapsed: float, done: int, shares: tuple[float, float, float]
) -> Status:
    busy, idle, blocked = (float(share) * elapsed for share in shares)
    gpu = Gpu("NVIDIA H100 80GB HBM3", 0.8, 20 << 30, 80 << 30) if role == "worker" else None
    counters = {"slices": done, "images": done, "bytes_in": done * SLICE_BYTES, "bytes_out": done * IMAGE_BYTES}
    return Status(
        role=role, host=host, name=name, pid=4000, state="running",
        counters=counters | dict.fromkeys(("failures", "duplicates", "bad_messages", "again"), 0),
        seconds={"busy": busy, "idle": idle, "blocked": blocked},
        latencies={stage: Latency(done, 0.1 * done, 0.1, 0.14, 0.2) for stage in STAGES[role]},
        queues={"waiting": 1, "outgoing": 0},
        resources=Resources(0.6 * elapsed, 900_000_000, 2 << 40, 8 << 40, gpu),
        errors=(Logged(start, "warning", "this is a warning of usual length, about a slice that came twice"),),
        events=tuple(SocketEvent(start, "control", "connected", "tcp://10.0.0.1:5557", "") for _ in range(4)),
        version="0.1.0", started=start, device="cuda:0" if role == "worker" else "",
    )  # fmt: skip


def _antennas(random: np.random.Generator) -> AntennaHealth:
    names = tuple(f"m{number:03}" for number in range(ANTENNAS))
    flagged, level = random.uniform(0, 0.1, ANTENNAS).round(3), random.normal(1, 0.1, ANTENNAS).round(2)
    return AntennaHealth(RUN, 0.05, names, tuple(flagged.tolist()), tuple(level.tolist()))


def _job(load: Load, start: float, stored: int) -> JobStatus:
    state: JobState = "done" if stored == load.total else "running"
    run = RunStatus(
        run=RUN, name="night", measurement_set="/data/night.ms", total=load.total, stored=stored, failed=0,
        leased=2 * load.workers, rate=load.rate, lag=None, missed=0,
    )  # fmt: skip
    return JobStatus("night-0a1b2c", state, "", ("/data/night.ms",), start, (run,))


def _sink(start: float, elapsed: float, stored: int) -> SinkState:
    status = _status("sink", "head", "sink", start, elapsed, stored, (0.3, 0.7, 0.0))
    runs = (RunStored(RUN, ((0, stored),) if stored else (), (), ""),)
    return SinkState(SinkBrief("head", "0123456789ab", "tcp://:5559", "", runs, ""), status)
