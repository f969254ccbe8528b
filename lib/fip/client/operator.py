"""What an operator says to a running ventilator on its control socket: submit, cancel, and how far is it all?"""

import os
import pwd
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias, TypeVar
from uuid import uuid4

import zmq

from fip.config import DETECTOR, Config, load
from fip.data.errors import FipError, UsageError, WireError
from fip.data.joining import name_of
from fip.data.settings import Asked
from fip.layout.keys import private_key
from fip.runtime.connections import REFUSED, event, reason
from fip.runtime.sockets import connect, control_socket, exposed, why_closed
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import (
    STATE_INTERVAL,
    UNFINISHED,
    Ask,
    Cancel,
    Follow,
    JobStatus,
    PipelineStatus,
    Refused,
    Submit,
    Vet,
)

Request: TypeAlias = Ask | Submit | Cancel | Vet
Seen = TypeVar("Seen")
ANSWER_WITHIN = 10.0  # s
BACK_WITHIN = 600.0  # s for a ventilator that is started again, while somebody waits for a job

CONTROL = "ventilator.control"  # the key of the address that all are pointed at
NODE_FILE = Path("/etc/fip/fip.toml")


def pointed(file: Path | None, ventilator: str | None) -> dict[str, str | None]:
    """Return the override by which a person's command finds a ventilator: the one that is given, as an address.

    If neither that nor a configuration (a file, or the environment) is given, and this host is a node, it is the
    ventilator of the node's layout. Raises ConfigError for a layout that cannot be read.
    """
    if ventilator is None and file is None and "FIP__VENTILATOR__CONTROL" not in os.environ and NODE_FILE.is_file():
        ventilator = load(NODE_FILE).config.ventilator.control
    return {CONTROL: ventilator}


