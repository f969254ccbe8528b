"""Processes that read MeasurementSets for others, so that what kills them kills nobody else.

casacore ends the whole process on some damaged tables, by an abort or a segmentation fault that Python cannot catch.
"""

from __future__ import annotations

import os
import signal
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack

from fip.data.errors import FipError, InputError
from fip.runtime.process_name import call_itself
from fip.source.pipe import Pipe

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class Child:
    """A fork of this process that calls functions for it. Use it as a context: it ends with it.

    What it writes to standard error is dropped: it is casacore's last words. It must be made before this process has
    sockets or threads of its own.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            _serve_and_exit(ours, theirs)
        theirs.close()
        self._pipe = Pipe(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.give_away()

    def call(self, function: Callable[[Path, Unpack[Given]], Result], path: Path, *args: *Given) -> Result:
        """What `function` makes of a MeasurementSet; its exceptions are raised here.

        InputError where the child dies of it.
        """
        try:
            self._pipe.send((function, (path, *args)))
            result, error = self._pipe.receive()
        except (EOFError, OSError):
            raise crash(path) from None
        if error is not None:
            raise error
        answer: Result = result
        return answer

    def fileno(self) -> int:
        """The descriptor by which it is called."""
        return self._pipe.fileno()

    def give_away(self) -> None:
        """From now on it is called by whoever has its descriptor, too; it ends when nobody has it."""
        self._pipe.close()


def in_child(function: Callable[[Path, Unpack[Given]], Result], path: Path, *args: *Given) -> Result:
    """What `function` makes of a MeasurementSet in a child of its own, as `Child.call`."""
    with Child() as child:
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
