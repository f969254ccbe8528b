"""The sink's state machine: orders and images in, files out."""

import errno
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import zmq

from fip.config import Config, Loaded
from fip.data.errors import DamagedLedgerError, FipError, NoRoomError, StoreError, WireError
from fip.data.names import RunId
from fip.data.quantities import Retention
from fip.data.ranges import contains, count
from fip.data.values import ImageFile
from fip.runtime.control_link import Link
from fip.runtime.gate import Gate
from fip.runtime.logs import set_level
from fip.runtime.service import Daemon, Loop
from fip.runtime.sockets import data_socket, host_name, receive
from fip.runtime.vitals import Vitals
from fip.sink.handing import Handing
from fip.sink.leaving import Leaving
from fip.sink.open_run import OpenRun, held
from fip.sink.opened import Opened
from fip.sink.status_line import sink_line
from fip.sink.store import Store
from fip.sink.storing import Group, Storing
from fip.wire.batches import apart
from fip.wire.codec import decode_image
from fip.wire.handing import Wanted
from fip.wire.messages import (
    Control,
    Failure,
    Followed,
    ReadAgain,
    RunPlan,
    RunStored,
    SinkBrief,
    SinkOrders,
    SinkState,
)
from fip.wire.tickets import is_ticket

log = logging.getLogger("fip.sink")

EXPIRE_EVERY = 1.0  # s between two looks at what is to be kept
HEARD_WITHIN = 2.5  # s, of the ventilator, which speaks twice a second
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # what this process lacks now, as while strangers hold descriptors
COUNTERS = (
    *("images", "duplicates", "bad_messages", "unread", "unknown", "stalls", "bytes_in", "failures"),
    *("expired", "unseen", "written"),
)


