"""When a peer says what has changed of it: each message is work for two processes."""

from __future__ import annotations

import time
from collections.abc import Callable

from fip.messages import BRIEF_INTERVAL
from fip.runtime.service import Loop


class Briefs:
    """Says a peer's brief after a change: at once where others wait for it, else soon, with what changes meanwhile."""

    def __init__(self, loop: Loop, say: Callable[[], None]) -> None:
        self._loop, self._say = loop, say
        self._changed = False  # since all was said
        self._waking = False  # a call of the loop is under way; one at a time

    def changed(self, waited_for: bool = False) -> None:
        """Something has changed; what the other side waits for is said at once."""
        self._changed = True
        if waited_for:
            self._say_now()
        elif not self._waking:
            self._waking = True
            self._loop.at(time.monotonic() + BRIEF_INTERVAL, self._wake)

    def said(self) -> None:
        """All was said just now, in this message or another."""
        self._changed = False

    def _wake(self) -> None:
        self._waking = False
        if self._changed:
            self._say_now()

    def _say_now(self) -> None:
        self.said()
        self._say()
