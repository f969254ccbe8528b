"""The worker's state machine: one lane in, one image out at a time. It keeps nothing: what it loses is sent again."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from uuid import uuid4

import zmq

from fip.config import Config, Loaded
from fip.data.errors import WireError
from fip.data.names import Attempt
from fip.data.values import ImageFile, Slice
from fip.runtime.control_link import Link
from fip.runtime.credit import MOST_AHEAD, depth
from fip.runtime.gate import Gate
from fip.runtime.logs import set_level
from fip.runtime.service import Background, Daemon, Loop
from fip.runtime.sockets import LINGER, data_socket, host_name, reachable
from fip.runtime.time_limits import FIRST_IMAGE_WITHIN, image_within
from fip.runtime.vitals import Vitals
from fip.wire.batches import apart, next_together, together
from fip.wire.codec import Frame, decode_slice, encode_image, size
from fip.wire.messages import Bye, Control, Failure, Lane, Task, WorkerBrief, WorkerState
from fip.worker.imager import Imager
from fip.worker.stages import OWN_TIMES
from fip.worker.status_line import worker_line
from fip.worker.user_code import NOTHING, Offers
from fip.worker.writing import Handed, Writing

log = logging.getLogger("fip.worker")

REMEMBERED = 32  # slices whose outcome is in the state
TASKS_TOLD = 8  # slices whose times of each step are in the state
COUNTERS = ("slices", "images", "failures", "bad_messages", "bytes_in", "bytes_out")
TOGETHER_WITHIN = 0.02  # s that a small image waits for others
BYE_WITHIN = 2.0  # s for the ventilator to let an idle worker go


@dataclass
class Finished:
    """An image that waits for the sink's socket to take it."""

    handed: Handed
    began: float  # s UTC, Unix: when imaging began
    took: float  # s
    ready: float  # monotonic s

    @property
    def image(self) -> ImageFile:
        """Return the image with its bytes."""
        return self.handed.whole


ImageSlice = Callable[[Slice, str, str, float], ImageFile]
"""What images a slice: it is given the slice, the device, the worker's name, and how long the slice lay here, in s."""


