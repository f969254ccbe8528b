"""One reading child, as the ventilator sees it: calls go in, finished futures come back in the loop.

The child keeps nothing that matters: if it died or stands still, it is replaced, and the next one opens again what it
needs.
"""

import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack

from fip.data.arriving import Writing
from fip.data.errors import InputError
from fip.data.names import RunId
from fip.data.settings import Asked
from fip.runtime.service import Loop
from fip.source.child import Child, crash, stuck
from fip.source.patience import READ_WITHIN, Patience, said
from fip.source.requests import Cut, Held, cut

log = logging.getLogger("fip.ventilator")
Given = TypeVarTuple("Given")
Result = TypeVar("Result")

CHILD_VARIABLE = "FIP_READING_CHILD"
"""Descriptor and process id of a child that reads, separated by a comma, for a ventilator that is given one."""

ASKED_AHEAD = 2  # calls that are with the child at a time: one in work, one ahead


TRIES = 2  # of a call in which the child dies or stands still, each in a child of its own: it may have been killed
LOOK_EVERY = 1.0  # s between two looks at what the child does


@dataclass
class _Call:
    job: str
    then: Callable[[Future[Any]], None]
    function: Callable[..., Any]
    args: tuple[Any, ...]  # the path first
    tries: int = 0
    wanted: bool = True  # whether its job is not cancelled

    @property
    def path(self) -> Path:
        """Return the path of the MeasurementSet."""
        found: Path = self.args[0]
        return found