class Sink(Daemon):
    """The daemon that takes images and stores them as files."""

    reloads = ("sink.log_level",)
    restarts = ("sink", "security", "ventilator.control", "follower", "detector.hold")

    def __init__(
        self, loaded: Loaded, loop: Loop, open_store: Callable[[Path, Retention, Path | None], Store] = Store
    ) -> None:
        """`open_store` is called for each directory of images, as `Store`."""
        self._loop, self._open_store = loop, open_store
        self._config = loaded.config
        self._host, self._boot = host_name(), uuid4().hex[:12]
        self._stores: dict[str, Store] = {}  # by their folder in the sink's directory
        self._runs: dict[RunId, OpenRun] = {}
        self._unopened = ""  # why a directory cannot be opened now
        self._unkept = ""  # why the oldest images of one cannot be removed now
        self._draining = False
        self._holds = {name: each.hold for name, each in self._config.followers.items() if each.hold}
        self._followed: tuple[Followed, ...] = ()  # how far followers are, as far as the ventilator has heard them
        self._tickets = b""  # the secret of lease tickets; b"" without keys
        self._vitals = Vitals(loop, "sink", self._host, "sink", COUNTERS, disk=self._config.sink.directory)
        self._gate = Gate(loop, self._config.security, "sink", self._vitals)
        self._storing = Storing(
            loop, self._vitals, lambda: self._runs, self._charged_to, self._listen, self._let_go, self._tell
        )
        self._leaving = Leaving(self._stores, self._vitals.warnings.warning)
        set_level(loaded.config.sink.log_level)

    def start(self) -> None:
        """Bind for images, and connect to the ventilator."""
        self._images = data_socket(self._loop.context, zmq.PULL)
        bound = self._gate.bind(self._images, self._config.sink.images, "sink.images")
        self._address = self._config.sink.address or bound
        self._handing = Handing(self._loop, self._vitals, self._config.sink, self._boot, self._place_for)
        ventilator = self._config.ventilator.control
        self._link = Link(self._loop, self._gate, self._vitals, ventilator, self._hear, self._state, self._brief)
        self._loop.on(self._images, self._on_image)
        self._loop.every(EXPIRE_EVERY, self._tidy)
        log.info("storing in %s what comes to %s", self._config.sink.directory, self._config.sink.images)

    def drain(self) -> None:
        """Store what has arrived, then end."""
        self._draining = True

    @property
    def finished(self) -> bool:
        """Return whether it drains, and nothing is waiting that could be stored."""
        return self._draining and bool(self._storing.stalled or not self._images.poll(0))

    def close(self) -> None:
        """Leave all directories in order."""
        self._link.close()
        self._handing.close()
        for store in self._stores.values():
            store.close()

    @property
    def line(self) -> str:
        """Return what the sink does, for an operator."""
        heard = time.monotonic() - self._link.heard < HEARD_WITHIN
        return sink_line(self._state(), self._config.ventilator.control, heard, self._vitals.rate)

    def reload(self, config: Config) -> None:
        """Take the log level, and the list of those who are let in."""
        self._gate.reload()
        set_level(config.sink.log_level)

    def _hear(self, message: Control) -> None:
        if isinstance(message, SinkOrders):
            before = self._brief()
            self._obey(message)
            if self._brief() != before:
                self._link.changed(waited_for=True)

    def _obey(self, orders: SinkOrders) -> None:
        """Open runs that are new, record slices that will not come, close directories that are used no more."""
        self._tickets, self._followed = orders.tickets, orders.followed
        plans = {plan.run: plan for plan in orders.runs}
        before, self._unopened = self._unopened, ""
        calls: list[Callable[[], None]] = [partial(self._take_on, plan) for plan in orders.runs]
        calls += [partial(self._record, orders.failed), partial(self._compare, orders.read_again), self._hear_new]
        for each in calls:
            try:
                each()
            except NoRoomError as error:  # the next orders come in half a second
                self._unopened = str(error)
        if self._unopened and not before:
            log.error("%s; waiting until it can be used", self._unopened)
            self._vitals.counters["stalls"] += 1
        self._runs = {run: self._runs[run] for run in plans if run in self._runs}
        self._leaving.all_but({plan.directory for plan in plans.values()})

    def _take_on(self, plan: RunPlan) -> None:
        """Open a run that is new, or take what is new of one. Raises NoRoomError."""
        known = self._runs.get(plan.run)
        if known is None:
            self._runs[plan.run] = self._open(plan)
        elif known.store and plan != known.plan:  # more of its slices have come to be known
            with self._charged_to(known):
                known.store.open_run(plan)
                backlog = known.store.ledger.backlogs.of(plan.run)
                known.plan, known.said = plan, replace(known.said, final=plan.final, backlog=backlog)

    def _record(self, failures: Sequence[Failure]) -> None:
        """Enter slices that will not come, those of a run together."""
        for name, run in self._runs.items():
            new = run.unknown(each for each in failures if each.run == name)
            if run.store and new:
                with self._charged_to(run):
                    self._storing.fail(run, run.store, *new)

    @contextmanager
    def _charged_to(self, run: OpenRun) -> Iterator[None]:
        """Within this context, a ledger that turns out to be damaged ends the run, and nothing else."""
        try:
            yield
        except DamagedLedgerError as error:
            log.error("run %s of %s cannot go on: %s", run.plan.run, run.plan.measurement_set, error)
            run.store, run.said = None, replace(run.said, refused=str(error))
            self._link.changed(waited_for=True)

    def _open(self, plan: RunPlan) -> OpenRun:
        store: Store | None = None
        said = RunStored(plan.run, (), (), "", plan.final)
        refused, older = "", None
        try:
            store = self._store_of(plan)
            older = store.ledger.older_of(plan)
            refused = "" if older else store.open_run(plan)
            if not refused and not older:
                said = held(store.ledger, plan)
        except NoRoomError:
            raise
        except (FipError, OSError) as error:
            if isinstance(error, OSError) and error.errno in PASSING:
                raise NoRoomError(f"{plan.directory or self._config.sink.directory}: {error}") from None
            refused = str(error)
        what = f"goes on as {older}" if older else "open"
        log.info("run %s of %s: %s", plan.run, plan.measurement_set, refused or what)
        takes = None if refused or older else store
        run = OpenRun(plan, takes, replace(said, refused=refused, goes_on_as=older))
        if takes and said.stored:
            with self._charged_to(run):
                run.begin_comparing(takes)
        return run

    def _compare(self, read: Sequence[ReadAgain]) -> None:
        """Take what stored slices are now."""
        for each in read:
            run = self._runs.get(each.run)
            if run and run.store and run.comparing:
                run.comparing.found(each.index, each.fingerprint)
        for run in self._runs.values():
            if run.store and run.comparing:
                with self._charged_to(run):
                    run.go_on_comparing(run.store)

    def _hear_new(self) -> None:
        """Enter followers that are new in the ledgers, so that their folders are known. Raises NoRoomError."""
        for name, run in self._runs.items():
            new = [each for each in self._followed if each.run == name and each.name not in run.followers]
            if run.store and new:
                with self._charged_to(run):
                    run.store.hear(new)
                    run.followers |= {each.name for each in new}

    def _store_of(self, plan: RunPlan) -> Store:
        """Return the directory of a run; open it if it is not open yet."""
        sink = self._config.sink
        if plan.directory not in self._stores:
            directory = sink.directory / plan.directory
            store = self._stores[plan.directory] = self._open_store(directory, sink.keep, sink.ledger)
            store.hold(self._holds)
        return self._stores[plan.directory]

    def _on_image(self) -> None:
        """Store what has come by now, up to so much, together."""
        self._vitals.stopwatch.enter("busy")
        group = self._storing.group()
        while not group.full and (frames := receive(self._images)):
            if self._gate.hears(frames[0], "sink.images"):
                self._hear_images(frames, group)
        self._storing.put(group.images)
        self._handing.go_on()
        self._link.changed(waited_for=bool(self._storing.stalled) or self._all_stored)
        self._vitals.stopwatch.enter("blocked" if self._storing.stalled else "idle")

    def _hear_images(self, frames: Sequence[zmq.Frame], group: Group) -> None:
        """Take the images of a message into a group; what is wrong with one costs that one."""
        try:
            key = self._gate.check(frames[0], "sink.images", "worker")
            parts = apart([frame.buffer for frame in frames])
        except WireError as error:
            self._gate.refuse(frames[0], "sink.images", "a worker", error)
            return
        for each in parts:
            try:
                self._hear_image(decode_image(each), key, group, alone=len(parts) == 1)
            except WireError as error:
                self._gate.refuse(frames[0], "sink.images", "a worker", error)

    def _hear_image(self, image: ImageFile, key: str, group: Group, alone: bool) -> None:
        """Take an image into a group if it is wanted. WireError as `_is_wanted`."""
        wanted = False
        try:
            if image.written and not alone:
                raise WireError("image among others whose files its worker wrote")
            wanted = self._is_wanted(image, key, group)
        finally:
            if wanted:
                group.add(image)
            else:
                self._let_go(image)

    @property
    def _all_stored(self) -> bool:
        """Return whether nothing more is known that would come."""
        return all(count(run.said.stored) + count(run.said.failed) >= run.plan.total for run in self._runs.values())

    def _is_wanted(self, image: ImageFile, key: str, group: Group) -> bool:
        """Return whether an image is to be stored: the first copy, of an open run; others are counted.

        `key` is the host whose key it came with. Raises WireError for one without a ticket for its slice.
        """
        self._vitals.counters["bytes_in"] += image.size
        run = self._leased(image.run, image.index, image.ticket, image.worker, key)
        if run is None or run.store is None:
            self._vitals.counters["unknown"] += 1
            return False
        if image in group or contains(run.said.stored, image.index):
            self._vitals.counters["duplicates"] += 1
            return False
        run.store.opened.check(image)
        return True

    def _leased(self, name: RunId, index: int, ticket: bytes, worker: str, key: str) -> OpenRun | None:
        """Return the run of a slice whose ticket a worker shows; None if it is unknown. WireError without a ticket."""
        run = self._runs.get(name)
        if run is None or not run.knows(index):
            self._link.hear_all()  # the orders that name its slice came before it, and may still wait
            run = self._runs.get(name)
        if run is None or run.store is None or not run.knows(index):
            return None
        if not is_ticket(ticket, self._tickets, name, index, worker, key):
            raise WireError(f"image {index} of run {name} without a ticket: its slice is not leased to them")
        return run

    def _place_for(self, wanted: Wanted) -> tuple[Opened, bool]:
        """Return what opens the file for a worker's image, and whether nobody follows. WireError if it may have none.

        Followers read each image soon, so it stays in memory for them (docs/decisions/0050).
        """
        run = self._leased(wanted.run, wanted.index, wanted.ticket, wanted.worker, wanted.key)
        if self._draining or run is None or run.store is None or contains(run.said.stored, wanted.index):
            raise WireError("no image of this slice is wanted now")
        return run.store.opened, not any(each.directory == run.plan.directory for each in self._followed)

    def _let_go(self, image: ImageFile) -> None:
        """Close what was opened for an image that is stored, or will not be."""
        for store in self._stores.values() if image.written else ():
            store.opened.drop(file.token for file in image.written)

    def _tell(self) -> None:
        """Send the new state soon, as nobody waits for it."""
        self._link.changed()

    def _listen(self, takes: bool) -> None:
        """Take images from now on, or take none."""
        if takes:
            self._loop.on(self._images, self._on_image)
        else:
            self._loop.off(self._images)

    def _tidy(self) -> None:
        """Remove the images that are not to be kept any longer, and close the directories that are used no more."""
        if not self._storing.stalled:
            self._handing.passed(EXPIRE_EVERY)
        unkept = ""
        for name in self._stores.keys() - self._leaving.names:
            store = self._stores[name]
            try:
                store.hear(each for each in self._followed if each.directory == name)
                self._vitals.counters["expired"] += store.expire()
                self._vitals.counters["unseen"] += store.gone_unseen()
            except NoRoomError as error:
                unkept = str(error)
            except StoreError as error:
                self._vitals.warnings.warning(f"{store.directory}: the oldest images cannot be removed: {error}")
        if unkept and not self._unkept:
            log.error("%s; waiting until it can be used", unkept)
            self._vitals.counters["stalls"] += 1
        self._unkept = unkept
        self._leaving.go_on()

    def _state(self) -> SinkState:
        brief = self._brief()
        doing = "draining" if self._draining else "stalled" if brief.stalled else "running"
        pins = [store.pins for store in self._stores.values()]
        queues = {
            "in_hand": len(self._storing.in_hand),
            "pinned": sum(each.images for each in pins), "pinned_bytes": sum(each.bytes for each in pins),
        }  # fmt: skip
        return SinkState(brief, self._vitals.status(doing, queues))

    def _brief(self) -> SinkBrief:
        return SinkBrief(
            host=self._host,
            boot=self._boot,
            images=self._address,
            images_key=self._gate.key_at("sink.images"),
            runs=tuple(run.now_said(time.monotonic()) for run in self._runs.values()),
            stalled=self._storing.stalled or self._unopened or self._unkept,
            files=self._handing.files,
        )
