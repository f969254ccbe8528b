"""The tables of the configuration: what can be set of what, with its limits and its default."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fip.data.addresses import Address
from fip.data.arriving import Rules
from fip.data.detecting import Averages, Budget, FalseAlarms, Widths
from fip.data.names import Label, is_label
from fip.data.options import Option
from fip.data.quantities import SECONDS_PER_DAY, Bytes, Kept, Pace, Retention, Time
from fip.data.settings import Selection
from fip.data.stokes import Planes
from fip.data.user_code import parse_code

Endpoint = Annotated[str, Field(pattern=r"^udp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")]
"""Where datagrams come to."""
LONGEST_NAME = 255  # bytes of a file's name


class Table(BaseModel):
    """A table of the file: unknown keys are faults, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


SET_BY_SET = Rules()


def parse_marker(text: str) -> str:
    """A file's name, or ""; ValueError for what leads elsewhere."""
    if "/" in text or "\0" in text or text in (".", "..") or len(text.encode()) > LONGEST_NAME:
        raise ValueError(f"'{text:.80}' is not the name of a file in the folder that is followed; FINISHED would do")
    return text


@dataclass(frozen=True)
class Source(Selection):
    """What is read from a MeasurementSet, and how those are treated that are still being written."""

    follow: Annotated[
        bool,
        Option(
            "Image MeasurementSets that are still being written, or folders in which sets arrive, till they end.",
            flag=True,
        ),
    ] = False
    follow_complete: Annotated[float, Field(gt=0)] = 10.0  # s without new rows: the last integration is complete
    follow_end: Annotated[float, Field(gt=0)] = 300.0  # s without new rows, after which no more are waited for
    follow_settle: Annotated[
        Time,
        Option(
            "Of a set that arrives: read it once its files stayed as they are for so long.  [default: 2s]",
            metavar="TIME",
        ),
    ] = SET_BY_SET.settle
    follow_grace: Annotated[
        Time,
        Option(
            "Wait so long for the other sub-bands of a time, then image those that came.  [default: 30s]",
            metavar="TIME",
        ),
    ] = SET_BY_SET.grace
    follow_parts: Annotated[
        int | None,
        Field(ge=1, le=10_000),
        Option("Sets of one time, as sub-bands.  [default: the most that there were]", metavar="N"),
    ] = SET_BY_SET.parts
    follow_marker: Annotated[
        str,
        AfterValidator(parse_marker),
        Option("A file of this name in the folder says that no more sets come.", metavar="NAME"),
    ] = SET_BY_SET.marker
    roots: tuple[Path, ...] = ()  # folders that a ventilator takes MeasurementSets from; none: from anywhere


class Daemon(Table):
    """What can be set of every daemon."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"  # debug: a line for each slice


class Ventilator(Daemon):
    """The daemon that cuts slices and leases them to workers; `control` is the one address all are pointed at."""

    control: Address = "ipc:///run/fip/control"
    status: Address = "ipc:///run/fip/status"
    lanes: Address = "ipc:///run/fip/lane-"
    queue: Path = Path("/var/lib/fip-ventilator/jobs.sqlite")  # the jobs, which outlive the daemon
    arrivals: Path | None = None  # folder for the orders in which sets arrived; None: beside the queue
    lane_depth: int = Field(2, ge=1, le=16)  # slices a worker is given at a time, at least
    readers: int | None = Field(None, ge=1, le=64)  # processes that read; None: by cores and devices
    read_ahead: int = Field(2, ge=1, le=64)  # slices read before a worker is free for them, for each of these
    window: Bytes = 2_000_000_000  # bytes of slices that are read ahead, on their way, or with workers
    dead_after: float = Field(2.5, ge=1.0)  # s without a word from a worker
    read_within: float = Field(60.0, gt=0)  # s in which a MeasurementSet gives nothing: then another process tries
    max_attempts: int = Field(3, ge=1)
    ring: Bytes = 4_000_000_000  # bytes of cut slices on disk, of streams that are not imaged in time; 1kB: none
    behind: Literal["oldest", "newest"] = "oldest"  # what is imaged first of a run that has fallen behind
    pace: Annotated[Pace, Option("max, realtime, or a number of times real time.  [default: max]")] = 0.0


class Sink(Daemon):
    """The daemon that stores images."""

    directory: Path = Path("/var/lib/fip")
    keep: Kept = Retention()  # of the images in a directory; the oldest expire
    ledger: Path | None = None  # folder for the ledgers of all directories; None: each in its own directory
    images: Address = "ipc:///run/fip/images"
    address: Address | None = None  # at which workers reach `images`; None: the host the ventilator sees the sink at
    written_from: Bytes = 1_000_000  # bytes of an image, from which on workers on the sink's host write it themselves


OWN_FORMAT = "fip"
"""The stream format that is FIP's own."""


