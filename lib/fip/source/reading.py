"""MeasurementSets are read in a child process, so that damage that kills casacore does not kill the ventilator.

The child keeps nothing that matters: one that died is replaced, and opens again what it is asked for.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple, Unpack

from fip.data import Selection
from fip.errors import InputError
from fip.runtime.service import Loop
from fip.source.isolation import crash
from fip.source.pipe import Pipe

if TYPE_CHECKING:
    from fip.imaging.antennas import AntennaTally
    from fip.source.cutting import Run

Given = TypeVarTuple("Given")
Result = TypeVar("Result")

CHILD_VARIABLE = "FIP_READING_CHILD"
"""Descriptor and process id of a child that reads, separated by a comma, for a ventilator that is given one."""

ASKED_AHEAD = 2  # calls that are with the child at a time: one in work, one ahead
KEPT_OPEN = 3  # MeasurementSets: one that is imaged, one that is ending, one that is looked into


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run once its MeasurementSet was looked into."""

    run: str  # its id
    name: str  # the MeasurementSet's stem, for file names
    times: tuple[float, ...]  # s UTC, of its slices
    cadence: float | None  # s from one slice to the next
    rows: int  # of the MeasurementSet
    final: bool  # whether no more slices will come
    notes: tuple[str, ...]  # what the log should say

    @property
    def span(self) -> float:
        """Seconds from the first slice to the last, and one more."""
        return max(self.times, default=0.0) - min(self.times, default=0.0) + (self.cadence or 0.0)


@dataclass(frozen=True, eq=False)
class Cut:
    """A slice as it goes over the wire; whoever passes it on need not look into it."""

    frames: list[Any]  # as `fip.protocol.wire.encode_slice` makes them
    nbytes: int  # of its samples
    antennas: AntennaTally
    seconds: float  # that it took to read it


# In the child


class Opened(Protocol):
    """An open MeasurementSet, whole or being written."""

    @property
    def rows(self) -> int:
        """How many it had when it was last looked into."""

    @property
    def current(self) -> bool:
        """Whether it is as it is on disk, or will be when it is looked into."""

    def look(self, complete: bool = False, ended: bool = False) -> Run:
        """Its run as far as it is known: see `fip.source.growing`."""

    def up_to(self, index: int) -> Run:
        """Its run, with this slice."""

    def close(self) -> None:
        """Release the files."""


_opened: OrderedDict[tuple[Path, Selection, bool], Opened] = OrderedDict()


def look(path: Path, selection: Selection, follow: bool, complete: bool = False, ended: bool = False) -> RunFacts:
    """Looks into a MeasurementSet, as it is now, for slices of this selection; `follow` where it is being written.

    `complete` and `ended` are those of `fip.source.growing`. Raises InputError and UsageError.
    """
    known = _opened.get((path, selection, follow))
    if known and not known.current:
        forget(path, selection, follow)
    opened = _open(path, selection, follow)
    run = opened.look(complete, ended)
    times = tuple(each.time for each in run.slices)
    return RunFacts(run.id, run.name, times, run.cadence, opened.rows, not follow, run.notes)


def cut(path: Path, selection: Selection, follow: bool, run: str, index: int) -> Cut:
    """A slice of a run as it is sent. InputError where it cannot be read."""
    from fip.imaging.compression import compress
    from fip.protocol.wire import encode_slice

    begun = time.monotonic()
    found = _open(path, selection, follow).up_to(index)
    if found.id != run:
        raise InputError(f"{path}: is another one than when the run began")
    values, antennas = found.read_with_antennas(index)
    values = compress(values)
    header, *arrays = encode_slice(values)
    return Cut([header, *map(PickleBuffer, arrays)], values.nbytes, antennas, time.monotonic() - begun)


def forget(path: Path, selection: Selection, follow: bool) -> None:
    """Closes a MeasurementSet."""
    opened = _opened.pop((path, selection, follow), None)
    if opened:
        opened.close()


def _open(path: Path, selection: Selection, follow: bool) -> Opened:
    from fip.source.growing import Growing, Whole

    key = path, selection, follow
    if key not in _opened:
        while len(_opened) >= KEPT_OPEN:
            forget(*next(iter(_opened)))
        _opened[key] = Growing(path, selection) if follow else Whole(path, selection)
    _opened.move_to_end(key)
    return _opened[key]


# In the parent


@dataclass
class _Call:
    then: Callable[[Future[Any]], None]
    function: Callable[..., Any]
    args: tuple[Any, ...]  # the path first


class Reader:
    """The child, as its parent sees it: calls go in, finished futures come back in the loop, in the same order."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._calls: deque[_Call] = deque()
        self._asked = 0  # of these, how many the child has
        self._pid = 0  # of the child
        self._child: subprocess.Popen[bytes] | None = None  # where this process started it

    def start(self) -> None:
        """Starts the child, or takes the one that whoever started this process has for it."""
        given = os.environ.pop(CHILD_VARIABLE, "")
        if given:
            descriptor, self._pid = map(int, given.split(","))
            self._pipe = Pipe(socket.socket(fileno=descriptor))
        else:
            ours, theirs = socket.socketpair()
            with theirs:
                self._child = subprocess.Popen(
                    [sys.executable, "-c", f"from fip.source.isolation import serve; serve({theirs.fileno()})"],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            self._pid = self._child.pid
            self._pipe = Pipe(ours)
        self._loop.on(self._pipe.fileno(), self._on_answer)

    def call(
        self,
        then: Callable[[Future[Result]], None],
        function: Callable[[Path, Unpack[Given]], Result],
        path: Path,
        *args: *Given,
    ) -> None:
        """Calls one of the child's functions, then `then` with its finished future in the loop.

        InputError where the child dies of it.
        """
        self._calls.append(_Call(then, function, (path, *args)))
        self._ask()

    def close(self) -> None:
        """Ends the child, whatever it does."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._pipe.close()
        if self._child:
            self._child.wait()
        self._child, self._pid = None, 0

    def _ask(self) -> None:
        if not self._pid:
            self.start()
        while self._asked < min(ASKED_AHEAD, len(self._calls)):
            call = self._calls[self._asked]
            try:
                self._pipe.send((call.function, call.args))
            except OSError:  # it has just died: that is seen in a moment
                return
            self._asked += 1

    def _on_answer(self) -> None:
        try:
            result, error = self._pipe.receive()
        except (EOFError, OSError):
            self._died()
            return
        self._asked -= 1
        self._answer(result, error)

    def _died(self) -> None:
        """The call that it was working on is to blame; the others are made again, in another child."""
        self._loop.off(self._pipe.fileno())
        self.close()
        self._asked = 0
        if self._calls:
            self._answer(None, crash(self._calls[0].args[0]))

    def _answer(self, result: Any, error: Exception | None) -> None:
        call = self._calls.popleft()
        future: Future[Any] = Future()
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
        if self._calls:
            self._ask()
        call.then(future)
