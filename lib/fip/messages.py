"""What the daemons say to each other on the control and status sockets.

Control is level-triggered: every peer sends its whole state, every half second and on change. A lost message
costs time, never data, and a peer that restarted needs no special case.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fip.data import Selection
from fip.ranges import Ranges

Key = tuple[str, int]
"""A slice by its run's id and its index in the run."""

Copy = tuple[str, int, int]
"""One attempt at a slice: run, index, attempt."""

STATE_INTERVAL = 0.5  # s between two states of a peer


@dataclass(frozen=True)
class Status:
    """What a daemon tells of itself to whoever watches."""

    role: str  # ventilator, worker, sink
    host: str
    name: str
    pid: int
    state: str  # running, draining
    counters: dict[str, int] = field(default_factory=dict)  # since it started
    seconds: dict[str, float] = field(default_factory=dict)  # spent in each kind of work, since it started


@dataclass(frozen=True)
class Failure:
    """An attempt at a slice that failed, with a one-line reason."""

    run: str
    index: int
    attempt: int
    reason: str


@dataclass(frozen=True)
class WorkerState:
    """Worker to ventilator: what it has and what became of what it had."""

    host: str
    name: str
    boot: str  # random, new at each start
    lane: str  # what it was told by the last `Lane`; "" before
    sink: str
    holds: tuple[Copy, ...]  # received, not yet handed on
    handed_on: tuple[Copy, ...]  # the last few that the sink's socket took
    failed: tuple[Failure, ...]  # the last few that could not be imaged
    working: Copy | None  # the one that it images now
    working_for: float  # s, on that one
    leaving: bool
    status: Status

    @property
    def identity(self) -> str:
        """HOST/NAME: one living worker at a time has it."""
        return f"{self.host}/{self.name}"


@dataclass(frozen=True)
class Lane:
    """Ventilator to worker: where to read slices and where to send images.

    An address without a host ("tcp://:5600") is on the host at which the worker reached the ventilator.
    """

    lane: str
    sink: str


@dataclass(frozen=True)
class Bye:
    """Ventilator to worker: nothing is leased to you, your lane is closed."""


@dataclass(frozen=True)
class RunPlan:
    """A run as the sink must know it."""

    run: str
    name: str  # stem of the file names
    total: int
    measurement_set: str  # its path
    selection: Selection
    directory: str  # a label: the folder within the sink's directory; "" for that directory itself


@dataclass(frozen=True)
class SinkOrders:
    """Ventilator to sink: the runs under way, and the slices that will not come."""

    runs: tuple[RunPlan, ...]
    failed: tuple[Failure, ...]


@dataclass(frozen=True)
class RunStored:
    """What the sink has on disk of one run, said only after it is there."""

    run: str
    stored: Ranges
    failed: Ranges
    refused: str  # why the sink cannot take this run; "" where it can


@dataclass(frozen=True)
class SinkState:
    """Sink to ventilator."""

    host: str
    boot: str
    images: str  # address for workers, as in `Lane`
    runs: tuple[RunStored, ...]  # those of the last orders
    stalled: str  # why it cannot store now, as a full disk; it goes on when it can; "" where it can
    status: Status


@dataclass(frozen=True)
class Submit:
    """Operator to ventilator: image these MeasurementSets. The operator chooses the id, so it may be sent twice."""

    job: str
    paths: tuple[str, ...]
    selection: Selection
    directory: str  # as in `RunPlan`


@dataclass(frozen=True)
class Cancel:
    """Operator to ventilator: end this job; what is stored stays."""

    job: str


@dataclass(frozen=True)
class RunStatus:
    """How far a run is."""

    run: str
    name: str
    measurement_set: str
    total: int
    stored: int
    failed: int
    leased: int
    rate: float  # images/s over the last seconds
    lag: float | None  # s since the oldest unstored slice was due; None without a pace
    missed: int  # slices stored after their deadline; 0 without a pace


@dataclass(frozen=True)
class JobStatus:
    """How far a job is."""

    job: str
    state: str  # queued, running, done, failed, cancelled
    reason: str  # why it failed, else ""
    paths: tuple[str, ...]
    submitted: float  # s UTC, Unix
    runs: tuple[RunStatus, ...]


@dataclass(frozen=True)
class PipelineStatus:
    """Ventilator to all who watch: all that it knows, of itself and of its peers."""

    time: float  # s UTC, Unix
    ventilator: Status
    jobs: tuple[JobStatus, ...]
    workers: tuple[WorkerState, ...]
    sink: SinkState | None


Control = WorkerState | Lane | Bye | SinkOrders | SinkState | Submit | Cancel | PipelineStatus
