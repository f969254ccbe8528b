"""What the daemons say to each other on the control and status sockets.

Control is level-triggered: every peer sends its whole state every half second, and on change the part of it that
slices depend on, its *brief*. A lost message costs time, never data, and a peer that restarted needs no special case.
"""

from dataclasses import dataclass, field

from fip.data.names import Attempt, Folder, Label, Number, RunId
from fip.data.ranges import Ranges
from fip.data.settings import Asked

STATE_INTERVAL = 0.5  # s between two states of a peer
LATELY = 10.0  # s, the window over which rates, shares of time and antennas are told
BRIEF_INTERVAL = 0.1  # s from a change that nobody waits for to the brief that tells it
UNFINISHED = ("queued", "running")  # the states of a job that is not over


@dataclass(frozen=True)
class Latency:
    """How long a stage took."""

    count: int  # times, since the daemon started
    total: float  # s, their sum
    p50: float  # s, quantiles of the last some hundred times
    p95: float
    p99: float


@dataclass(frozen=True)
class Gpu:
    """A GPU, as NVML sees it."""

    name: str
    busy: float | None  # share of time in which a kernel ran, 0 to 1
    memory_used: int  # bytes, of all processes
    memory_total: int  # bytes


@dataclass(frozen=True)
class Resources:
    """What a daemon's process uses; None where that is unknown or does not apply."""

    cpu_seconds: float | None = None  # user and system, since it started
    memory: int | None = None  # bytes resident
    disk_free: int | None = None  # bytes, where the daemon writes
    disk_total: int | None = None
    gpu: Gpu | None = None


@dataclass(frozen=True)
class Logged:
    """A warning or an error that a daemon logged."""

    time: float  # s UTC, Unix
    level: str  # warning, error
    text: str
    times: int = 1  # how often of late; `time` is the last


@dataclass(frozen=True)
class SocketEvent:
    """What became of a connection of one of a daemon's sockets."""

    time: float  # s UTC, Unix
    socket: str  # control, lane, images
    event: str  # connected, disconnected, handshake failed
    peer: str  # address of the other end; "" where unknown
    reason: str  # why a handshake failed, else ""
    times: int = 1  # how often of late; `time` is the last


@dataclass(frozen=True)
class Status:
    """What a daemon tells of itself to whoever watches."""

    role: str  # ventilator, worker, sink
    host: str
    name: str
    pid: int
    state: str  # running, draining, leaving, stalled
    counters: dict[str, int] = field(default_factory=dict)  # since it started
    seconds: dict[str, float] = field(default_factory=dict)  # busy, idle and blocked, since it started: the wall time
    latencies: dict[str, Latency] = field(default_factory=dict)  # of the stages: cut, wire, wait, image, store, ...
    queues: dict[str, int] = field(default_factory=dict)  # how much is in each, now
    resources: Resources = Resources()
    errors: tuple[Logged, ...] = ()  # the last few, oldest first
    events: tuple[SocketEvent, ...] = ()  # the last few, oldest first
    version: str = ""  # of FIP
    started: float = 0.0  # s UTC, Unix
    device: str = ""  # what a worker images on

    @property
    def identity(self) -> str:
        """HOST/NAME: one living daemon at a time has it."""
        return f"{self.host}/{self.name}"


@dataclass(frozen=True)
class Failure:
    """An attempt at a slice that failed, with a one-line reason."""

    run: RunId
    index: Number
    attempt: Number
    reason: str


@dataclass(frozen=True)
class Task:
    """What a worker did for one slice, for the time line."""

    run: RunId
    index: Number
    began: float  # s UTC, Unix: when imaging began
    wait: float  # s between its arrival and that
    image: float  # s
    hand_on: float  # s until the sink's socket took the image


@dataclass(frozen=True)
class WorkerBrief:
    """Worker to ventilator, on change: what it has and what became of what it had."""

    host: str
    name: str
    boot: str  # random, new at each start
    lane: str  # what it was told by the last `Lane`; "" before
    sink: str
    holds: tuple[Attempt, ...]  # received, not yet handed on
    handed_on: tuple[Attempt, ...]  # the last few that the sink's socket took
    ages: tuple[float, ...]  # s since each came: of those that were handed on, then of those that it holds
    failed: tuple[Failure, ...]  # the last few that could not be imaged
    working: Attempt | None  # the one that it images now
    working_for: float  # s, on that one
    leaving: bool

    @property
    def identity(self) -> str:
        """HOST/NAME: one living worker at a time has it."""
        return f"{self.host}/{self.name}"


@dataclass(frozen=True)
class WorkerState:
    """Worker to ventilator, twice a second: all of it."""

    brief: WorkerBrief
    status: Status  # what is told to whoever watches
    tasks: tuple[Task, ...] = ()  # the last few that it handed on, oldest first


@dataclass(frozen=True)
class Lane:
    """Ventilator to worker: where to read slices and where to send images.

    An address without a host ("tcp://:5600") is on the host at which the worker reached the ventilator. With each
    goes the public key of who is there; "" where that socket is not encrypted.
    """

    lane: str
    sink: str
    lane_key: str = ""
    sink_key: str = ""


@dataclass(frozen=True)
class Bye:
    """Ventilator to worker: nothing is leased to you, your lane is closed."""