class Worker(Daemon):
    """One lane in, one image out at a time."""

    def __init__(
        self,
        name: str,
        device: str,
        loaded: Loaded,
        loop: Loop,
        image: ImageSlice | None = None,
        offers: Offers = NOTHING,
    ) -> None:
        """`image` is called in a thread of its own, for one slice after the other; None: it images them.

        `offers` are the stages and kernels of users that it has.
        """
        self._loop, self._image, self._codes = loop, image or Imager(offers), offers.codes
        self._host, self._name, self._boot = host_name(), name, uuid4().hex[:12]
        self._device = device
        self._ventilator = loaded.config.ventilator.control
        self._compute = Background(loop, "imaging")
        self._writing = Writing(loop, f"{self._host}/{name}")
        self._lane = Lane(lane="", sink="")
        self._slices: zmq.Socket[bytes] | None = None
        self._images: zmq.Socket[bytes] | None = None
        self._waiting: deque[tuple[Slice, float]] = deque()  # slices not begun, and since when
        self._holds: dict[Attempt, float] = {}  # in the order in which they came, and when (monotonic s)
        self._outgoing: deque[Finished] = deque()
        self._waking = False  # whether those of them that wait for more are to be looked at in a moment
        self._handed_on: deque[tuple[Attempt, float]] = deque(maxlen=REMEMBERED)  # and when each came
        self._failed: deque[Failure] = deque(maxlen=REMEMBERED)
        self._untold = 0  # images handed on that the ventilator does not know of yet
        self._tasks: deque[Task] = deque(maxlen=TASKS_TOLD)
        self._working: Attempt | None = None
        self._working_since = 0.0
        self._leaving = False
        self._leave_at = 0.0
        self._vitals = Vitals(loop, "worker", self._host, name, COUNTERS, device=device)
        self._told = self._vitals.status("running", {})  # what it said last of itself
        self._gate = Gate(loop, loaded.config.security, "worker", self._vitals)
        self._took: deque[float] = deque(maxlen=REMEMBERED)  # s, for each of the last slices of `_took_for`
        self._took_for = ""  # the run that it images
        self.reloads = tuple(f"worker.{each}.log_level" for each in (name, f"{self._host}/{name}"))
        self.restarts = ("ventilator.control", "security", f"worker.{name}", f"worker.{self._host}/{name}")
        self.reload(loaded.config)

    def start(self) -> None:
        """Connect to the ventilator, which sends everything else that the worker must know."""
        self._link = Link(
            self._loop, self._gate, self._vitals, self._ventilator, self._hear, self._say, self._say_brief
        )
        log.info("%s/%s images on %s for the ventilator at %s", self._host, self._name, self._device, self._ventilator)

    def drain(self) -> None:
        """Take no more slices, end those that it holds, and wait for the ventilator's bye."""
        self._leaving = True
        self._leave_at = time.monotonic() + BYE_WITHIN
        self._link.say()

    @property
    def finished(self) -> bool:
        """Return whether it may leave: it holds nothing, and the ventilator said bye or is silent.

        Images that no sink takes are left behind after a while: they are made again.
        """
        if not self._leaving or self._working or self._waiting:
            return False
        if self._holds:
            return time.monotonic() > self._leave_at + LINGER / 1000
        return not self._lane.lane or time.monotonic() > self._leave_at

    def close(self) -> None:
        """End the thread; the sink's socket lingers until the last image is out."""
        self._link.close()
        self._compute.close()
        self._writing.close()
        if self._images:
            self._images.close(LINGER)

    @property
    def line(self) -> str:
        """Return what the worker does, for an operator."""
        heard = self._vitals.connected("control")
        return worker_line(self._state(), self._ventilator, heard, self._vitals.rate)

    @property
    def hangs(self) -> bool:
        """Return whether it is on one slice for longer than any should take; the first of a run may plan or compile."""
        patience = image_within(self._took) if self._took else FIRST_IMAGE_WITHIN
        return self._working is not None and time.monotonic() - self._working_since > patience

    def reload(self, config: Config) -> None:
        """Take the log level from the new configuration."""
        set_level(config.worker_named(self._name, self._host).log_level)

    def _hear(self, message: Control) -> None:
        if isinstance(message, Lane):
            self._join(message)
        elif isinstance(message, Bye):
            self._join(Lane(lane="", sink=self._lane.sink))

    def _join(self, lane: Lane) -> None:
        """Read from this lane and send to this sink from now on. WireError for an address that is none."""
        if lane.lane != self._lane.lane:
            if self._slices:
                self._loop.off(self._slices)
                self._slices.close(0)
            self._slices, self._lane = None, replace(self._lane, lane="")
            if lane.lane:
                self._slices = self._connected(zmq.PULL, "lane", lane.lane, lane.lane_key)
                self._loop.on(self._slices, self._on_slice)
            self._lane = replace(self._lane, lane=lane.lane)
        if lane.sink != self._lane.sink:
            if self._images:
                self._loop.off(self._images, zmq.POLLOUT)
                self._images.close(LINGER)
            self._images, self._lane = None, replace(self._lane, sink="")
            self._images = self._connected(zmq.PUSH, "images", lane.sink, lane.sink_key)
            self._hand_on()
        self._lane = lane
        self._writing.point(lane.files, self._gate.host if lane.sink_key else "")
        self._link.say()

    def _connected(self, kind: int, name: str, address: str, key: str) -> zmq.Socket[bytes]:
        """Return a socket for slices or images that is joined to the one at the address from the ventilator."""
        push = kind == zmq.PUSH
        opened = data_socket(self._loop.context, kind, queue=1 if push else MOST_AHEAD, linger=LINGER if push else 0)
        self._vitals.watch(name, opened)
        try:
            self._gate.connect(opened, reachable(address, self._ventilator), key)
        except WireError:
            opened.close(0)
            raise
        return opened

    def _on_slice(self) -> None:
        if self._slices is None:
            return
        if len(self._holds) >= MOST_AHEAD:  # a ventilator that has started anew knows of none of these yet
            self._loop.off(self._slices)  # it would be reported without an end; `_hand_on` has it heard again
            return
        frames = [frame.buffer for frame in self._slices.recv_multipart(copy=False)]
        try:
            slices = apart(frames)
        except WireError as error:
            self._vitals.bad_message(f"the lane {self._lane.lane}", error)
            return
        for each in slices:
            self._take(each)
        self._compute_next()
        self._link.changed()

    def _take(self, frames: Sequence[Frame]) -> None:
        """Take a slice; one that is damaged costs no other."""
        try:
            values = decode_slice(frames)
        except WireError as error:
            self._vitals.bad_message(f"the lane {self._lane.lane}", error)
            return
        self._vitals.counters["slices"] += 1
        self._vitals.counters["bytes_in"] += size(frames)
        now = time.monotonic()
        self._holds[_attempt(values)] = now
        self._waiting.append((values, now))

    def _compute_next(self) -> None:
        if self._working or not self._waiting:
            return
        values, since = self._waiting.popleft()
        self._working, self._working_since = _attempt(values), time.monotonic()
        if values.run != self._took_for:
            self._took_for = values.run
            self._took.clear()
        self._vitals.stopwatch.enter("busy")
        waited = self._working_since - since
        self._vitals.took("wait", waited)
        ended = partial(self._on_image, values)
        self._compute.call(ended, self._image, values, self._device, f"{self._host}/{self._name}", waited)

    def _on_image(self, values: Slice, future: Future[ImageFile]) -> None:
        self._working = None
        now = time.monotonic()
        took = now - self._working_since
        error = future.exception()
        if error is None:
            self._vitals.took("image", took)
            self._took.append(took)
            log.debug("slice %d of run %s was imaged in %.2f s", values.index, values.run, took)
            image = replace(future.result(), ticket=values.ticket)
            self._compute_next()
            self._writing.write(image, partial(self._on_written, time.time() - took, took, now))
        else:
            log.error("slice %d of run %s cannot be imaged", values.index, values.run, exc_info=error)
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:500]
            self._failed.append(Failure(values.run, values.index, values.attempt, reason))
            self._holds.pop(_attempt(values), None)
            self._vitals.counters["failures"] += 1
            self._link.changed(waited_for=True)
        self._compute_next()
        self._hand_on()

    def _on_written(self, began: float, took: float, ready: float, handed: Handed) -> None:
        self._outgoing.append(Finished(handed, began, took, ready))
        self._hand_on()

    def _hand_on(self) -> None:
        """Pass on the images that the sink's socket takes now; the others when it can."""
        while self._images and self._outgoing and not self._wait_for_more():
            some = list(islice(self._outgoing, next_together(each.image.size for each in self._outgoing)))
            try:
                frames = together([encode_image(each.handed.now) for each in some])
                self._images.send_multipart(frames, flags=zmq.NOBLOCK, copy=False)
            except zmq.Again:
                self._loop.on(self._images, self._hand_on, zmq.POLLOUT)
                break
            for finished in some:
                self._outgoing.popleft()
                attempt = _attempt(finished.image)
                self._handed_on.append((attempt, self._holds.pop(attempt, 0.0)))
                self._record(finished)
            self._untold += len(some)
            self._link.changed(waited_for=self._runs_dry)
        else:
            if self._images:
                self._loop.off(self._images, zmq.POLLOUT)
        if self._slices and len(self._holds) < MOST_AHEAD:
            self._loop.on(self._slices, self._on_slice)
        self._vitals.stopwatch.enter("busy" if self._working else "blocked" if self._goes_out else "idle")

    @property
    def _goes_out(self) -> int:
        """Return the images that are made and not handed on."""
        return len(self._outgoing) + self._writing.waiting

    @property
    def _runs_dry(self) -> bool:
        """Return whether it may have nothing left to do before the ventilator sends more, going by what that knows."""
        known = len(self._holds) + self._untold
        return not self._waiting and known >= depth(1, self._told)

    def _wait_for_more(self) -> bool:
        """Return whether small images wait, for a moment, for the next one that is in work, to go with it."""
        sizes = [each.image.size for each in self._outgoing]
        until = self._outgoing[0].ready + TOGETHER_WITHIN
        waits = self._working is not None and next_together([*sizes, sizes[-1]]) > len(sizes)
        if not waits or time.monotonic() >= until:
            return False
        if not self._waking:  # one such call is under way at a time
            self._waking = True
            self._loop.at(until, self._wake)
        return True

    def _wake(self) -> None:
        self._waking = False
        self._hand_on()

    def _record(self, finished: Finished) -> None:
        """Note that an image was handed on: what was done for it, and for how long."""
        self._vitals.counters["images"] += 1
        self._vitals.counters["bytes_out"] += finished.image.size
        image, handing_on = finished.image, time.monotonic() - finished.ready
        waited = image.seconds["wait"]
        self._vitals.took("hand_on", handing_on)
        for stage, seconds in image.seconds.items():
            if stage not in OWN_TIMES:  # of a user
                self._vitals.took(stage, seconds)
        self._tasks.append(Task(image.run, image.index, finished.began, waited, finished.took, handing_on))

    def _say(self) -> WorkerState:
        """Return the worker's state, to send it to the ventilator."""
        state = self._state()
        self._told, self._untold = state.status, 0
        return state

    def _say_brief(self) -> WorkerBrief:
        """Return the worker's brief, to send it to the ventilator."""
        self._untold = 0
        return self._brief()

    def _state(self) -> WorkerState:
        queues = {"waiting": len(self._waiting), "outgoing": self._goes_out}
        status = self._vitals.status("leaving" if self._leaving else "running", queues)
        return WorkerState(self._brief(), status, tuple(self._tasks), self._codes)

    def _brief(self) -> WorkerBrief:
        now = time.monotonic()
        return WorkerBrief(
            host=self._host,
            name=self._name,
            boot=self._boot,
            lane=self._lane.lane,
            sink=self._lane.sink,
            holds=tuple(self._holds),
            handed_on=tuple(attempt for attempt, _ in self._handed_on),
            ages=tuple(now - came for came in (*(came for _, came in self._handed_on), *self._holds.values())),
            failed=tuple(self._failed),
            working=self._working,
            working_for=now - self._working_since if self._working else 0.0,
            leaving=self._leaving,
            files=self._lane.files.boot if self._lane.files else "",
        )


def _attempt(values: Slice | ImageFile) -> Attempt:
    return Attempt(values.run, values.index, values.attempt)
