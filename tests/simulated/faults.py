"""What goes wrong: a list of faults, each at a time, drawn from a seed before anything begins.

A fault is a value, so that a list of them can be shortened one by one until what breaks is all that is left.
"""

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from simulated.cluster import Cluster
from simulated.junk import Stranger
from simulated.process import Process

LAST = 20.0  # s: no fault begins after this
DISK_TROUBLES = (errno.ENOSPC, errno.EROFS, errno.EIO)
DATABASE_TROUBLES = ("BUSY", "FULL", "IOERR", "READONLY")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    at: float  # s
    kind: str
    target: int = 0  # which of those that it can happen to
    lasts: float = 1.0  # s
    much: float = 0.5  # 0 to 1


def draw(chance: random.Random) -> list[Fault]:
    """The faults of a seed, in order."""
    number = chance.choice((0, 2, 4, 8, 14))
    kinds = chance.sample(sorted(KINDS), k=chance.randint(1, len(KINDS)))
    faults = [
        Fault(
            chance.uniform(0.0, LAST), chance.choice(kinds), chance.randrange(100),
            chance.choice((0.05, 0.5, 2.0, 4.0, 8.0)) * chance.uniform(0.5, 1.5), chance.random(),
        )
        for _ in range(number)
    ]  # fmt: skip
    return sorted(faults, key=lambda fault: fault.at)


def plan(cluster: Cluster, faults: list[Fault]) -> float:
    """See to it that they happen; return when the last is over, in s."""
    for fault in faults:
        cluster.world.at(fault.at, partial(_happen, cluster, fault))
    return max((fault.at + fault.lasts for fault in faults), default=0.0)


def _happen(cluster: Cluster, fault: Fault) -> None:
    cluster.world.say(f"{fault.kind} {fault.target} for {fault.lasts:.2f} s")
    KINDS[fault.kind](cluster, fault)


def _one(cluster: Cluster, fault: Fault) -> Process:
    return cluster.processes[fault.target % len(cluster.processes)]


def _kill(cluster: Cluster, fault: Fault) -> None:
    _one(cluster, fault).kill()


def _kill_at_work(cluster: Cluster, fault: Fault) -> None:
    (cluster.ventilator, cluster.sink, cluster.sink)[fault.target % 3].dies_in = int(fault.much * 12)


def _terminate(cluster: Cluster, fault: Fault) -> None:
    _one(cluster, fault).terminate()


def _stop(cluster: Cluster, fault: Fault) -> None:
    process = _one(cluster, fault)
    if process.daemon is not None:
        process.stop(fault.lasts)


def _power(cluster: Cluster, fault: Fault) -> None:
    cluster.power_cut()


def _partition(cluster: Cluster, fault: Fault) -> None:
    pair = (cluster.hosts[0].name, cluster.hosts[1 + fault.target % (len(cluster.hosts) - 1)].name)
    cluster.network.cut_off.add(pair)
    cluster.world.after(fault.lasts, lambda: cluster.network.cut_off.discard(pair))


def _reset(cluster: Cluster, fault: Fault) -> None:
    process = _one(cluster, fault)
    if process.daemon is not None:
        sockets = [each for each in process.loop.made.sockets if each.connections]
        if sockets:
            sockets[fault.target % len(sockets)].cut()


def _disk(cluster: Cluster, fault: Fault) -> None:
    cluster.disk.failed = True
    cluster.disk.trouble = DISK_TROUBLES[fault.target % len(DISK_TROUBLES)]
    cluster.world.after(fault.lasts, lambda: setattr(cluster.disk, "trouble", 0))


def _disk_away(cluster: Cluster, fault: Fault) -> None:
    cluster.disk.away = True
    cluster.world.after(fault.lasts, lambda: setattr(cluster.disk, "away", False))


def _database(cluster: Cluster, fault: Fault) -> None:
    code = DATABASE_TROUBLES[fault.target % len(DATABASE_TROUBLES)]
    place = ("jobs.sqlite", "fip.sqlite", "sqlite")[fault.target % 3]
    cluster.databases.trouble[place] = (code, 1.0 if fault.much < 0.5 else fault.much)

    def over() -> None:
        cluster.databases.trouble.pop(place, None)

    cluster.world.after(fault.lasts, over)


def _corrupt(cluster: Cluster, fault: Fault) -> None:
    """Damage the ledger of one job for good."""
    folders = sorted(set(cluster.folders.values()))
    if folders:
        cluster.databases.trouble[f"{folders[fault.target % len(folders)]}/fip.sqlite"] = ("CORRUPT", 1.0)


def _clock(cluster: Cluster, fault: Fault) -> None:
    host = cluster.hosts[fault.target % 10 % len(cluster.hosts)]
    host.ahead += (fault.much - 0.5) * (7200.0 if fault.target // 10 % 2 else 20.0)


def _reading(cluster: Cluster, fault: Fault) -> None:
    """The reading child is slow, or dies of half of what it is asked."""
    before, chance = cluster.read_seconds, cluster.world.chance
    slow = fault.target % 2 == 0
    until = cluster.world.now + (fault.lasts if slow else min(fault.lasts, 0.3))

    def seconds() -> float | None:
        if cluster.world.now >= until:
            return before()
        return 1.0 if slow else None if chance.random() < 0.5 else 0.01

    cluster.read_seconds = seconds


def _hang(cluster: Cluster, fault: Fault) -> None:
    """A worker's next piece of work never ends; that is found after a while."""
    process = cluster.workers[fault.target % len(cluster.workers)]
    before, hung = process.work, False

    def never() -> float | None:
        nonlocal hung
        if hung:
            return before()
        hung, life = True, process.life
        cluster.world.after(20.0, lambda: process.kill() if process.life == life else None)  # systemd's watchdog
        return None

    process.work = never


def _cancel(cluster: Cluster, fault: Fault) -> None:
    names = sorted(cluster.operator.submitted)
    if len(names) > 1:
        cluster.operator.cancel(names[fault.target % len(names)])


def _junk(cluster: Cluster, fault: Fault) -> None:
    Stranger(cluster).speak(1 + fault.target % 8)


KINDS: dict[str, Callable[[Cluster, Fault], None]] = {
    "kill": _kill,
    "kill at work": _kill_at_work,
    "terminate": _terminate,
    "stop": _stop,
    "power": _power,
    "partition": _partition,
    "reset": _reset,
    "disk": _disk,
    "disk away": _disk_away,
    "database": _database,
    "corrupt": _corrupt,
    "clock": _clock,
    "reading": _reading,
    "hang": _hang,
    "cancel": _cancel,
    "junk": _junk,
}
