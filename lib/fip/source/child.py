"""Processes that read MeasurementSets for others, so that damage that kills one of them kills no other process.

casacore ends the whole process on some damaged tables, by an abort or a segmentation fault that Python cannot catch.
"""

import logging
import os
import select
import signal
import socket
import struct
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack

from fip.data.errors import FipError, LostReaderError, StoodStillError, UsageError
from fip.runtime.parent import end_with_parent, start_python
from fip.runtime.process_name import call_itself
from fip.source.patience import Patience, said
from fip.source.pipe import Memory, Pipe

log = logging.getLogger("fip.source")
LOOK_EVERY = 1.0  # s between two looks at a child that was asked for something
SAYS_WITHIN = 5.0  # s: a child that has begun to answer pauses for no longer
ENDS_WITHIN = 1.0  # s; a process that is killed is gone within it, unless its disk is dead
JOINS_EVERY = 0.2  # s between two looks for the socket of a ventilator
_CREDENTIALS = struct.Struct("3i")  # of SO_PEERCRED: process, user, group
_CASARC = Path(__file__).parent / "tables" / "casarc"
"""The file by which casacore takes no locks: if a file system has none, it complains when it selects rows."""

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class Child:
    """A process that calls functions for this one. Used as a context manager, it ends with the context.

    What a fork writes to standard error is dropped: it is casacore's last message.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self._pipe = Pipe(connection, SAYS_WITHIN)
        self._gone = False

    @classmethod
    def fork(cls) -> Self:
        """Fork this process, which must not have sockets or threads of its own yet: that is the fastest."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _serve_and_exit(ours, theirs)
        theirs.close()
        return cls(pid, ours)

    @classmethod
    def start(cls) -> Self:
        """Start a new Python process as a child."""
        return cls(*start_python("from fip.source.child import serve; serve({descriptor})"))

    @classmethod
    def given(cls, text: str) -> Self:
        """Take a child that whoever started this process made for it; `text` is its `name`."""
        descriptor, pid = map(int, text.split(","))
        return cls(pid, socket.socket(fileno=descriptor))

    @property
    def name(self) -> str:
        """Return descriptor and process id: what `given` takes in a process that has the descriptor."""
        return f"{self.fileno()},{self.pid}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self) -> None:
        """End it, even if it is at work; wait at most `ENDS_WITHIN`, as a dead disk may hold it."""
        with suppress(OSError):  # it is gone
            dying = os.pidfd_open(self.pid)
            self.kill()
            readable(dying, ENDS_WITHIN)
            os.close(dying)
        self.reaped()

    def kill(self) -> None:
        """Kill it, and wait for nothing."""
        self._pipe.close()
        if not self._gone:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def reaped(self) -> bool:
        """Return whether a process that was killed is gone; from then on its number may be another's."""
        with suppress(ChildProcessError):  # another process is its parent, and waits for it
            self._gone = self._gone or os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
            return self._gone
        self._gone = True
        return True

    def fileno(self) -> int:
        """Return the descriptor by which it is called; it can be read when an answer has come."""
        return self._pipe.fileno()

    def ask(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Ask it to call a function. OSError if it has just died."""
        self._pipe.send((function, args))

    def answer(self) -> tuple[Any, Exception | None]:
        """Return what the function returned, or raised.

        TimeoutError if the child stands still in the midst of it, EOFError or OSError if it has died.
        """
        result, error = self._pipe.receive()
        return result, error

    def call(self, function: Callable[[Path, Unpack[Given]], Result], path: Path, *args: *Given) -> Result:
        """Return what `function` makes of a MeasurementSet; its exceptions are raised here.

        If the child stands still, that is logged. LostReaderError if the child dies of it, or is ended because it
        stood still for `READ_WITHIN`.
        """
        try:
            self.ask(function, (path, *args))
            self._await(path)
            result, error = self.answer()
        except TimeoutError:
            self.end()
            raise stuck(path, SAYS_WITHIN) from None
        except (EOFError, OSError):
            raise crash(path) from None
        if error is not None:
            raise error
        made: Result = result
        return made

    def _await(self, path: Path) -> None:
        """Return when an answer has come."""
        patience = Patience(self.pid)
        while not readable(self.fileno(), LOOK_EVERY):
            if patience.over:
                self.end()
                raise stuck(path, patience.taken)
            if patience.waits and not patience.told:
                patience.told = True
                log.warning("%s", said(path, patience.taken))

    def give_away(self) -> None:
        """Let it go: from now on whoever has its descriptor calls it; it ends when nobody has it."""
        self._pipe.close()


class JoinedChild(Child):
    """A process that is no child of this one: it has joined at a socket, and whoever started it starts another."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        super().__init__(pid, connection)
        self._process: int | None = None
        with suppress(OSError):  # not allowed, or it is gone
            self._process = os.pidfd_open(pid)  # so that no other process is killed that has its number by then

    def kill(self) -> None:
        """Kill it, and wait for nothing."""
        if self._process is not None and not self._gone:
            with suppress(OSError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
        self.leave()

    def end(self) -> None:
        """Let it go: it ends when it sees that nobody calls it any more, or whoever started it ends it."""
        self.leave()

    def leave(self) -> None:
        """Close the connection: nobody calls it any more."""
        self._pipe.close()
        if self._process is not None:
            os.close(self._process)
        self._process, self._gone = None, True

    def reaped(self) -> bool:
        """Return True: whoever started it waits for its end."""
        return True


def peer(connection: socket.socket) -> tuple[int, int]:
    """Return the process and the user at the other end of a Unix socket, as the kernel knows them."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(credentials)
    return pid, user


def join(path: Path) -> None:
    """Be a reading child that is a unit of its own: join at a socket, once it is there, and serve until let go."""
    waiting = False
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.connect(str(path))
            break
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            if not waiting:
                log.info("%s: waits for the ventilator there: %s", path, error.strerror)
            waiting = True
            time.sleep(JOINS_EVERY)
        except OSError as error:
            raise UsageError(f"--join {path}: {error.strerror}: give the socket of a ventilator of this user") from None
    log.info("joined %s", path)
    _read_for(Pipe(connection))


def readable(descriptor: int, within: float) -> bool:
    """Return whether there is something to read within so many seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * within))


