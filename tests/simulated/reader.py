"""A reading child in made time: it takes a while, hangs, or dies."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from fip.data.arriving import Writing
from fip.data.errors import FipError, InputError
from fip.data.names import RunId
from fip.data.settings import Asked
from fip.source.requests import Cut, Held, look
from fip.ventilator.reader import Reader
from simulated.process import SimLoop
from simulated.sky import MadeSet


class SimReader(Reader):
    """What the ventilator calls; answers come one after the other."""

    def __init__(
        self, loop: SimLoop, within: float, sets: Mapping[str, MadeSet], seconds: Callable[[], float | None],
        check: Callable[[MadeSet, int], None],
    ) -> None:  # fmt: skip
        """`seconds` is how long the next call takes; None if the child dies of it. `check` sees what is to be cut."""
        super().__init__(loop, within)
        self._process = loop.process
        self._sets, self._seconds, self._check = sets, seconds, check
        self._free, self._left = 0.0, 0

    def start(self, at_once: bool = True) -> None:
        """Do nothing: there is no child."""

    @property
    def running(self) -> bool:
        """Return True: it always runs."""
        return True

    @property
    def load(self) -> int:
        """How many calls have not been answered."""
        return self._left

    def call(  # type: ignore[override]
        self,
        job: str,
        then: Callable[[Future[Any]], None],
        function: Callable[..., Any],
        path: Path,
        *args: Any,
        wanted: bool = True,
    ) -> None:
        """Look into a set that was made up, or forget it."""
        known = args[4] if len(args) > 4 else 0
        now = self._process.world.now
        self._later(then, path, (lambda made: made.facts(now, known)) if function is look else lambda made: None)

    def cut(
        self, job: str, then: Callable[[Future[Cut]], None],
        path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int, held: Held | None = None,
    ) -> None:  # fmt: skip
        """Cut a slice of a set that was made up."""
        self._check(self._sets[str(path)], index)
        self._later(then, path, lambda made: made.cut(index, self._process.world.now))

    def close(self) -> None:
        """Do nothing: there is no child."""

    def _later(self, then: Callable[[Future[Any]], None], path: Path, make: Callable[[MadeSet], Any]) -> None:
        future: Future[Any] = Future()
        seconds = self._seconds()
        try:
            if seconds is None:
                raise InputError(f"{path}: is damaged: casacore crashes when it reads its tables")
            future.set_result(make(self._sets[str(path)]))
        except FipError as error:
            future.set_exception(error)
        now = self._process.world.now
        self._free = max(self._free, now) + (0.3 if seconds is None else seconds)
        self._left += 1

        def answer() -> None:
            self._left -= 1
            then(future)

        self._process.later(self._free - now, answer)
