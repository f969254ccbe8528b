"""What the daemons say to each other on the control and status sockets.

Control is level-triggered: every peer sends its whole state every half second, and on change the part of it that
slices depend on, its *brief*. A lost message costs time, never data, and a peer that restarted needs no special case.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Len

from fip.data.arriving import Rules
from fip.data.complete import Complete
from fip.data.names import (
    Address,
    Attempt,
    Attempts,
    Count,
    Folder,
    Label,
    Line,
    Number,
    PathName,
    Real,
    RunId,
    Share,
    Text,
)
from fip.data.quantities import AnyPace
from fip.data.settings import Asked
from fip.data.user_code import Code
from fip.data.values import Fingerprint
from fip.data.vetting import Said
from fip.wire.handing import Files
from fip.wire.receiving import ReceiverBrief, ReceiverState
from fip.wire.status import AntennaHealth, Status

STATE_INTERVAL = 0.5  # s between two states of a peer
LATELY = 10.0  # s, the window of rates, shares of time and antennas
BRIEF_INTERVAL = 0.1  # s from a change that nobody waits for to the brief that has it
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
UNFINISHED: tuple[JobState, ...] = ("queued", "running")  # of a job that is not over


@dataclass(frozen=True)
class Failure:
    """An attempt at a slice that failed, with a one-line reason."""

    run: RunId
    index: Number
    attempt: Attempts
    reason: Text


@dataclass(frozen=True)
class Task:
    """What a worker did for one slice, for the time line."""

    run: RunId
    index: Number
    began: Real  # s UTC, Unix: when imaging began
    wait: Real  # s between its arrival and that
    image: Real  # s
    hand_on: Real  # s until the sink's socket took the image


@dataclass(frozen=True)
class WorkerBrief:
    """Worker to ventilator, on change: what it has and what became of what it had."""

    host: Line
    name: Line
    boot: Line  # random, new at each start
    lane: Line  # as in the last `Lane` that it got; "" before
    sink: Line
    holds: tuple[Attempt, ...]  # received, not yet handed on
    handed_on: tuple[Attempt, ...]  # the last few that the sink's socket took
    ages: tuple[Real, ...]  # s since each came: of those that were handed on, then of those that it holds
    failed: tuple[Failure, ...]  # the last few that could not be imaged
    working: Attempt | None  # the one that it images now
    working_for: Real  # s, on that one
    leaving: bool
    files: Line = ""  # the boot of the sink that gives it files to write into, as the last `Lane` said; "" if none does

    @property
    def identity(self) -> str:
        """HOST/NAME: one living worker at a time has it."""
        return f"{self.host}/{self.name}"


@dataclass(frozen=True)
class WorkerState:
    """Worker to ventilator, twice a second: all of it."""

    brief: WorkerBrief
    status: Status  # for whoever watches
    tasks: tuple[Task, ...] = ()  # the last few that it handed on, oldest first
    codes: tuple[Code, ...] = ()  # the stages and kernels of users that it has


@dataclass(frozen=True)
class Lane:
    """Ventilator to worker: from which address to read slices, and to which to send images.

    An address without a host ("tcp://:5600") is on the host at which the worker reached the ventilator. With each
    goes the public key of its holder; "" if that socket is not encrypted.
    """

    lane: Line
    sink: Line
    lane_key: Line = ""
    sink_key: Line = ""
    files: Files | None = None  # None: images go to the sink with their bytes


@dataclass(frozen=True)
class Bye:
    """Ventilator to worker: nothing is leased to you, your lane is closed."""


@dataclass(frozen=True)
class RunPlan:
    """A run as the sink must know it."""

    run: RunId
    name: Label  # stem of the file names
    total: Number  # slices that are known of
    measurement_set: PathName  # its path
    asked: Asked
    directory: Folder  # within the sink's directory
    final: bool = True  # whether no more slices will come; while a MeasurementSet is being written, they may
    older: RunId | None = None  # the id that it had at 0c91216: if the directory has it, it goes on under that
    hints: Line = ""  # of the files that hold its data: if they differ, the data may
    others: dict[Line, tuple[RunId, ...]] = field(default_factory=dict)  # its ids, were another column imaged
    backlog: tuple[tuple[Number, Number], ...] = ()  # ranges of slices that are a series of their own: it fell behind


@dataclass(frozen=True)
class ReadAgain:
    """The fingerprint of a slice that is stored, as its data are now."""

    run: RunId
    index: Number
    fingerprint: Fingerprint | None  # None if it can no longer be read


@dataclass(frozen=True)
class Followed:
    """How far a follower is in a run."""

    name: Label  # of the follower
    directory: Folder  # of the images, as in `RunPlan`
    run: RunId
    next: Number  # the first slice about which it has decided nothing yet
    needs: Number  # the first whose image it would see again if it began now
    folder: PathName  # of what it finds
    backlog: tuple[Number, Number] | None = None  # `next` and `needs` in the run's backlog; None before it meets that


@dataclass(frozen=True)
class Answered:
    """What became of a `Vet`."""

    request: Label
    reason: Text = ""  # why it is not entered; "" if it is on disk


@dataclass(frozen=True)
class FollowerState:
    """Follower to ventilator, twice a second: all of it."""

    status: Status  # for whoever watches
    runs: tuple[Followed, ...]  # that it follows now
    stalled: Text = ""  # why it cannot go on now; "" if it can
    leaving: bool = False  # whether this is its last word
    answered: tuple[Answered, ...] = ()  # the last few that were asked of it, oldest first


@dataclass(frozen=True)
class SinkOrders:
    """Ventilator to sink: the runs under way, the slices that will not come, and those that it was to compare."""

    runs: tuple[RunPlan, ...]
    failed: tuple[Failure, ...]
    read_again: tuple[ReadAgain, ...] = ()
    tickets: bytes = field(default=b"", repr=False)  # the secret of lease tickets; b"" without keys
    followed: tuple[Followed, ...] = ()  # how far each follower is that was heard


@dataclass(frozen=True)
class RunStored:
    """What the sink has on disk of one run, said only after it is there."""

    run: RunId
    stored: tuple[tuple[Number, Number], ...]  # ranges, as `fip.data.ranges` has them
    failed: tuple[tuple[Number, Number], ...]
    refused: Text  # why the sink cannot take this run; "" if it can
    final: bool = True  # whether the ledger has it that no more slices will come
    goes_on_as: RunId | None = None  # the id under which the directory has the run, if that is its older one
    backlog: tuple[tuple[Number, Number], ...] = ()  # slices that are a series of their own, as the ledger has it
    compare: tuple[tuple[Number, Number], ...] = ()  # slices to be read again before the run goes on: data may differ
    complete: Complete | None = None  # how much was there of its stored slices; None if that was noted of none
    lately: Share | None = None  # of the samples of those of the last minute; None if that is not known
    newest: Real | None = None  # s UTC, Unix, the end of the data of the newest stored slice; None of none


@dataclass(frozen=True)
class SinkBrief:
    """Sink to ventilator, on change."""

    host: Line
    boot: Line
    images: Address  # for workers, as in `Lane`
    images_key: Line  # as in `Lane`
    runs: tuple[RunStored, ...]  # those of the last orders
    stalled: Text  # why it cannot store now, as a full disk; it goes on when it can; "" if it can
    files: Files | None = None  # as in `Lane`


@dataclass(frozen=True)
class SinkState:
    """Sink to ventilator, twice a second: all of it."""

    brief: SinkBrief
    status: Status  # for whoever watches


@dataclass(frozen=True)
class Follow:
    """When a MeasurementSet that is still being written has come to an end."""

    complete_after: Real  # s without new rows, after which its last integration counts as complete
    end_after: Real  # s without new rows, after which no more are waited for
    rules: Rules = field(default_factory=Rules)  # of a folder of arriving recordings


@dataclass(frozen=True)
class Submit:
    """Operator to ventilator: image these MeasurementSets. The operator chooses the id, so it may be sent twice."""

    job: Label
    paths: Annotated[tuple[PathName, ...], Len(min_length=1)]
    asked: Asked
    directory: Folder  # as in `RunPlan`
    pace: AnyPace | None = None  # times real time, 0 for as fast as it goes; None: the ventilator's own
    follow: Follow | None = None  # None: they are whole
    user: Text = ""  # who submits it, as that one says


@dataclass(frozen=True)
class Cancel:
    """Operator to ventilator: end this job; what is stored stays."""

    job: Line


@dataclass(frozen=True)
class Vet:
    """Operator to ventilator, which passes it on to the detector: what a user says of an event.

    The operator chooses the name of the request, and says it until a detector has answered it: it is entered once.
    """

    request: Label
    directory: Folder  # of the images, as in `RunPlan`
    event: Line  # its id
    said: Said
    user: Line  # as that one says


@dataclass(frozen=True)
class Ask:
    """Operator to ventilator: send me the status of all. The answer to a `Submit`, `Cancel` or `Vet` is the same."""


@dataclass(frozen=True)
class Refused:
    """Ventilator to a peer whose message it cannot take, with a one-line reason; the peer says it to its log."""

    reason: Text


@dataclass(frozen=True)
class RunStatus:
    """How far a run is."""

    run: RunId
    name: Line
    measurement_set: PathName
    total: Count
    stored: Count
    failed: Count
    leased: Count
    rate: Real  # images/s over the last seconds
    lag: Real | None  # s since the oldest unstored slice was due; None without a pace
    missed: Count  # slices stored after their deadline; 0 without a pace
    deadline: Real | None = None  # s, the lag from which on slices miss their deadline; None without a pace
    final: bool = True  # whether `total` is; while a MeasurementSet is being written, it grows
    complete: Complete | None = None  # as in `RunStored`
    oddities: dict[Line, Count] = field(default_factory=dict)  # of a folder: how many sets are late, missing, and so on
    waits: Text = ""  # what of it is waited for; "" if nothing is, or it is no folder
    lately: Share | None = None  # as there
    age: Real | None = None  # s, from the end of the newest stored slice's data until now; None unless they are recent
    cadence: Real | None = None  # s from one slice to the next, of the data; None if it is not known
    backlog: Count = 0  # slices that are left and wait while newer ones are imaged
    worked_off: Real | None = None  # s until there are none of these, as it goes now; None if they become more
    kept: Count = 0  # slices that are in the ring of cut slices
    unsafe: Count | None = None  # the first that is neither stored nor failed nor in that ring; None if all are
    unsafe_since: Real | None = None  # s UTC, Unix: the middle of its data


@dataclass(frozen=True)
class RingState:
    """The ventilator's ring of cut slices."""

    slices: Count
    size: Count  # bytes
    most: Count  # bytes; 0 if there is none
    room: Count  # how many more slices it takes, if they are like those that it has; 0 if it has none
    trouble: Text = ""  # why it cannot be written now; "" if it can


