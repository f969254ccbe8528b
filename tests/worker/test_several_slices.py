"""A worker that gets several slices in one message: it images one after the other, and hands images on together."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from fip.config import Config, Loaded
from fip.data.values import ImageFile, Slice
from fip.runtime.service import Loop
from fip.runtime.sockets import control_socket, data_socket
from fip.wire.batches import apart, together
from fip.wire.codec import Frame, decode_control, decode_image, encode_control, encode_slice
from fip.wire.messages import Lane, WorkerBrief, WorkerState
from fip.worker.worker import Worker
from support.made_values import make_image, make_slice

LAST = 3  # the slice at which the kernel waits, or fails
WITHIN = 20_000  # ms


class Trial:
    """A worker in this process; its ventilator and its sink are the test's."""

    def __init__(self, folder: Path) -> None:
        self.loop, self.goes_on, self.fails = Loop(), threading.Event(), False
        control, self._lane, images = (f"ipc://{folder}/{name}" for name in ("control", "lane", "images"))
        context = self.loop.context
        self.control = control_socket(context, zmq.ROUTER)
        self.lane, self.images = data_socket(context, zmq.PUSH, queue=16), data_socket(context, zmq.PULL, queue=16)
        for socket, address in ((self.control, control), (self.lane, self._lane), (self.images, images)):
            socket.bind(address)
        self.said = list[WorkerBrief]()
        self.loop.on(self.control, self._hear)
        config = Config.model_validate({"ventilator": {"control": control}})
        self.worker = Worker("cpu0", "cpu", Loaded(config, {}), self.loop, self._image)
        self.worker.start()
        self._where = Lane(self._lane, images)

    def _image(self, values: Slice, device: str, worker: str, waited: float) -> ImageFile:
        if values.index == LAST:
            if self.fails:
                raise ValueError("made to fail")
            assert self.goes_on.wait(WITHIN / 1000)
        made = replace(make_image(), run=values.run, index=values.index, attempt=values.attempt)
        return replace(made, worker=worker, seconds={"wait": waited})

    def _hear(self) -> None:
        route, said = self.control.recv_multipart()
        message = decode_control(said)
        assert isinstance(message, WorkerBrief | WorkerState)
        brief = message.brief if isinstance(message, WorkerState) else message
        self.said.append(brief)
        if not brief.lane:
            self.control.send_multipart([route, encode_control(self._where)])

    def turn_until_images_come(self) -> list[int]:
        """Let the worker work until it hands on a message; return the slices of its images."""
        while not self.images.poll(0):
            self.loop._turn()  # noqa: SLF001
        return [decode_image(each).index for each in apart(self.images.recv_multipart())]

    def close(self) -> None:
        """End the worker and its loop."""
        self.goes_on.set()
        self.worker.close()
        self.loop.close()


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """A worker that waits for slices."""
    with closing(Trial(tmp_path)) as made:
        while not made.lane.poll(0, zmq.POLLOUT):
            made.loop._turn()  # noqa: SLF001
        yield made


def slices(number: int) -> list[list[Frame]]:
    """The frames of so many."""
    return [encode_slice(replace(make_slice((2,)), index=index)) for index in range(number)]


def test_a_damaged_slice_costs_none_of_those_that_came_with_it(trial: Trial) -> None:
    """It is counted; as the worker does not say that it has it, it is sent again."""
    made = slices(3)
    made[1][0] = b"\xc1"
    trial.lane.send_multipart(together(made))
    found = trial.turn_until_images_come()
    while len(found) < 2:
        found += trial.turn_until_images_come()
    assert found == [0, 2]
    status = trial.worker._state().status  # noqa: SLF001
    assert (status.counters["slices"], status.counters["bad_messages"]) == (2, 1)


def test_images_that_are_made_one_after_the_other_go_together(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the next one is in work they wait for it; none is in work after the last."""
    monkeypatch.setattr("fip.worker.worker.TOGETHER_WITHIN", 1e6)
    trial.goes_on.set()
    trial.lane.send_multipart(together(slices(LAST + 1)))
    assert trial.turn_until_images_come() == [*range(LAST + 1)]


def test_a_slice_that_takes_long_keeps_no_image_of_another_waiting(trial: Trial) -> None:
    """The worker says that it is on that one, and goes on with it."""
    trial.lane.send_multipart(together(slices(LAST + 2)))
    found = list[int]()
    while len(found) < LAST:
        found += trial.turn_until_images_come()
    assert found == [*range(LAST)]
    brief = trial.worker._brief()  # noqa: SLF001
    assert brief.working is not None
    assert (brief.working.slice, [each.slice for each in brief.holds]) == (LAST, [LAST, LAST + 1])
    trial.goes_on.set()
    while len(found) < LAST + 2:
        found += trial.turn_until_images_come()
    assert found == [*range(LAST + 2)]


def test_a_slice_that_fails_is_the_one_that_failed(trial: Trial) -> None:
    """Those before and after it become images."""
    trial.fails = True
    trial.lane.send_multipart(together(slices(LAST + 2)))
    found = list[int]()
    while len(found) < LAST + 1:
        found += trial.turn_until_images_come()
    assert sorted(found) == [index for index in range(LAST + 2) if index != LAST]
    (failure,) = trial.worker._brief().failed  # noqa: SLF001
    assert (failure.index, failure.reason) == (LAST, "ValueError: made to fail")
