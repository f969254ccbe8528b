"""The sink's state machine: orders and images in, files out."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import zmq

from fip.config import Config, Loaded
from fip.data.errors import FipError, NoRoomError, StoreError, WireError
from fip.data.names import RunId
from fip.data.quantities import Retention
from fip.data.ranges import add, contains, count
from fip.data.values import ImageFile
from fip.runtime.control_link import Link
from fip.runtime.gate import Gate
from fip.runtime.logs import set_level
from fip.runtime.service import Daemon, Loop
from fip.runtime.sockets import data_socket, host_name, receive
from fip.runtime.vitals import Vitals
from fip.sink.status_line import sink_line
from fip.sink.store import Store
from fip.wire.codec import decode_image
from fip.wire.messages import Control, Failure, RunPlan, RunStored, SinkBrief, SinkOrders, SinkState
from fip.wire.tickets import is_ticket

log = logging.getLogger("fip.sink")

EXPIRE_EVERY = 1.0  # s between two looks at what is to be kept
TRY_AGAIN = 1.0  # s between attempts to store an image for which there is no room
HEARD_WITHIN = 2.5  # s, of the ventilator, which speaks twice a second
COUNTERS = ("images", "duplicates", "bad_messages", "unread", "unknown", "stalls", "bytes_in", "failures", "expired")


@dataclass
class OpenRun:
    """A run under way, and what is stored of it."""

    plan: RunPlan
    store: Store | None  # None if the run is refused, or goes on under another id
    said: RunStored  # what the ventilator is told of it


class Sink(Daemon):
    """Images in, files out."""

    reloads = ("sink.log_level",)
    restarts = ("sink", "security", "ventilator.control")

    def __init__(
        self, loaded: Loaded, loop: Loop, open_store: Callable[[Path, Retention, Path | None], Store] = Store
    ) -> None:
        """`open_store` is called for each directory of images, as `Store`."""
        self._loop, self._open_store = loop, open_store
        self._config = loaded.config
        self._host, self._boot = host_name(), uuid4().hex[:12]
        self._stores: dict[str, Store] = {}  # by their folder in the sink's directory
        self._runs: dict[RunId, OpenRun] = {}
        self._in_hand: ImageFile | None = None  # the image for which there is no room
        self._stalled = ""  # why there is none
        self._unopened = ""  # why a directory cannot be opened now
        self._draining = False
        self._tickets = b""  # the secret of lease tickets; b"" without keys
        self._vitals = Vitals(loop, "sink", self._host, "sink", COUNTERS, disk=self._config.sink.directory)
        self._gate = Gate(loop, self._config.security, "sink", self._vitals)
        set_level(loaded.config.sink.log_level)

    def start(self) -> None:
        """Binds for images, and points itself at the ventilator."""
        self._images = data_socket(self._loop.context, zmq.PULL)
        bound = self._gate.bind(self._images, self._config.sink.images, "sink.images")
        self._address = self._config.sink.address or bound
        ventilator = self._config.ventilator.control
        self._link = Link(self._loop, self._gate, self._vitals, ventilator, self._hear, self._state, self._brief)
        self._loop.on(self._images, self._on_image)
        self._loop.every(EXPIRE_EVERY, self._expire)
        log.info("storing in %s what comes to %s", self._config.sink.directory, self._config.sink.images)

    def drain(self) -> None:
        """Stores what has arrived, then ends."""
        self._draining = True

    @property
    def finished(self) -> bool:
        """Whether it drains, and nothing is waiting that could be stored."""
        return self._draining and bool(self._stalled or not self._images.poll(0))

    def close(self) -> None:
        """Leaves its directories in order."""
        self._link.close()
        for store in self._stores.values():
            store.close()

    @property
    def line(self) -> str:
        """What it does, for an operator."""
        heard = time.monotonic() - self._link.heard < HEARD_WITHIN
        return sink_line(self._state(), self._config.ventilator.control, heard, self._vitals.rate)

    def reload(self, config: Config) -> None:
        """Takes the log level, and the list of those who are let in."""
        self._gate.reload()
        set_level(config.sink.log_level)

    def _hear(self, message: Control) -> None:
        if isinstance(message, SinkOrders):
            before = self._brief()
            self._obey(message)
            if self._brief() != before:
                self._link.changed(waited_for=True)

    def _obey(self, orders: SinkOrders) -> None:
        """Opens runs that are new, records slices that will not come, closes directories that are used no more."""
        self._tickets = orders.tickets
        plans = {plan.run: plan for plan in orders.runs}
        over = self._runs.keys() - plans.keys()
        before, self._unopened = self._unopened, ""
        try:
            for run, plan in plans.items():
                known = self._runs.get(run)
                if known is None:
                    self._runs[run] = self._open(plan)
                elif known.store and plan != known.plan:  # more of its slices have come to be known
                    known.store.open_run(plan)
                    known.plan, known.said = plan, replace(known.said, final=plan.final)
            for failure in orders.failed:
                self._record(failure)
        except NoRoomError as error:  # the next orders come in half a second
            self._unopened = str(error)
            if not before:
                log.error("%s; waiting until it can be used", error)
                self._vitals.counters["stalls"] += 1
        self._runs = {run: self._runs[run] for run in plans if run in self._runs}
        if over:
            used = {run.plan.directory for run in self._runs.values()}
            for name in self._stores.keys() - used:
                self._stores.pop(name).close()

    def _record(self, failure: Failure) -> None:
        run, index = self._runs.get(failure.run), failure.index
        if run and run.store and not contains(run.said.failed, index) and not contains(run.said.stored, index):
            self._fail(run, run.store, failure)

    def _open(self, plan: RunPlan) -> OpenRun:
        try:
            sink = self._config.sink
            directory = sink.directory / plan.directory
            store = self._stores.get(plan.directory) or self._open_store(directory, sink.keep, sink.ledger)
            self._stores[plan.directory] = store
            older = store.ledger.older_of(plan)
            refused = "" if older else store.open_run(plan)
        except NoRoomError:
            raise
        except FipError as error:
            store, refused, older = None, str(error), None
        what = f"goes on as {older}" if older else "open"
        log.info("run %s of %s: %s", plan.run, plan.measurement_set, refused or what)
        if refused or older:
            store = None
        stored = store.ledger.stored(plan.run) if store else ()  # what failed before is tried again
        return OpenRun(plan, store, RunStored(plan.run, stored, (), refused, plan.final, older))

    def _on_image(self) -> None:
        frames = receive(self._images)
        if not frames or not self._gate.hears(frames[0], "sink.images"):
            return
        self._vitals.stopwatch.enter("busy")
        try:
            key = self._gate.check(frames[0], "sink.images", "worker")
            self._take(decode_image([frame.buffer for frame in frames]), key)
        except WireError as error:
            self._gate.refuse(frames[0], "sink.images", "a worker", error)
        self._link.changed(waited_for=bool(self._stalled) or self._all_stored)
        self._vitals.stopwatch.enter("blocked" if self._stalled else "idle")

    @property
    def _all_stored(self) -> bool:
        """Whether nothing more is known that would come."""
        return all(count(run.said.stored) + count(run.said.failed) >= run.plan.total for run in self._runs.values())

    def _take(self, image: ImageFile, key: str) -> None:
        """Stores the first copy of an image of an open run; other copies are counted and dropped.

        `key` is the host whose key it came with. Raises WireError for one without a ticket for its slice.
        """
        self._vitals.counters["bytes_in"] += image.size
        run = self._runs.get(image.run)
        if run is None or run.store is None or not 0 <= image.index < run.plan.total:
            self._vitals.counters["unknown"] += 1
        elif not is_ticket(image.ticket, self._tickets, image.run, image.index, image.worker, key):
            raise WireError(f"image {image.index} of run {image.run} without a ticket: its slice is not leased to them")
        elif contains(run.said.stored, image.index):
            self._vitals.counters["duplicates"] += 1
        else:
            self._put(run, run.store, image)

    def _put(self, run: OpenRun, store: Store, image: ImageFile) -> None:
        """Stores an image; where there is no room, takes no others, says so, and tries again."""
        begun = time.monotonic()
        try:
            failed = self._store(run, store, image)
        except NoRoomError as error:
            if not self._stalled:
                log.error("%s; waiting until there is room", error)
                self._vitals.counters["stalls"] += 1
                self._loop.off(self._images)
            self._in_hand, self._stalled = image, str(error)
            self._loop.at(time.monotonic() + TRY_AGAIN, self._try_again)
            return
        if self._stalled:
            log.info("there is room again")
            self._in_hand, self._stalled = None, ""
            self._loop.on(self._images, self._on_image)
        if failed:
            return
        self._vitals.took("store", time.monotonic() - begun)
        self._vitals.took("fsync", store.synced)
        waited = image.seconds.get("wait", 0.0)
        self._vitals.took("wait", waited)
        self._vitals.took("image", sum(image.seconds.values()) - waited)
        log.debug("image %d of run %s was stored in %.3f s", image.index, image.run, time.monotonic() - begun)
        run.said = replace(run.said, stored=add(run.said.stored, image.index))
        self._vitals.counters["images"] += 1

    def _store(self, run: OpenRun, store: Store, image: ImageFile) -> bool:
        """Stores an image, or records that it cannot be stored: whether that is so. Raises NoRoomError."""
        try:
            store.put(image)
        except NoRoomError:
            raise
        except StoreError as error:
            log.error("%s", error)
            self._fail(run, store, Failure(image.run, image.index, image.attempt, str(error)))
            return True
        return False

    def _fail(self, run: OpenRun, store: Store, failure: Failure) -> None:
        store.ledger.add_failure(failure)
        self._vitals.counters["failures"] += 1
        run.said = replace(run.said, failed=add(run.said.failed, failure.index))

    def _try_again(self) -> None:
        image, self._in_hand = self._in_hand, None
        if image is None:
            return
        run = self._runs.get(image.run)
        if run is None or run.store is None:  # the job was cancelled meanwhile
            self._stalled = ""
            self._loop.on(self._images, self._on_image)
        else:
            self._put(run, run.store, image)
        self._link.changed()

    def _expire(self) -> None:
        """Removes the images that are not to be kept any longer."""
        for store in self._stores.values():
            try:
                self._vitals.counters["expired"] += store.expire(time.time())
            except (OSError, StoreError) as error:
                self._vitals.warnings.warning(f"{store.directory}: the oldest images cannot be removed: {error}")

    def _state(self) -> SinkState:
        brief = self._brief()
        doing = "draining" if self._draining else "stalled" if brief.stalled else "running"
        return SinkState(brief, self._vitals.status(doing, {"in_hand": int(self._in_hand is not None)}))

    def _brief(self) -> SinkBrief:
        return SinkBrief(
            host=self._host,
            boot=self._boot,
            images=self._address,
            images_key=self._gate.key_at("sink.images"),
            runs=tuple(run.said for run in self._runs.values()),
            stalled=self._stalled or self._unopened,
        )
