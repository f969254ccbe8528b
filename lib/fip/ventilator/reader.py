"""The reading child, as the ventilator sees it: calls go in, finished futures come back in the loop.

The child keeps nothing that matters: one that died is replaced, and opens again what it is asked for.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack

from fip.data.names import RunId
from fip.data.settings import Asked
from fip.runtime.service import Loop
from fip.source.child import Child, crash
from fip.source.requests import Cut, cut

Given = TypeVarTuple("Given")
Result = TypeVar("Result")

CHILD_VARIABLE = "FIP_READING_CHILD"
"""Descriptor and process id of a child that reads, separated by a comma, for a ventilator that is given one."""

ASKED_AHEAD = 2  # calls that are with the child at a time: one in work, one ahead


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
        self._child: Child | None = None

    def start(self) -> None:
        """Starts the child, or takes the one that whoever started this process has for it."""
        self._running()

    def call(
        self,
        then: Callable[[Future[Result]], None],
        function: Callable[[Path, Unpack[Given]], Result],
        path: Path,
        *args: *Given,
    ) -> None:
        """Calls one of the child's functions, then `then` with its finished future in the loop.

        InputError if the child dies of it.
        """
        self._calls.append(_Call(then, function, (path, *args)))
        self._ask()

    def cut(
        self, then: Callable[[Future[Cut]], None], path: Path, asked: Asked, follow: bool, run: RunId, index: int
    ) -> None:
        """Has a slice cut, as `fip.source.requests.cut`."""
        self.call(then, cut, path, asked, follow, run, index)

    def close(self) -> None:
        """Ends the child, whatever it does."""
        if self._child:
            self._child.end()
        self._child = None

    def _running(self) -> Child:
        if self._child is None:
            given = os.environ.pop(CHILD_VARIABLE, "")
            self._child = Child.given(given) if given else Child.start()
            self._loop.on(self._child.fileno(), self._on_answer)
        return self._child

    def _ask(self) -> None:
        child = self._running()
        while self._asked < min(ASKED_AHEAD, len(self._calls)):
            call = self._calls[self._asked]
            try:
                child.ask(call.function, call.args)
            except OSError:  # it has just died: that is seen in a moment
                return
            self._asked += 1

    def _on_answer(self) -> None:
        try:
            result, error = self._running().answer()
        except (EOFError, OSError):
            self._died()
            return
        self._asked -= 1
        self._answer(result, error)

    def _died(self) -> None:
        """The call that it was working on is to blame; the others are made again, in another child."""
        self._loop.off(self._running().fileno())
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