@dataclass(frozen=True)
class JobStatus:
    """How far a job is."""

    job: Line
    state: JobState
    reason: Text  # why it failed, or waits for code of users that no worker has; else ""
    paths: tuple[PathName, ...]
    submitted: Real  # s UTC, Unix
    runs: tuple[RunStatus, ...]
    began: Real | None = None  # s UTC, Unix, here and in the next; None if it is not known, or is still to come
    ended: Real | None = None
    user: Text = ""  # who submitted it, as that one said
    directory: Folder = ""  # of its images, within the sink's


@dataclass(frozen=True)
class Departure:
    """A daemon that is no longer there."""

    status: Status  # its last
    time: Real  # s UTC, Unix
    how: Line  # left, died, hung


@dataclass(frozen=True)
class PipelineStatus:
    """Ventilator to all who watch, and to whoever asks: all that it knows, of itself and of its peers."""

    time: Real  # s UTC, Unix
    ventilator: Status
    jobs: tuple[JobStatus, ...]
    workers: tuple[WorkerState, ...]
    sink: SinkState | None
    number: Count = 0  # of this message, counted from the ventilator's start
    ages: dict[Line, Real] = field(default_factory=dict)  # s since each was heard: HOST/NAME, "sink", a receiver's boot
    hung: tuple[Line, ...] = ()  # HOST/NAME of the workers that hang
    departed: tuple[Departure, ...] = ()  # the last few that went and are not back, oldest first
    failures: tuple[Failure, ...] = ()  # the last few slices that failed for good, oldest first
    antennas: AntennaHealth | None = None  # None if no slice was read yet
    waits: Text = ""  # what reading waits for, and since when, or why a job waits; "" if it goes on
    unsaved: Text = ""  # why the queue of jobs cannot be written to disk now; "" if it can
    followers: tuple[FollowerState, ...] = ()  # by name
    receivers: tuple[ReceiverState, ...] = ()  # by spool
    ring: RingState | None = None  # None if no run needs one

    @property
    def statuses(self) -> tuple[Status, ...]:
        """Return the last of each daemon that is there."""
        sink = (self.sink.status,) if self.sink else ()
        followers = (follower.status for follower in self.followers)
        receivers = (receiver.status for receiver in self.receivers)
        return (self.ventilator, *(worker.status for worker in self.workers), *sink, *followers, *receivers)


Control = (
    WorkerBrief
    | WorkerState
    | Lane
    | Bye
    | SinkOrders
    | SinkBrief
    | SinkState
    | FollowerState
    | ReceiverBrief
    | ReceiverState
    | Submit
    | Cancel
    | Vet
    | Ask
    | Refused
    | PipelineStatus
)