class Operator:
    """Asks a ventilator twice a second, and hears what it sends meanwhile. Use it as a context."""

    def __init__(self, config: Config) -> None:
        self._address = config.ventilator.control
        self._key = private_key(config.security, "operator", "viewer") if exposed(self._address) else None
        self._context = zmq.Context()

    def __enter__(self) -> Self:
        self._control = control_socket(self._context, zmq.DEALER)
        self._monitor = self._control.get_monitor_socket(REFUSED)
        connect(self._control, self._address, self._key, self._key.ventilator if self._key else "")
        self._ask_at = 0.0  # monotonic s
        return self

    def __exit__(self, *exception: object) -> None:
        self._context.destroy(linger=0)

    def submit(self, submit: Submit) -> JobStatus:
        """Queue a job; return when the ventilator has it on disk. FipError if none answers."""
        return self._until(submit, lambda status: find_job(status, submit.job))

    def cancel(self, job: str) -> JobStatus:
        """End a job; return what became of it. UsageError if the ventilator does not know it."""
        if find_job(self.status(), job) is None:
            raise UsageError(f"job {job} is not known to the ventilator: `fip jobs` lists those that are")

        def ended(status: PipelineStatus) -> JobStatus | None:
            found = find_job(status, job)
            return found if found and found.state not in UNFINISHED else None

        return self._until(Cancel(job), ended)

    def vet(self, vet: Vet) -> None:
        """Let the detector enter what is said of an event; return when it has it on disk.

        FipError with the reason if it does not: if no detector is there, or this one cannot, or is silent.
        """

        def entered(status: PipelineStatus) -> bool | None:
            detectors = [each for each in status.followers if each.status.name == DETECTOR]
            if not detectors:
                raise FipError(f"no detector is there, which would enter it: `{_at_a_terminal(vet)}` does it without")
            reasons = [said.reason for each in detectors for said in each.answered if said.request == vet.request]
            if "" in reasons:
                return True
            if len(reasons) == len(detectors):
                raise FipError(f"the detector does not enter it: {reasons[0]}")
            return None

        self._until(vet, entered, f"the detector has not answered for {ANSWER_WITHIN:.0f} s: it may still enter it")

    def wait(self, job: str, told: Callable[[str], None]) -> JobStatus:
        """Wait until a job is over; return what became of it. Call `told` with a text if the ventilator is silent.

        FipError if it does not come back, or does not know the job any more.
        """
        heard, said = time.monotonic(), False
        while True:
            status, now = self.next_status(), time.monotonic()
            if status:
                found = find_job(status, job)
                if found is None:
                    raise FipError(f"the ventilator at {self._address} does not know job {job} any more")
                if found.state not in UNFINISHED:
                    return found
                heard, said = now, False
            elif now - heard > BACK_WITHIN:
                raise FipError(
                    f"the ventilator at {self._address} was not heard for {BACK_WITHIN:.0f} s: {job} may go on"
                )
            elif now - heard > ANSWER_WITHIN and not said:
                told(f"the ventilator at {self._address} is silent: waiting for it")
                said = True

    def status(self) -> PipelineStatus:
        """Return the ventilator's status now. FipError if none answers."""
        return self._until(Ask(), lambda status: status)

    def next_status(self, message: Request | None = None) -> PipelineStatus | None:
        """Return the next status of the ventilator, asked for by this message; None if it sends nothing for a while.

        FipError if a ventilator is there that this FIP cannot talk to.
        """
        now = time.monotonic()
        if now >= self._ask_at and self._control.poll(0, zmq.POLLOUT):
            self._control.send(encode_control(message or Ask()))
            self._ask_at = now + STATE_INTERVAL
        if not self._control.poll(int(1000 * max(0.0, min(STATE_INTERVAL, self._ask_at - now)))):
            return None
        try:
            answer = decode_control(self._control.recv())
        except WireError as error:
            raise FipError(f"the ventilator at {self._address} cannot be understood: {error}") from None
        if isinstance(answer, Refused):
            raise FipError(f"the ventilator at {self._address} says: {answer.reason}")
        return answer if isinstance(answer, PipelineStatus) else None

    def _until(self, message: Request, seen: Callable[[PipelineStatus], Seen | None], unseen: str = "") -> Seen:
        """Send the message again and again until the status shows that it was heard.

        `unseen` says what it means if a ventilator answers, and its status does not show it.
        """
        answers = False
        give_up = time.monotonic() + ANSWER_WITHIN
        self._ask_at = 0.0
        while time.monotonic() < give_up:
            status = self.next_status(message)
            found = seen(status) if status else None
            answers = answers or status is not None
            if found is not None:
                return found
            self.check_welcome()
        if answers and unseen:
            raise FipError(unseen)
        raise FipError(f"no ventilator answers at {self._address}: is it running, and is --config right?")

    def check_welcome(self) -> None:
        """Raise FipError, with the reason, if a ventilator is there that does not let this operator in."""
        why = ""
        while self._monitor.poll(0):
            why = reason(*event(self._monitor))
        if why:
            raise FipError(f"the ventilator at {self._address} cannot be joined: {why}; see `fip keys`")
        if closed := why_closed(self._address):
            raise FipError(f"the ventilator at {self._address} cannot be joined: {closed}")


def new_job(
    paths: Sequence[Path],
    asked: Asked,
    directory: str | None = None,
    pace: float | None = None,
    follow: Follow | None = None,
) -> Submit:
    """Return a job for these MeasurementSets, with a name of its own.

    Its images go into this folder of the sink's directory, "" for that directory itself; by default into one of the
    job's name. Raises UsageError for a path that leads nowhere.
    """
    job = f"{name_of(paths[0], asked.source.join[1:])[:50]}-{uuid4().hex[:6]}"
    absolute = tuple(map(_absolute, paths))
    return Submit(job, absolute, asked, job if directory is None else directory, pace, follow, user_name())


def _at_a_terminal(vet: Vet) -> str:
    """Return the command that says the same on a host that has the images."""
    return f"fip event {vet.directory or 'DIR'} {vet.event} --label {vet.said}"


def user_name() -> str:
    """Return the name of the user who runs this; the number of a user without a name."""
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return str(os.getuid())


def _absolute(path: Path) -> str:
    try:
        return str(path.resolve())
    except (OSError, RuntimeError) as error:  # as links that lead to each other
        raise UsageError(f"{path}: leads nowhere: {error}") from None


def find_job(status: PipelineStatus, name: str) -> JobStatus | None:
    """Return the job of this name; None if the ventilator does not know it."""
    return next((job for job in status.jobs if job.job == name), None)
