"""A pipeline of the real daemons in made time, and an operator who submits jobs and looks at what becomes of them."""

import errno
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import zmq

from fip.archive.clock import Clock
from fip.archive.folder import Folder
from fip.config import Config, Loaded
from fip.data.errors import WireError
from fip.data.names import SliceId
from fip.data.quantities import Retention
from fip.data.ranges import Ranges, added
from fip.data.values import ImageFile, Slice
from fip.runtime.service import Loop
from fip.sink.sink import Sink
from fip.sink.store import Store
from fip.ventilator.job_queue import Queue
from fip.ventilator.ring_entry import decode_entry
from fip.ventilator.ventilator import Ventilator
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import Ask, Cancel, Control, Follow, JobStatus, PipelineStatus, SinkBrief, SinkState, Submit
from fip.worker.worker import Worker
from simulated.network import Frames, Network, SimContext, SimSocket
from simulated.process import Process, SimLoop
from simulated.reader import SimReader
from simulated.sky import ASKED, MadeSet, image_of
from simulated.storage import Databases, Directory, Disk, SimFolder
from simulated.world import Host, ViolationError, World

ASK_EVERY = 1.0  # s
SLACK = 0.5  # s of difference between two times that is none
ROOT = Path("/made/images")
BY_CHANCE = ("workers died", "workers hung", "casacore crashes")  # why slices may fail that are fine
LEFT = "left the ring"  # as a slice of a stream fails that was not cut in time


