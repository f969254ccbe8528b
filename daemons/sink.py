"""`fip-sink`: stores images. What it says is stored is on disk; it is the only daemon whose state outlives it."""

from __future__ import annotations

import argparse
import logging
import os
from collections import Counter
from uuid import uuid4

import zmq

from fip.config import Loaded
from fip.data import ImageFile
from fip.errors import WireError
from fip.messages import STATE_INTERVAL, RunPlan, RunStored, SinkOrders, SinkState, Status
from fip.ranges import Ranges, add, contains
from fip.service import Loop, Stopwatch, run_daemon
from fip.sockets import bind, control_socket, data_socket, host_name
from fip.store import Store
from fip.wire import decode_control, decode_image, encode_control

log = logging.getLogger("fip.sink")


class Sink:
    """Images in, files out."""

    def __init__(self, loaded: Loaded, loop: Loop) -> None:
        self._loop = loop
        self._config = loaded.config
        self._host, self._boot = host_name(), uuid4().hex[:12]
        self._plans: dict[str, RunPlan] = {}
        self._stored: dict[str, Ranges] = {}
        self._failed: dict[str, Ranges] = {}
        self._refused: dict[str, str] = {}
        self._draining = False
        self._counters: Counter[str] = Counter(images=0, duplicates=0, bad_messages=0, unknown=0, bytes_in=0)
        self._stopwatch = Stopwatch()

    def start(self) -> None:
        """Locks its directory, binds for images, and points itself at the ventilator."""
        self._store = Store(self._config.sink.directory)
        self._images = data_socket(self._loop.context, zmq.PULL)
        bound = bind(self._images, self._config.sink.images, "sink.images", self._config.security)
        self._address = self._config.sink.address or bound
        self._control = control_socket(self._loop.context, zmq.DEALER)
        self._control.connect(self._config.ventilator.control)
        self._loop.on(self._control, self._on_control)
        self._loop.on(self._images, self._on_image)
        self._loop.every(STATE_INTERVAL, self._say)
        log.info("storing in %s what comes to %s", self._config.sink.directory, self._config.sink.images)

    def drain(self) -> None:
        """Stores what has arrived, then ends."""
        self._draining = True

    @property
    def finished(self) -> bool:
        """Whether it drains and nothing is waiting."""
        return self._draining and not self._images.poll(0)

    def close(self) -> None:
        """Leaves the directory in order."""
        self._store.write_list()
        self._store.close()

    def _on_control(self) -> None:
        try:
            message = decode_control(self._control.recv())
        except WireError as error:
            self._counters["bad_messages"] += 1
            log.warning("from the ventilator: %s", error)
            return
        if isinstance(message, SinkOrders):
            self._obey(message)
            self._say()

    def _obey(self, orders: SinkOrders) -> None:
        """Opens runs that are new, closes those that are over, records the slices that will not come."""
        plans = {plan.run: plan for plan in orders.runs}
        if self._plans.keys() - plans.keys():
            self._store.write_list()
        for run in plans.keys() - self._plans.keys():
            self._refused[run] = self._store.open_run(plans[run])
            self._stored[run] = self._store.indices(run, "stored")
            self._failed[run] = self._store.indices(run, "failed")
            log.info("run %s of %s: %s", run, plans[run].measurement_set, self._refused[run] or "open")
        self._plans = plans
        for failure in orders.failed:
            run, index = failure.run, failure.index
            if run in plans and not contains(self._failed[run], index) and not contains(self._stored[run], index):
                self._store.put_failure(failure)
                self._failed[run] = add(self._failed[run], index)

    def _on_image(self) -> None:
        self._stopwatch.enter("busy")
        frames = self._images.recv_multipart(copy=False)
        try:
            self._store_once(decode_image([frame.buffer for frame in frames]))
        except WireError as error:
            self._counters["bad_messages"] += 1
            log.warning("from a worker: %s", error)
        self._say()
        self._stopwatch.enter("idle")

    def _store_once(self, image: ImageFile) -> None:
        """Stores the first copy of an image of an open run; other copies are counted and dropped."""
        self._counters["bytes_in"] += len(image.fits)
        plan = self._plans.get(image.run)
        if plan is None or self._refused[image.run] or not 0 <= image.index < plan.total:
            self._counters["unknown"] += 1
        elif contains(self._stored[image.run], image.index):
            self._counters["duplicates"] += 1
        else:
            self._store.put(image)
            self._stored[image.run] = add(self._stored[image.run], image.index)
            self._counters["images"] += 1

    def _say(self) -> None:
        """The whole state, to the ventilator; what cannot be sent now is said half a second later."""
        runs = tuple(RunStored(run, self._stored[run], self._failed[run], self._refused[run]) for run in self._plans)
        state = SinkState(self._host, self._boot, self._address, runs, self._status())
        if self._control.poll(0, zmq.POLLOUT):
            self._control.send(encode_control(state), zmq.NOBLOCK)

    def _status(self) -> Status:
        state = "draining" if self._draining else "running"
        counters, seconds = dict(self._counters), self._stopwatch.seconds()
        return Status("sink", self._host, "sink", os.getpid(), state, counters, seconds)


def _make(arguments: argparse.Namespace, loaded: Loaded, loop: Loop) -> Sink:
    return Sink(loaded, loop)


def main() -> None:
    """Runs the sink."""
    run_daemon(argparse.ArgumentParser(prog="fip-sink", description="Store the images that workers make."), _make)
