"""Processes that read MeasurementSets for others, so that what kills them kills nobody else.

casacore ends the whole process on some damaged tables, by an abort or a segmentation fault that Python cannot catch.
"""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack

from fip.data.errors import FipError, InputError
from fip.runtime.process_name import call_itself
from fip.source.pipe import Pipe

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class Child:
    """A process that calls functions for this one. Used as a context, it ends with it.

    What a fork writes to standard error is dropped: it is casacore's last words.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self._pipe = Pipe(connection)

    @classmethod
    def fork(cls) -> Self:
        """A fork of this process, which must not have sockets or threads of its own yet: that is the fastest."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _serve_and_exit(ours, theirs)
        theirs.close()
        return cls(pid, ours)

    @classmethod
    def start(cls) -> Self:
        """A new process."""
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.set_inheritable(True)
            program = f"from fip.source.child import serve; serve({theirs.fileno()})"
            no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
            command = [sys.executable, "-c", program]
            pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=[no_input])
        return cls(pid, ours)

    @classmethod
    def given(cls, text: str) -> Self:
        """One that whoever started this process has for it, as `name` tells it."""
        descriptor, pid = map(int, text.split(","))
        return cls(pid, socket.socket(fileno=descriptor))

    @property
    def name(self) -> str:
        """Descriptor and process id: what `given` takes in a process that has the descriptor."""
        return f"{self.fileno()},{self.pid}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self) -> None:
        """Ends it, whatever it does."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):  # somebody else's, who waits for it
            os.waitpid(self.pid, 0)
        self._pipe.close()

    def fileno(self) -> int:
        """The descriptor by which it is called; it can be read when an answer has come."""
        return self._pipe.fileno()

    def ask(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Has it call a function. OSError if it has just died."""
        self._pipe.send((function, args))

    def answer(self) -> tuple[Any, Exception | None]:
        """What the function returned, or raised. EOFError or OSError if the child has died."""
        result, error = self._pipe.receive()
        return result, error

    def call(self, function: Callable[[Path, Unpack[Given]], Result], path: Path, *args: *Given) -> Result:
        """What `function` makes of a MeasurementSet; its exceptions are raised here.

        InputError if the child dies of it.
        """
        try:
            self.ask(function, (path, *args))
            result, error = self.answer()
        except (EOFError, OSError):
            raise crash(path) from None
        if error is not None:
            raise error
        made: Result = result
        return made

    def give_away(self) -> None:
        """From now on it is called by whoever has its descriptor, too; it ends when nobody has it."""
        self._pipe.close()


def in_child(function: Callable[[Path, Unpack[Given]], Result], path: Path, *args: *Given) -> Result:
    """What `function` makes of a MeasurementSet in a child of its own, as `Child.call`."""
    with Child.fork() as child:
        return child.call(function, path, *args)


def crash(path: Path) -> InputError:
    """What is to be said of a MeasurementSet of which a child has died."""
    return InputError(f"{path}: is damaged: casacore crashes when it reads its tables")


def serve(descriptor: int) -> None:
    """The child: answers calls until nobody is left to call. Signals are for the parent, which ends it."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    import fip.source.growing  # noqa: F401 what it takes to open the first one, before it is asked for

    parent = Pipe(socket.socket(fileno=descriptor))
    while True:
        try:
            function, args = parent.receive()
            answer = _answer(function, args)
            parent.send(answer)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _answer(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return function(*args), None
    except FipError as error:
        return None, error
    except Exception as error:  # noqa: BLE001 whatever is wrong with a MeasurementSet, the parent is told
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