class Cluster:
    """A ventilator, a sink, some workers, and what they stand on."""

    def __init__(self, world: World, workers: int, sets: list[MadeSet], config: dict[str, Any]) -> None:
        self.world, self.network = world, Network(world)
        self.network.on_message = self._seen
        self.disk, self.databases = Disk(world), Databases(world)
        self.sets = {each.path: each for each in sets}
        self.runs = {each.run: each for each in sets}
        self.folders: dict[str, str] = {}  # of runs
        self.hosts = [Host("data")] + [Host(f"node{number}") for number in range(min(workers, 3))]
        self._folder = tempfile.TemporaryDirectory(prefix="fip-simulated-")
        layout = {name: values | config.get(name, {}) for name, values in self._layout().items()}
        self.config = Loaded(Config.model_validate(layout), {})
        self.read_seconds: Callable[[], float | None] = lambda: world.chance.uniform(0.002, 0.05)
        self.ventilator = Process("ventilator", "fip-ventilator", self.hosts[0], world, self.network, self._ventilator)
        self.sink = Process("sink", "fip-sink", self.hosts[0], world, self.network, self._sink)
        self.workers = [self._worker(number) for number in range(workers)]
        self.operator = Operator(self)
        self._queue: Queue | None = None
        self._ring = Path("none yet")  # the folder of cut slices
        self.may_leave = True  # whether integrations of a stream may leave their ring before they are cut
        self._checked: dict[str, Ranges] = {}
        self._expired: set[tuple[str, int]] = set()
        self.backlogs: dict[str, tuple[Ranges, frozenset[int]]] = {}  # of runs, and of what more was known then
        for process in self.processes:
            process.on_death = partial(self._clean, process)

    @property
    def processes(self) -> list[Process]:
        """Return all daemons of the cluster."""
        return [self.ventilator, self.sink, *self.workers]

    def start(self) -> None:
        """Start all, in an order of chance."""
        for process in self.processes:
            self.world.after(self.world.chance.uniform(0, 0.5), process.start)

    def slow_down(self) -> None:
        """Together the workers image more slowly than a replay at 16 times real time goes on."""
        for process in self.workers:
            process.work = lambda: self.world.chance.uniform(0.4, 1.2) * len(self.workers)

    def close(self) -> None:
        """Free all that it holds."""
        for process in self.processes:
            self._clean(process)
        self.databases.close()
        self._folder.cleanup()

    def power_cut(self) -> None:
        """The host of the ventilator and the sink goes down; its disk keeps what was synced."""
        self.world.say("the data host loses its power")
        for process in (self.ventilator, self.sink):
            process.kill()
        self.disk.crash()
        self.sink.host.reboot(self.world.now)
        self._checked.clear()

    # What daemons stand on

    def _layout(self) -> dict[str, Any]:
        address = "ipc:///made/{}".format
        control = {"control": address("control"), "status": address("status"), "lanes": address("lane-")}
        return {
            "ventilator": control | {"queue": f"{self._folder.name}/jobs.sqlite"},
            "sink": {"directory": str(ROOT), "images": address("images")},
        }

    def _ventilator(self, loop: Loop) -> Ventilator:
        assert isinstance(loop, SimLoop)
        reader = partial(SimReader, sets=self.sets, seconds=lambda: self.read_seconds(), check=self.check_cut)
        open_folder, open_queue = self._open_ring, self._open_queue
        return Ventilator(self.config, loop, make_reader=reader, open_queue=open_queue, open_folder=open_folder)

    def _open_ring(self, path: Path, make: bool) -> Folder:
        if not make and path not in self.disk.directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._ring = path
        return SimFolder(self.disk, self.ventilator, path)

    def _open_queue(self, path: Path) -> Queue:
        self._queue = SimQueue(path, connect=partial(self.databases.connect, self.ventilator))
        return self._queue

    def _sink(self, loop: Loop) -> Sink:
        return Sink(self.config, loop, open_store=self._store)

    def _store(self, directory: Path, keep: Retention, ledgers: Path | None) -> Store:
        connect = partial(self.databases.connect, self.sink)
        open_folder = partial(SimFolder, self.disk, self.sink)
        clock = Clock(f"boot {self.sink.host.boots}", lambda: time.monotonic())  # that of the world
        return Store(directory, keep, ledgers, open_folder=open_folder, connect=connect, clock=clock)

    def _worker(self, number: int) -> Process:
        host = self.hosts[1 + number % (len(self.hosts) - 1)]
        name = f"cpu{number}"
        process = Process(
            f"{host.name}/{name}", "fip-worker@", host, self.world, self.network,
            lambda loop: Worker(name, "cpu", self.config, loop, partial(self._image, process)),
        )  # fmt: skip
        process.work = lambda: self.world.chance.uniform(0.005, 0.15)
        return process

    def _image(self, process: Process, values: Slice, device: str, worker: str, waited: float) -> ImageFile:
        """Make an image by a hash, in place of a kernel."""
        made = self.runs[values.run]
        if values.index in made.deadly:
            life = process.life
            self.world.after(0.01, lambda: process.die() if process.life == life else None)
        if values.index in made.unimageable:
            raise ValueError(made.reason)
        return image_of(values, worker, self.world.chance.randrange(1000) if made.restless else 0)

    def _clean(self, process: Process) -> None:
        """What a process held is free again."""
        self.databases.crash(process)
        for directory in self.disk.directories.values():
            if directory.locked_by is process:
                directory.locked_by = None
        if process is self.ventilator and self._queue:
            self._queue.close()
            self._queue = None

    # What is looked at, at every step

    def _seen(self, sender: SimSocket, receiver: SimSocket, frames: Frames) -> None:
        """What the sink says is stored is stored."""
        if receiver.kind == zmq.ROUTER and sender.context.host is self.sink.host and len(frames) == 1:
            try:
                message = decode_control(frames[0])
            except WireError:
                return
            brief = message.brief if isinstance(message, SinkState) else message
            if isinstance(brief, SinkBrief):
                for run in brief.runs:
                    self.check_stored(run.run, run.stored)
                    if not run.refused:  # whose ledger cannot be used, nothing is said of
                        self.check_backlog(run.run, run.backlog)
                self.check_expired()

    def check_stored(self, run: str, said: Ranges) -> None:
        """Raise ViolationError unless a second reader of the ledger sees these slices, and the disk has them."""
        new = added(said, self._checked.get(run, ()))
        if not new:
            return
        rows = self.rows(run)
        directory = self.directory(self.folders[run])
        for index in new:
            state, file = rows.get(index, ("missing", None))
            if state == "expired":
                continue
            if state != "stored" or file is None:
                raise ViolationError(f"slice {index} of run {run} was said to be stored; in the ledger it is {state}")
            if not directory.safe.get(file):
                raise ViolationError(f"slice {index} of run {run} was said to be stored; {file} would not survive")
        self._checked[run] = said

    def check_backlog(self, run: str, said: Ranges) -> None:
        """Raise ViolationError if a slice has changed its series, or who follows the backlog would have missed it."""
        before, known = self.backlogs.get(run, ((), frozenset()))
        new = set(added(said, before))
        if set(added(before, said)) or (before and new and min(new) < before[-1][1]) or new & known:
            raise ViolationError(f"the backlog of run {run} was {before}, and is {said}")
        self.backlogs[run] = said, frozenset(self.rows(run))

    def check_expired(self) -> None:
        """Raise ViolationError if an image was removed that is to be kept, or before one that is older."""
        keep = self.config.config.sink.keep
        for run, folder in self.folders.items():
            rows, appeared = self.rows(run), self.directory(folder).appeared
            left = [appeared[file] for state, file in rows.values() if state == "stored" and file in appeared]
            for index, (state, file) in rows.items():
                if state != "expired" or file not in appeared or (run, index) in self._expired:
                    continue
                self._expired.add((run, index))
                age = self.world.now - appeared[file]
                if keep.seconds is not None and age < keep.seconds - SLACK:
                    raise ViolationError(f"slice {index} of run {run} expired after {age:.1f} s of {keep.seconds:g} s")
                if left and min(left) < appeared[file] - SLACK:
                    raise ViolationError(f"slice {index} of run {run} expired before an older one")

    def rows(self, run: str) -> dict[int, tuple[str, str | None]]:
        """Index -> (state, file) of a run, as another process sees the ledger now."""
        found = self._query(run, "SELECT slice, state, file FROM slices WHERE run = ?")
        return {index: (state, file) for index, state, file in found}

    def directory(self, folder: str) -> Directory:
        """Return a directory of images."""
        return self.disk.directories.get(ROOT / folder, Directory())

    def check_cut(self, made: MadeSet, index: int) -> None:
        """Raise ViolationError if a slice is cut that is in the ring of cut slices, unless a disk failed there."""
        files = self.disk.directories.get(self._ring, Directory()).files
        content = files.get(f"{made.run}.{index:010d}.slice")
        if content and not self.disk.failed and decode_entry(content, SliceId(made.run, index)):
            raise ViolationError(f"slice {index} of run {made.run} is cut again, and is in the ring")

    def check_transactions(self) -> None:
        """Raise ViolationError if a turn left a transaction open: what is said after it may be lost."""
        for place, raw in self.databases.raw.items():
            if raw.in_transaction:
                raise ViolationError(f"a transaction of {place} was left open")

    def check_end(self) -> None:
        """Raise ViolationError unless every job ended as it should, and every slice is one file."""
        for name, submit in self.operator.submitted.items():
            job = self.operator.seen.get(name)
            if job is None or job.state in ("queued", "running"):
                raise ViolationError(f"job {name} never ends: {job and job.state}")
            if name in self.operator.cancelled or job.state == "cancelled":
                continue
            for path in submit.paths:
                self._check_set(job, self.sets[path])

    def _check_set(self, job: JobStatus, made: MadeSet) -> None:
        if made.damaged:
            return
        rows = self.rows(made.run)
        excused = any(word in job.reason for word in ("corrupt", "malformed", "casacore crashes", "workers died of it"))
        fine = set(range(made.slices)) - made.unreadable - made.unimageable - made.deadly
        stored = {index for index, (state, _) in rows.items() if state in ("stored", "expired")}
        failed = {index for index, (state, _) in rows.items() if state == "failed"}
        if not excused and fine - stored - self._given_up(made.run):
            raise ViolationError(f"job {job.job} ended as {job.state} ({job.reason}) without {sorted(fine - stored)}")
        if not excused and set(range(made.slices)) - stored - failed:
            raise ViolationError(f"job {job.job} ended with slices of which nothing is known")
        directory = self.directory(self.folders[made.run])
        for state, file in rows.values():
            if state == "stored" and not directory.files.get(file or ""):
                raise ViolationError(f"{file} is in the ledger, and not on the disk")
        named = {file for state, file in rows.values() if state in ("stored", "expired")}  # one that is to go yet
        stem = Path(made.path).stem
        named |= {f"{stem}-t{index:06d}-dirty.fits" for index in failed}  # the sink died before it was entered
        extra = {name for name in directory.files if name.startswith(f"{stem}-t")} - named
        if extra and not excused:
            raise ViolationError(f"{sorted(extra)} are on the disk, and not in the ledger")

    def _given_up(self, run: str) -> set[int]:
        """Slices that failed for a reason that had nothing to do with them."""
        found = self._query(run, "SELECT slice, reason FROM slices WHERE run = ? AND state = 'failed'")
        if not self.may_leave and (left := sorted(index for index, reason in found if LEFT in reason)):
            raise ViolationError(f"of run {run} {left} were lost")
        return {index for index, reason in found if any(each in reason for each in (*BY_CHANCE, LEFT))}

    def _query(self, run: str, query: str) -> list[tuple[Any, ...]]:
        """What another process sees in the ledger now: nothing of what is not committed."""
        raw = self.databases.raw.get(str(ROOT / self.folders[run] / "fip.sqlite"))
        if raw is None or raw.in_transaction or not raw.execute("PRAGMA user_version").fetchone()[0]:
            return []
        return raw.execute(query, (run,)).fetchall()