def in_child(function: Callable[[Path, Unpack[Given]], Result], path: Path, *args: *Given) -> Result:
    """Return what `function` makes of a MeasurementSet in a child of its own, as `Child.call` does."""
    with Child.fork() as child:
        return child.call(function, path, *args)


def crash(path: Path) -> LostReaderError:
    """Return the error for a MeasurementSet that a child died of."""
    return LostReaderError(f"{path}: is damaged: casacore crashes when it reads its tables")


def stuck(path: Path, taken: float) -> StoodStillError:
    """Return the error for a MeasurementSet that could not be read in this time (s)."""
    return StoodStillError(f"{path}: reading it stood still and was given up after {taken:.0f} s: is its disk there?")


def serve(descriptor: int) -> None:
    """Be the child: answer calls until nobody is left to call. Signals are for the parent, which ends the child."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    end_with_parent(signal.SIGKILL)  # a child that a dead disk holds does not see the parent go
    _read_for(Pipe(socket.socket(fileno=descriptor)))


def _casarc_files() -> str:
    """Return the settings files for casacore: first ours, so that it takes no locks, then those it would find itself.

    If files are named, casacore looks for no others. Without the file of its wheel it knows neither the Earth's
    turning nor the places of the planets.
    """
    import casacore  # sets AIPSPATH to the folder of its wheel, unless there is another

    named = os.environ.get("CASARCFILES", "").split(":")
    usual = [Path.home() / ".casarc", Path.home() / ".aipsrc"]
    usual += [
        Path(each) / ".aipsrc" for each in os.environ.get("AIPSPATH", str(Path(casacore.__file__).parent)).split()
    ]
    others = list(filter(None, named)) or [str(each) for each in usual if each.is_file()]
    return ":".join([str(_CASARC), *others])


def _read_for(parent: Pipe) -> None:
    """Answer calls until nobody is left to call."""
    os.environ["CASARCFILES"] = _casarc_files()
    import fip.source.growing  # noqa: F401 imports what opening needs, before the first call
    from fip.source.requests import Held

    while True:
        try:
            function, args = parent.receive()
            answer = _answer(function, args)
            parent.send(answer)
            for each in (*args, getattr(answer[0], "handed", None)):
                if isinstance(each, Memory | Held):
                    each.close()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _answer(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return function(*args), None
    except FipError as error:
        return None, error
    except Exception as error:  # noqa: BLE001 whatever is wrong with a MeasurementSet, the parent gets it
        told = RuntimeError(f"{type(error).__name__}: {error}")
        told.add_note(traceback.format_exc())
        return None, told


def _serve_and_exit(ours: socket.socket, theirs: socket.socket) -> None:
    try:
        ours.close()
        call_itself(["fip-reader"])
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        serve(theirs.detach())
    finally:
        os._exit(0)
