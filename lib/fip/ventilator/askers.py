"""The operators who asked the ventilator recently: each gets every status for a while, and is then forgotten."""

import time
from collections.abc import Callable

from fip.runtime.service import Loop

HEARD = 2.0  # s for which an operator that asked gets every status
ANSWER_AFTER = 0.1  # s from a question to the answer to all who asked meanwhile


class Askers:
    """The operators who asked, by their routes."""

    def __init__(self, loop: Loop, status: Callable[[], bytes], send: Callable[[bytes, bytes], None]) -> None:
        """`status` makes the message for the operators, `send` sends it on a route."""
        self._loop, self._status, self._send = loop, status, send
        self._until: dict[bytes, float] = {}  # monotonic s
        self._answering = False

    def hear(self, route: bytes, waits: bool) -> None:
        """Take a question. An operator that gets every status already gets no own answer, unless it waits for one.

        An operator that waits gets its answer at once: its request is done, and nothing else yet.
        """
        known = route in self._until
        self._until[route] = time.monotonic() + HEARD
        if waits:
            self._send(route, self._status())
        elif not known and not self._answering:  # all who ask within a moment get one answer, which takes time to make
            self._answering = True
            self._loop.at(time.monotonic() + ANSWER_AFTER, self._answer)

    def tell(self, told: bytes) -> None:
        """Send the status to all of them; forget those who asked too long ago."""
        now = time.monotonic()
        self._until = {route: until for route, until in self._until.items() if until > now}
        for route in self._until:
            self._send(route, told)

    def _answer(self) -> None:
        self._answering = False
        self.tell(self._status())
