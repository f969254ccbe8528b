"""The ventilator's state machine: what peers say, what it does, what it says."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import zmq

from fip.archive.folder import Folder
from fip.config import DETECTOR, Config, Loaded
from fip.data.errors import NoRoomError, RefusedError, WireError
from fip.layout.reading import cores, readers_for
from fip.runtime.gate import SAID_BY, Gate
from fip.runtime.logs import set_level
from fip.runtime.service import Daemon, Loop
from fip.runtime.sockets import control_socket, host_name, peer_host, reaches, receive, waits
from fip.runtime.vitals import Vitals
from fip.ventilator.askers import Askers
from fip.ventilator.job_queue import Queue
from fip.ventilator.jobs import Jobs
from fip.ventilator.joining import joined
from fip.ventilator.lanes import Lanes
from fip.ventilator.manifests import manifest_name, manifests_of
from fip.ventilator.peers import Departed, Followers, Peer
from fip.ventilator.reader import Reader
from fip.ventilator.readers import Readers
from fip.ventilator.receivers import Receivers
from fip.ventilator.ring import RING, OpenFolder, Ring
from fip.ventilator.sending import Sending
from fip.ventilator.status_line import ventilator_line
from fip.ventilator.storing import Storing
from fip.ventilator.supply import LOOK_EVERY, Supply, refused
from fip.wire.codec import decode_control, encode_control, encode_shortened
from fip.wire.messages import (
    STATE_INTERVAL,
    Ask,
    Bye,
    Cancel,
    Control,
    FollowerState,
    PipelineStatus,
    Refused,
    SinkBrief,
    SinkState,
    Submit,
    Vet,
    WorkerBrief,
    WorkerState,
)
from fip.wire.receiving import ReceiverBrief, ReceiverState

log = logging.getLogger("fip.ventilator")

COUNTERS = ("slices", "bytes_out", "again", "failures", "workers_lost", "bad_messages", "unread")
RELOADS = ("log_level", "pace", "lane_depth", "read_ahead", "window", "behind")
TRY_ALL = 20  # statuses: one in so many tries whether all of it fits into a message again
HEARD_AT_ONCE = 100  # messages, before slices are sent


class Ventilator(Daemon):
    """One control socket for all peers, one lane a worker, child processes that read."""

    reloads = tuple(f"ventilator.{key}" for key in RELOADS)
    restarts = ("ventilator", "security")

    def __init__(
        self,
        loaded: Loaded,
        loop: Loop,
        make_reader: Callable[[Loop, float], Reader] = Reader,
        open_queue: Callable[[Path], Queue] = Queue,
        open_folder: OpenFolder = Folder,
        join: Path | None = None,
    ) -> None:
        """`make_reader` makes a reading child that may stand still for so many seconds; `open_queue` opens the file of
        jobs, `open_folder` the folder of cut slices. With `join` no child is started: they join at that socket.
        """
        self._loop = loop
        self._config = loaded.config.ventilator
        self._roots = loaded.config.source.roots
        self._jobs = Jobs(open_queue(self._config.queue))
        self._vitals = Vitals(loop, "ventilator", host_name(), "ventilator", COUNTERS, disk=self._config.queue.parent)
        self._manifests = manifests_of(self._config.arrivals, self._config.queue)
        number, within = readers_for(loaded.config, cores()), self._config.read_within
        self._readers = (
            joined(loop, join, number, within, self._manifests)
            if join
            else Readers([make_reader(loop, within) for _ in range(number)], self._manifests)
        )
        ring = Ring(loop, self._manifests.folder / RING, self._config.ring, open_folder)
        self._supply = Supply(self._readers, self._jobs, self._vitals, self._changed, self._pump, ring, self._roots)
        self._gate = Gate(loop, loaded.config.security, "ventilator", self._vitals)
        self._tickets = self._gate.ticket_secret
        self._lanes = Lanes(loop, self._config, self._gate, self._jobs.loads)
        self._sending = Sending(loop, self._jobs, self._supply, self._lanes, self._vitals, self._tickets, self._pump)
        self._askers = Askers(loop, self._encoded, self._send)
        self._draining = False
        self._departed = Departed()
        self._followers = Followers(self._departed)
        self._receivers = Receivers(self._departed, self._starts_again)
        self._storing = Storing(
            self._jobs, self._supply, self._followers, self._departed,
            self._tickets, self._config.max_attempts, self._starts_again, self._tell,
        )  # fmt: skip
        self._told, self._shortened = 0, 0  # statuses so far, and by how many steps the last was shorter than all
        set_level(self._config.log_level)

    def start(self) -> None:
        """Bind the one address that everybody is pointed at, and the one that sends the status."""
        self._control = control_socket(self._loop.context, zmq.ROUTER)
        self._gate.bind(self._control, self._config.control, "ventilator.control")
        self._status = control_socket(self._loop.context, zmq.PUB)
        self._gate.bind(self._status, self._config.status, "ventilator.status")
        self._readers.start()
        self._forget_orders()
        self._loop.on(self._control, self._on_control)
        self._loop.every(STATE_INTERVAL, self._tick)
        self._loop.every(LOOK_EVERY, self._supply.look_again)
        log.info("control at %s, status at %s", self._config.control, self._config.status)

    def drain(self) -> None:
        """Cut no more slices, and wait for those that are out."""
        self._draining = True

    @property
    def finished(self) -> bool:
        """Return whether it drains and nothing is out with anybody who could still deliver it."""
        return self._draining and not (self._jobs.out() and self._lanes.peers and self._storing.peer)

    def close(self) -> None:
        """Let the workers go; the next ventilator cuts again what is not stored."""
        for peer in self._lanes.peers.values():
            self._tell(peer.route, Bye())
        self._publish()
        self._supply.close()

    @property
    def line(self) -> str:
        """Return what the ventilator does, for an operator."""
        return ventilator_line(self._pipeline())

    def reload(self, config: Config) -> None:
        """Take the pace, also of runs under way, how much is sent and read ahead, log level and who is let in."""
        self._gate.reload()
        taken = {key: getattr(config.ventilator, key) for key in RELOADS}
        self._config = self._config.model_copy(update=taken)
        self._lanes.reload(self._config)
        self._jobs.change_pace(self._config.pace, time.monotonic())
        set_level(self._config.log_level)
        self._pump()

    # What peers say

    def _on_control(self) -> None:
        """Take what has come, then do what can be done now."""
        for _ in range(HEARD_AT_ONCE):
            message = receive(self._control)
            if message and self._gate.hears(message[0], "ventilator.control"):
                self._on_message(*message)
            if not waits(self._control):
                break
        self._pump()

    def _on_message(self, route: zmq.Frame, *frames: zmq.Frame) -> None:
        try:
            if len(frames) != 1:
                raise WireError(f"control message of {len(frames)} frames")
            message = decode_control(frames[0].buffer)
            if type(message) not in SAID_BY:
                raise WireError(f"{type(message).__name__} is not for the ventilator")
            key = self._gate.check(frames[0], "ventilator.control", *SAID_BY[type(message)])
            if isinstance(message, WorkerBrief | WorkerState):
                self._on_worker(route.bytes, message, key)
            elif isinstance(message, SinkBrief | SinkState):
                self._storing.hear(route.bytes, message, peer_host(route))
            elif isinstance(message, FollowerState):
                self._followers.hear(route.bytes, message, time.monotonic())
            elif isinstance(message, ReceiverBrief | ReceiverState):
                if spool := self._receivers.hear(route.bytes, message, time.monotonic()):
                    self._supply.look_at(spool)
            elif isinstance(message, Ask | Submit | Cancel | Vet):
                self._on_operator(route.bytes, message)
        except WireError as error:
            self._gate.refuse(route, "ventilator.control", "a peer", error)
            if isinstance(error, RefusedError):
                self._tell(route.bytes, Refused(str(error)))

    def _on_worker(self, route: bytes, said: WorkerBrief | WorkerState, key: str) -> None:
        brief = said.brief if isinstance(said, WorkerState) else said
        if brief.leaving and not brief.holds and brief.identity not in self._lanes.peers:
            self._tell(route, Bye())  # it said so before it heard the bye, or to the ventilator before this one
            return
        before = self._lanes.peers.get(brief.identity)
        if before and before.key == key and self._starts_again(before.route, before.state.brief.boot, brief.boot):
            self._lose(before, "was started again")
        peer = self._lanes.hear(route, said, time.monotonic(), key)
        if peer is None:
            return
        self._departed.is_back(brief.identity)
        if peer is not before:
            self._fit()
        if self._jobs.hangs(peer.state) and not peer.hangs:
            log.warning("worker %s hangs: its slices go to others", brief.identity)
            self._lanes.hangs(peer)
            self._vitals.counters["workers_lost"] += 1
            self._vitals.counters["again"] += self._jobs.worker_gone(brief, "hung")
        if not peer.hangs:
            self._hear_of_slices(brief, peer.heard)
        if brief.leaving and not self._jobs.loads.counts[brief.identity]:
            log.info("worker %s leaves", brief.identity)
            self._tell(route, Bye())
            self._lanes.dismiss(brief.identity)
            self._departed.went(peer.state.status, "left")
            self._vitals.counters["again"] += self._jobs.worker_gone(brief, "")
        elif sink := self._storing.peer:
            lane = self._lanes.wanted(peer, sink.address, sink.state.brief)
            if lane:
                self._tell(route, lane)

    def _hear_of_slices(self, brief: WorkerBrief, now: float) -> None:
        """Take what a worker has, and what became of what it had."""
        failures = self._jobs.worker_says(brief, now)
        for leases in self._jobs.leases.values():
            for seconds in leases.arrived():
                self._vitals.took("wire", seconds)
        for failure in failures:
            self._vitals.counters["failures"] += 1
            log.warning("slice %d of run %s on %s: %s", failure.index, failure.run, brief.identity, failure.reason)

    def _starts_again(self, route: bytes, known: str, boot: str) -> bool:
        """Return whether a peer of boot `boot` replaces one of the known boot, whose process is gone.

        A peer that is still connected lives.
        """
        return boot != known and not reaches(self._control, route, encode_control(Ask()))

    def _on_operator(self, route: bytes, message: Ask | Submit | Cancel | Vet) -> None:
        """Do what the operator wants, and send it every status from now on, as long as it asks again."""
        if isinstance(message, Submit):
            reason = refused(message, self._roots)
            try:
                if self._jobs.submit(message, reason):
                    self._fit()
                    self._forget_orders()
                    log.info("job %s: %s", message.job, reason or ", ".join(message.paths))
            except NoRoomError as error:
                self._tell(route, Refused(f"{error}; job {message.job} is not taken: submit it again when it can be"))
                return
        if isinstance(message, Cancel) and self._jobs.cancel(message.job, time.monotonic()):
            self._supply.cancelled(message.job)
            self._storing.order()
        if isinstance(message, Vet):  # it is said again until the detector's state has the answer: nothing is kept here
            for detector in self._followers.routes(DETECTOR):
                self._tell(detector, message)
        self._askers.hear(route, waits=not isinstance(message, Ask))

    # What it does

    def _pump(self) -> None:
        """Do all that can be done now: open the next MeasurementSet, read ahead, send."""
        if not self._draining:
            if sink := self._storing.peer:
                self._sending.send(sink.state.brief.images_key != "")
            self._supply.refill(self._config, sink=self._storing.peer is not None)
        blocked = self._supply.read and not self._sending.waits  # what is not due waits for its time, not for workers
        self._vitals.stopwatch.enter("busy" if self._supply.reading else "blocked" if blocked else "idle")

    def _changed(self) -> None:
        """Do what is new to do, and send the new status."""
        self._part()
        self._storing.order()
        self._pump()  # before the status is sent, which takes time
        self._publish()

    def _tick(self) -> None:
        """Find, twice a second, silent peers and overdue slices; order the sink; send the status to all who watch."""
        now = time.monotonic()
        for peer in self._lanes.silent(now):
            self._lose(peer, "is silent")
        for each in (self._followers, self._receivers, self._storing):
            each.check(now, self._config.dead_after)
        if self._storing.peer and not self._storing.stalled:
            self._vitals.counters["again"] += sum(leases.overdue(now) for leases in self._jobs.leases.values())
        if self._lanes.idle:
            for leases in self._jobs.leases.values():
                leases.straggler(now)
        self._fit()
        self._part()
        self._jobs.save()
        self._storing.order()
        self._publish()
        self._pump()

    def _forget_orders(self) -> None:
        """Remove the orders in which sets arrived with their jobs; those in a folder that was named stay."""
        if self._config.arrivals is None and not self._jobs.trouble:
            self._manifests.keep(manifest_name(*each) for each in self._jobs.recordings())

    def _fit(self) -> None:
        """Find which workers have what jobs ask for."""
        self._jobs.fit({name: peer.state.codes for name, peer in self._lanes.peers.items()})

    def _part(self) -> None:
        """Set aside what waits of runs that have fallen behind, if the newest slices go first."""
        if self._config.behind == "newest":
            self._jobs.part(time.monotonic())

    def _lose(self, peer: Peer, how: str) -> None:
        """Forget a worker that is gone; what it had not handed on goes to others."""
        brief = peer.state.brief
        log.warning("worker %s %s: its slices go to others", brief.identity, how)
        self._vitals.counters["workers_lost"] += 1
        self._lanes.dismiss(brief.identity)
        self._departed.went(peer.state.status, "died")
        self._vitals.counters["again"] += self._jobs.worker_gone(brief, "died")

    # What it says

    def _tell(self, route: bytes, message: Control) -> None:
        self._send(route, encode_control(message))

    def _send(self, route: bytes, told: bytes) -> None:
        self._control.send_multipart([route, told], zmq.NOBLOCK)

    def _publish(self) -> None:
        """Send the status to all who watch, and to the operators who asked recently."""
        self._told += 1
        told = self._encoded()
        self._status.send(told)
        self._askers.tell(told)

    def _encoded(self) -> bytes:
        """Return the status as a message. If all of it is too long, try all of it only now and then."""
        least = self._shortened if self._told % TRY_ALL else 0
        encoded, self._shortened = encode_shortened(self._pipeline(), least)
        return encoded

    def _pipeline(self) -> PipelineStatus:
        """Return all that is known now, for whoever watches."""
        now, peers, sink = time.monotonic(), self._lanes.peers, self._storing.peer
        queues = {"reading": len(self._supply.reading), "read": len(self._supply.read), "leased": self._jobs.out()}
        heard = {name: peer.heard for name, peer in peers.items()} | self._followers.heard | self._receivers.heard
        if sink:
            heard["sink"] = sink.heard
        return PipelineStatus(
            time=time.time(),
            ventilator=self._vitals.status("draining" if self._draining else "running", queues),
            jobs=self._jobs.statuses(now),
            workers=tuple(peer.told for peer in peers.values()),
            sink=sink.state if sink else None,
            number=self._told,
            ages={name: now - at for name, at in heard.items()},
            hung=tuple(name for name, peer in peers.items() if peer.hangs),
            departed=self._departed.told,
            failures=self._jobs.last_failures(),
            antennas=self._supply.antennas.health(),
            waits=self._readers.waits or self._jobs.waits,
            unsaved=self._jobs.trouble or self._manifests.trouble,
            followers=self._followers.states,
            receivers=self._receivers.states,
            ring=self._supply.ring.state,
        )
