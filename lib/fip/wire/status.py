"""What a daemon says about itself to whoever watches."""

from dataclasses import dataclass, field

from fip.data.names import Count, Line, Real, RunId, Text


@dataclass(frozen=True)
class Latency:
    """How long a stage took."""

    count: Count  # times, since the daemon started
    total: Real  # s, their sum
    p50: Real  # s, quantiles of the last some hundred times
    p95: Real
    p99: Real


@dataclass(frozen=True)
class Gpu:
    """A GPU, as NVML sees it."""

    name: Text
    busy: Real | None  # share of time in which a kernel ran, 0 to 1
    memory_used: Count  # bytes, of all processes
    memory_total: Count  # bytes


@dataclass(frozen=True)
class Resources:
    """What a daemon's process uses; None if that is unknown or does not apply."""

    cpu_seconds: Real | None = None  # user and system, since it started
    memory: Count | None = None  # bytes resident
    disk_free: Count | None = None  # bytes, of the disk that the daemon writes to
    disk_total: Count | None = None
    gpu: Gpu | None = None


@dataclass(frozen=True)
class Logged:
    """A warning or an error that a daemon logged."""

    time: Real  # s UTC, Unix
    level: Line  # warning, error
    text: Text
    times: Count = 1  # how often recently; `time` is the last


@dataclass(frozen=True)
class SocketEvent:
    """What became of a connection of one of a daemon's sockets."""

    time: Real  # s UTC, Unix
    socket: Line  # control, lane, images
    event: Line  # connected, disconnected, handshake failed
    peer: Line  # address of the other end; "" if unknown
    reason: Text  # why a handshake failed, else ""
    times: Count = 1  # how often recently; `time` is the last


@dataclass(frozen=True)
class Status:
    """What a daemon says about itself to whoever watches."""

    role: Line  # ventilator, worker, sink, follower, receiver
    host: Line
    name: Line
    pid: Count
    state: Line  # running, draining, leaving, stalled
    counters: dict[Line, Count] = field(default_factory=dict)  # since it started
    seconds: dict[Line, Real] = field(default_factory=dict)  # busy, idle and blocked, since it started: the wall time
    latencies: dict[Line, Latency] = field(default_factory=dict)  # of the stages: cut, wire, wait, image, store, ...
    queues: dict[Line, Count] = field(default_factory=dict)  # how much is in each, now
    resources: Resources = Resources()
    errors: tuple[Logged, ...] = ()  # the last few, oldest first
    events: tuple[SocketEvent, ...] = ()  # the last few, oldest first
    version: Line = ""  # of FIP
    started: Real = 0.0  # s UTC, Unix
    device: Line = ""  # what a worker images on

    @property
    def identity(self) -> str:
        """HOST/NAME: one living daemon at a time has it."""
        return f"{self.host}/{self.name}"


@dataclass(frozen=True)
class AntennaHealth:
    """How the antennas of a run did in the slices that were read recently: `fip.imaging.antennas` finds it."""

    run: RunId
    share: float  # of the selected samples of all, how many are flagged or do not count for another reason, 0 to 1
    names: tuple[Text, ...]  # of those with selected samples; the number of one that has none
    flagged: tuple[float, ...]  # [antenna] share of its own, without those with antennas that have no good sample
    level: tuple[float | None, ...]  # [antenna] its amplitude over that of the median antenna; None without any