class Reader:
    """The child, as its parent sees it: calls go in, finished futures come back in the loop, in the same order."""

    def __init__(
        self, loop: Loop, within: float = READ_WITHIN, children: Callable[[], Child | None] | None = None
    ) -> None:
        """A child that neither computes nor reads for `within` seconds is replaced.

        `children` gives one, or None if there is none now: then `wake` is to be called. By default they are started.
        """
        self._loop, self._within, self._children = loop, within, children or _started
        self._calls: deque[_Call] = deque()
        self._asked = 0  # of these, how many the child has
        self._child: Child | None = None
        self._patience: Patience | None = None  # with the child, over the first call
        self._dying: list[Child] = []

    def start(self, at_once: bool = True) -> None:
        """Start the child, or take the one that whoever started this process has for it; or do so at the first call."""
        if at_once:
            self._running()
        self._loop.every(LOOK_EVERY, self._look)

    @property
    def running(self) -> bool:
        """Return whether there is a child."""
        return self._child is not None

    @property
    def load(self) -> int:
        """Return how many calls have not been answered."""
        return len(self._calls)

    @property
    def waits(self) -> str:
        """Return what reading waits for, and since when; "" if it goes on."""
        if self._calls and self._child is None:
            return f"reading {self._calls[0].path} waits for a reading child to join: is fip-reader@0 up?"
        patience = self._patience if self._asked else None
        return said(self._calls[0].path, patience.taken) if patience and patience.waits else ""

    def call(
        self,
        job: str,
        then: Callable[[Future[Result]], None],
        function: Callable[[Path, Unpack[Given]], Result],
        path: Path,
        *args: *Given,
        wanted: bool = True,
    ) -> None:
        """Call one of the child's functions for a job, then `then` with its finished future in the loop.

        If the call is not `wanted`, for example after its job was cancelled, the child gets little more time for it.
        LostReaderError if the child dies of it, or stands still at it again and again.
        """
        self._calls.append(_Call(job, then, function, (path, *args), wanted=wanted))
        self._ask()

    def cut(
        self, job: str, then: Callable[[Future[Cut]], None],
        path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int, held: Held | None = None,
    ) -> None:  # fmt: skip
        """Cut a slice in the child, as `fip.source.requests.cut`."""
        self.call(job, then, cut, path, asked, writing, run, index, held)

    def drop(self, job: str, path: Path | None = None) -> None:
        """Fail the calls of a cancelled job, or of its recording of this path that has failed.

        They fail at once, except those that the child has, which are wanted no more.
        """
        for call in self._calls:
            call.wanted = call.wanted and not (call.job == job and path in (None, call.path))
        waiting = list(self._calls)[self._asked :]
        dropped = [call for call in waiting if not call.wanted]
        for call in dropped:
            self._calls.remove(call)
        for call in dropped:
            _finish(call, None, _cancelled(call))

    def close(self) -> None:
        """End the child, whatever it does."""
        if self._child:
            self._child.end()
        self._child = None

    def wake(self) -> None:
        """Try again: there may be a child now."""
        if self._calls and self._child is None:
            self._ask()

    def _running(self) -> Child | None:
        if self._child is None and (child := self._children()):
            self._child = child
            self._patience = Patience(child.pid, self._within)
            self._loop.on(child.fileno(), self._on_answer)
        return self._child

    def _ask(self) -> None:
        child = self._running()
        while child and self._asked < min(ASKED_AHEAD, len(self._calls)):
            call = self._calls[self._asked]
            try:
                child.ask(call.function, call.args)
            except OSError:  # it has just died: that is seen in a moment
                return
            self._asked += 1
            if self._asked == 1 and self._patience:
                self._patience.again()

    def _on_answer(self) -> None:
        assert self._child
        try:
            result, error = self._child.answer()
        except TimeoutError:
            self._stuck()
            return
        except (EOFError, OSError):
            self._died()
            return
        self._asked -= 1
        if self._patience:
            self._patience.again()
        self._answer(result, error)

    def _look(self) -> None:
        """Report that the child stands still, and end its call if that does not change."""
        self._dying = [child for child in self._dying if not child.reaped()]
        patience = self._patience
        if not self._asked or patience is None:
            return
        if patience.over or (not self._calls[0].wanted and patience.taken >= LOOK_EVERY):
            self._stuck()
        elif patience.waits and not patience.told:
            patience.told = True
            log.warning("%s", said(self._calls[0].path, patience.taken))

    def _stuck(self) -> None:
        """Replace the child; make the call at which it stands still again, so many times."""
        call, taken = self._calls[0], self._patience.taken if self._patience else 0.0
        self._replace()
        call.tries += 1
        if not call.wanted:
            self._answer(None, _cancelled(call))
        elif call.tries >= TRIES:
            self._answer(None, stuck(call.path, taken))
        else:
            log.warning("%s: the process that reads it stood still for %.0f s and is replaced", call.path, taken)
            self._ask()

    def _died(self) -> None:
        """Make all calls again in another child; if that dies, too, the call that it was working on is to blame."""
        self._replace()
        if not self._calls:
            return
        call = self._calls[0]
        call.tries += 1
        if not call.wanted:
            self._answer(None, _cancelled(call))
        elif call.tries >= TRIES:
            self._answer(None, crash(call.path))
        else:
            log.warning("%s: the process that reads it died and is replaced", call.path)
            self._ask()

    def _replace(self) -> None:
        """End the child, and do not wait for it if a dead disk holds it. The next call starts another."""
        if self._child:
            self._loop.off(self._child.fileno())
            self._child.kill()
            self._dying.append(self._child)
        self._child, self._asked = None, 0

    def _answer(self, result: Any, error: Exception | None) -> None:
        call = self._calls.popleft()
        if self._calls:
            self._ask()
        _finish(call, result, error)


def _started() -> Child:
    """Return a new child, or the one that whoever started this process has for it."""
    given = os.environ.pop(CHILD_VARIABLE, "")
    return Child.given(given) if given else Child.start()


def _finish(call: _Call, result: Any, error: Exception | None) -> None:
    future: Future[Any] = Future()
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
    call.then(future)


def _cancelled(call: _Call) -> InputError:
    return InputError(f"{call.path}: job {call.job} was cancelled")