class Receiver(Daemon):
    """The daemon that hears a stream and writes its integrations to a spool, which jobs name like a MeasurementSet."""

    format: Label = OWN_FORMAT  # fip, meerkat-l0, or what a package registers in fip.streams
    listen: tuple[Endpoint, ...] = ()  # at which it hears: "udp://0.0.0.0:7148"; several if the stream comes so
    setup: str = ""  # what all integrations share: the path of a JSON file, or what the format says
    spool: Path = Path("/var/lib/fip-receiver")  # the folder of spools
    keep: Bytes = 50_000_000_000  # bytes of integrations in a spool; the oldest leave
    grace: float = Field(0.5, gt=0)  # s without news of an integration, after which it is committed as it is
    queue: int = Field(4, ge=3, le=64)  # integrations in memory; if the disk is slower, the newest are dropped whole
    buffer: Bytes = 64_000_000  # bytes asked of the kernel for each socket


class Monitor(Daemon):
    """The daemon that serves the web page; it follows, and nothing depends on it."""

    address: str = Field("127.0.0.1:8570", pattern=r"^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")
    hosts: tuple[str, ...] = ()  # further names by which browsers reach it
    token_file: Path = Path("/var/lib/fip-monitor/token")  # made if it is missing
    directory: Path | None = None  # of images; None: that of the sink

    @property
    def host(self) -> str:
        """Name or address of `address`, without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Port of `address`; 0 for one that is free."""
        return int(self.address.rpartition(":")[2])


Device = Annotated[str, Field(pattern=r"^(cpu|cuda:[0-9]{1,3})$")]


CodeName = Annotated[str, AfterValidator(parse_code)]
Target = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$")]

ALL_WORKERS = "*"
"""Whose table has what stands in `[worker]` itself: what holds for every worker."""
FOR_ALL = ("stages", "kernels", "entry_points")


class Worker(Daemon):
    """One worker: one process that images slices, on one device."""

    device: Device | None = None  # None: by the worker's name, gpuN on cuda:N, any other on the CPU
    stages: dict[CodeName, Target] = {}  # of users that it may be asked for, as NAME = "package.module:function"
    kernels: dict[CodeName, Target] = {}  # the same of kernels
    entry_points: bool = True  # whether also those that are installed beside FIP (`fip.stages`, `fip.kernels`)


class Following(Daemon):
    """What can be set of whatever sees each stored image in order, exactly once."""

    directory: Path | None = None  # of images, or of the folders of jobs; None: that of the sink
    step_within: float = Field(600.0, gt=0)  # s that it may be at one image; then it is ended
    patience: Time | None = None  # for which a slice is waited for that is missing; None: until the ledger has it
    hold: Time | None = None  # for which the sink keeps images longer that it has not seen; None: not at all


class Detector(Following):
    """FIP's own follower: it finds transients, and what it finds goes beside the images."""

    false_alarms: Annotated[
        FalseAlarms,
        Option("False events that are expected in a time that is observed, as 1/week, 1/10 min.  [default: 1/week]"),
    ] = Budget(1, 7 * SECONDS_PER_DAY)
    reference: Literal["none", "running", "auto"] | None = None  # None: none if a model was subtracted, else auto
    widths: Widths = 64  # slices of the longest transient
    stokes: Planes | None = None  # None: all planes that there are
    also_average: Annotated[
        Averages,
        Option("Keep means of 32, 1024 or both as images, too: they are searched in any case.  [default: none]"),
    ] = ()
    watch: Annotated[
        Path | None, Option("Measure the places of this list in every image: light curves.", metavar="FILE")
    ] = None

    tle: Annotated[
        Path | None,
        Option(
            "Label events at the places of satellites, whose orbits (two-line elements) are in this file.",
            metavar="FILE",
        ),
    ] = None


def _told(value: object) -> object:
    """Whether a catalogue's sources are told, as the environment writes it, too; ValueError for what says nothing."""
    said = {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value
    if not isinstance(said, bool) and not (isinstance(said, str) and is_label(said)):
        raise ValueError(f"{said!r:.80} does not say whether to tell: true, false, or the name of a target")
    return said


class Catalogue(Table):
    """Sources that are known beforehand: events at their places are told with their names."""

    file: Path
    tell: Annotated[bool | str, BeforeValidator(_told)] = True  # false: not; TARGET: to this one of [alerts] alone


DETECTOR = "detector"
"""Its name among followers, and its table."""


class Follower(Following):
    """One follower: a function that is called for each stored image in order, exactly once."""

    step: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")  # package.module:function
    folder: Path | None = None  # for what it finds, by job; None: systemd's for it, or followers/NAME by the images
    checkpoint: int = Field(32, ge=1)  # images from one checkpoint of its state to the next
    window: int = Field(0, ge=0)  # images that must be seen again before a state is whole

    @model_validator(mode="after")
    def _checkpoints_hold_the_window(self) -> "Follower":
        if self.window > self.checkpoint:
            raise ValueError(
                f"window = {self.window} is more than checkpoint = {self.checkpoint}: of the last two checkpoints one "
                f"must be as old as the window; give checkpoint = {self.window} or more"
            )
        return self


class Node(Table):
    """What one host runs."""

    runs: tuple[str, ...] = ()


class Security(Table):
    """Who may join. Without keys, daemons bind ipc only, unless `insecure` is true."""

    keys: Path | None = None  # folder of this host's private keys, ROLE.key; None: systemd's credentials, if any
    allowed: Path = Path("/etc/fip/allowed.toml")  # the public keys that are let in; read by ventilator and sink
    data: Literal["encrypted", "plain"] = "encrypted"  # of the sockets for slices and images
    insecure: bool = False
