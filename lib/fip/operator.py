"""What an operator says to a running ventilator: submit, cancel, and listening to what it tells of its jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import zmq

from fip.config import Config
from fip.data import Selection
from fip.errors import FipError, UsageError, WireError
from fip.messages import Cancel, JobStatus, PipelineStatus, Submit
from fip.names import label
from fip.sockets import control_socket
from fip.wire import decode_control, encode_control

Seen = TypeVar("Seen")
ANSWER_WITHIN = 10.0  # s
ASK_EVERY = 500  # ms


class Operator:
    """Sends to a ventilator's control socket and follows its status. Use it as a context."""

    def __init__(self, config: Config) -> None:
        self._addresses = config.ventilator
        self._context = zmq.Context()

    def __enter__(self) -> Operator:
        self._status = control_socket(self._context, zmq.SUB)
        self._status.connect(self._addresses.status)
        self._control = control_socket(self._context, zmq.DEALER)
        self._control.connect(self._addresses.control)
        return self

    def __exit__(self, *exception: object) -> None:
        self._context.destroy(linger=0)

    def submit(self, paths: Sequence[Path], selection: Selection) -> JobStatus:
        """Queues a job; returns when the ventilator has it on disk. FipError where none answers."""
        job = f"{label(paths[0].stem)[:50]}-{uuid4().hex[:6]}"
        submit = Submit(job, tuple(str(path.resolve()) for path in paths), selection, directory=job)
        return self._until(submit, lambda status: _job(status, job))

    def cancel(self, job: str) -> JobStatus:
        """Ends a job; returns what became of it. UsageError where the ventilator does not know it."""
        known = _job(self.status(), job)
        if known is None:
            raise UsageError(f"job {job} is not known to the ventilator: `fip jobs` lists those that are")

        def ended(status: PipelineStatus) -> JobStatus | None:
            found = _job(status, job)
            return found if found and found.state not in ("queued", "running") else None

        return self._until(Cancel(job), ended)

    def status(self) -> PipelineStatus:
        """What the ventilator tells now. FipError where none answers."""
        return self._until(None, lambda status: status)

    def next_status(self) -> PipelineStatus | None:
        """The next that the ventilator tells; None where it tells nothing for half a second."""
        if not self._status.poll(ASK_EVERY):
            return None
        try:
            status = decode_control(self._status.recv())
        except WireError as error:
            raise FipError(f"the ventilator at {self._addresses.control} cannot be understood: {error}") from None
        return status if isinstance(status, PipelineStatus) else None

    def _until(self, message: Submit | Cancel | None, seen: Callable[[PipelineStatus], Seen | None]) -> Seen:
        """Says the message again and again until the status shows that it was heard."""
        give_up = time.monotonic() + ANSWER_WITHIN
        while time.monotonic() < give_up:
            if message and self._control.poll(0, zmq.POLLOUT):
                self._control.send(encode_control(message))
            status = self.next_status()
            found = seen(status) if status else None
            if found is not None:
                return found
        raise FipError(f"no ventilator answers at {self._addresses.control}: is it running, and is --config right?")


def _job(status: PipelineStatus, name: str) -> JobStatus | None:
    return next((job for job in status.jobs if job.job == name), None)
