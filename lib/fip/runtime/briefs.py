"""When a peer says what has changed of it: each message is work for two processes."""

from __future__ import annotations

import time
from collections.abc import Callable

from fip.messages import BRIEF_INTERVAL
from fip.runtime.service import Loop


class Briefs:
    """Says a peer's brief after a change: at once where that was quiet for a while, else soon, with other changes."""

    def __init__(self, loop: Loop, say: Callable[[], None]) -> None:
        self._loop, self._say = loop, say
        self._said = -BRIEF_INTERVAL  # monotonic s
        self._due = False

    def changed(self, waited_for: bool = False) -> None:
        """Something has changed; what the other side waits for is said at once."""
        now = time.monotonic()
        if waited_for or now - self._said >= BRIEF_INTERVAL:
            self._say_now()
        elif not self._due:
            self._due = True
            self._loop.at(self._said + BRIEF_INTERVAL, self._on_due)

    def said(self) -> None:
        """All was said just now, in another message."""
        self._said, self._due = time.monotonic(), False

    def _on_due(self) -> None:
        if self._due:
            self._say_now()

    def _say_now(self) -> None:
        self.said()
        self._say()