@dataclass(frozen=True)
class RunPlan:
    """A run as the sink must know it."""

    run: RunId
    name: Label  # stem of the file names
    total: int  # slices that are known of
    measurement_set: str  # its path
    asked: Asked
    directory: Folder  # within the sink's directory
    final: bool = True  # whether no more slices will come; while a MeasurementSet is being written, they may
    older: RunId | None = None  # the id that it had at 0c91216: if the directory has it, it goes on under that


@dataclass(frozen=True)
class SinkOrders:
    """Ventilator to sink: the runs under way, and the slices that will not come."""

    runs: tuple[RunPlan, ...]
    failed: tuple[Failure, ...]
    tickets: bytes = field(default=b"", repr=False)  # the secret of lease tickets; b"" without keys


@dataclass(frozen=True)
class RunStored:
    """What the sink has on disk of one run, said only after it is there."""

    run: RunId
    stored: Ranges
    failed: Ranges
    refused: str  # why the sink cannot take this run; "" if it can
    final: bool = True  # whether the ledger has it that no more slices will come
    goes_on_as: RunId | None = None  # the id under which the directory has the run, if that is its older one


@dataclass(frozen=True)
class SinkBrief:
    """Sink to ventilator, on change."""

    host: str
    boot: str
    images: str  # address for workers, as in `Lane`
    images_key: str  # as in `Lane`
    runs: tuple[RunStored, ...]  # those of the last orders
    stalled: str  # why it cannot store now, as a full disk; it goes on when it can; "" where it can


@dataclass(frozen=True)
class SinkState:
    """Sink to ventilator, twice a second: all of it."""

    brief: SinkBrief
    status: Status  # what is told to whoever watches


@dataclass(frozen=True)
class Follow:
    """When a MeasurementSet that is still being written has come to an end."""

    complete_after: float  # s without new rows, after which its last integration counts as complete
    end_after: float  # s without new rows, after which no more are waited for


@dataclass(frozen=True)
class Submit:
    """Operator to ventilator: image these MeasurementSets. The operator chooses the id, so it may be sent twice."""

    job: Label
    paths: tuple[str, ...]
    asked: Asked
    directory: Folder  # as in `RunPlan`
    pace: float | None = None  # times real time, 0 for as fast as it goes; None: the ventilator's own
    follow: Follow | None = None  # None: they are whole


@dataclass(frozen=True)
class Cancel:
    """Operator to ventilator: end this job; what is stored stays."""

    job: str


@dataclass(frozen=True)
class Ask:
    """Operator to ventilator: tell me how far all is. A `Submit` or `Cancel` is answered in the same way."""


@dataclass(frozen=True)
class Refused:
    """Ventilator to a peer whose message it cannot take, with a one-line reason; the peer says it to its log."""

    reason: str


@dataclass(frozen=True)
class RunStatus:
    """How far a run is."""

    run: RunId
    name: str
    measurement_set: str
    total: int
    stored: int
    failed: int
    leased: int
    rate: float  # images/s over the last seconds
    lag: float | None  # s since the oldest unstored slice was due; None without a pace
    missed: int  # slices stored after their deadline; 0 without a pace
    deadline: float | None = None  # s, the lag from which on slices miss their deadline; None without a pace
    final: bool = True  # whether `total` is; while a MeasurementSet is being written, it grows


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
class Departure:
    """A daemon that is no longer there."""

    status: Status  # its last
    time: float  # s UTC, Unix
    how: str  # left, died, hung


@dataclass(frozen=True)
class AntennaHealth:
    """How the antennas of a run did in the slices that were read of late: `fip.imaging.antennas` finds it."""

    run: RunId
    share: float  # of the selected samples of all, how many are flagged or do not count for another reason, 0 to 1
    names: tuple[str, ...]  # of those with selected samples; the number of one that has none
    flagged: tuple[float, ...]  # [antenna] share of its own, but for those with antennas that have no good sample
    level: tuple[float | None, ...]  # [antenna] its amplitude over that of the median antenna; None without any


@dataclass(frozen=True)
class PipelineStatus:
    """Ventilator to all who watch, and to whoever asks: all that it knows, of itself and of its peers."""

    time: float  # s UTC, Unix
    ventilator: Status
    jobs: tuple[JobStatus, ...]
    workers: tuple[WorkerState, ...]
    sink: SinkState | None
    number: int = 0  # of this message, counted from the ventilator's start
    ages: dict[str, float] = field(default_factory=dict)  # s since each was heard, by HOST/NAME, the sink by "sink"
    hung: tuple[str, ...] = ()  # HOST/NAME of the workers that hang
    departed: tuple[Departure, ...] = ()  # the last few that went and are not back, oldest first
    failures: tuple[Failure, ...] = ()  # the last few slices that failed for good, oldest first
    antennas: AntennaHealth | None = None  # None where no slice was read yet

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The last of each daemon that is there."""
        sink = (self.sink.status,) if self.sink else ()
        return (self.ventilator, *(worker.status for worker in self.workers), *sink)


Control = (
    WorkerBrief
    | WorkerState
    | Lane
    | Bye
    | SinkOrders
    | SinkBrief
    | SinkState
    | Submit
    | Cancel
    | Ask
    | Refused
    | PipelineStatus
)