class SimQueue(Queue):
    """The real queue; one that cannot be opened leaves no lock, as a process that ends leaves none."""

    def __init__(self, path: Path, **rest: Any) -> None:
        self._lock = -1
        try:
            super().__init__(path, **rest)
        except BaseException:
            with suppress(OSError):
                os.close(self._lock)
            raise


class Operator:
    """Somebody who submits jobs, asks how they are, and cancels some."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._world = cluster, cluster.world
        self.submitted: dict[str, Submit] = {}
        self.cancelled: set[str] = set()
        self.seen: dict[str, JobStatus] = {}
        context = SimContext(cluster.network, Host("desk"), self._read, lambda: False)
        self._socket = context.socket(zmq.DEALER)
        self._socket.connect("ipc:///made/control")
        self._world.after(ASK_EVERY, self._ask)

    def submit(self, job: str, paths: tuple[str, ...]) -> None:
        """Submit, and again until the job is seen."""
        streams = any(self._cluster.sets[path].every for path in paths)
        self.submitted[job] = Submit(job, paths, ASKED, job, follow=Follow(1.0, 1e6) if streams else None)
        for path in paths:
            self._cluster.folders[self._cluster.sets[path].run] = job
        self._say(self.submitted[job])

    def cancel(self, job: str) -> None:
        """Cancel a job, and note that."""
        self.cancelled.add(job)
        self._say(Cancel(job))

    @property
    def over(self) -> bool:
        """Whether all jobs were seen to have ended."""
        return all(name in self.seen and self.seen[name].state not in ("queued", "running") for name in self.submitted)

    def _ask(self) -> None:
        for name, submit in self.submitted.items():
            if name not in self.seen:
                self._say(submit)
        self._say(Ask())
        self._world.after(ASK_EVERY, self._ask)

    def _say(self, message: Control) -> None:
        if self._socket.ready(int(zmq.POLLOUT)):
            self._socket.send(encode_control(message))

    def _read(self) -> None:
        while self._socket.ready(int(zmq.POLLIN)):
            message = decode_control(self._socket.recv())
            if isinstance(message, PipelineStatus):
                for job in message.jobs:
                    if job.job not in self.seen or self.seen[job.job].state != job.state:
                        self._world.say(f"job {job.job} is {job.state} {job.reason}".rstrip())
                    self.seen[job.job] = job
