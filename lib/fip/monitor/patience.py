"""How long the web server waits for a browser, and how many it holds: whoever takes neither token nor time pays for it.

uvicorn alone waits for ever for the end of a request, and for a reader of its answer.
"""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from fip.runtime.door import Door

REQUEST_WITHIN = 10.0  # s for a request to be whole, from its connection's begin or from the answer to the one before
READ_WITHIN = 30.0  # s for which an answer may wait to be read


class Patient(H11Protocol):
    """A connection that ends when its browser takes too long, or when others need its place more."""

    def __init__(self, door: Door, **given: Any) -> None:
        """`door` is that of the socket; `given` is what uvicorn gives a protocol."""
        super().__init__(**given)
        self._door = door
        self._descriptor = -1
        self._waits: asyncio.TimerHandle | None = None
        self._writes: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Handle a browser that has just connected."""
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        self._descriptor = transport.get_extra_info("socket").fileno()
        self._waits = self.loop.call_later(REQUEST_WITHIN, self._end_if_idle)
        self._door.joined(self._descriptor, time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle a browser that has gone."""
        self._door.left(self._descriptor)
        for timer in (self._waits, self._writes):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some of a request; one that is whole is under way after this."""
        super().data_received(data)
        if not self._idle:
            self._door.hears(self._descriptor, time.monotonic())

    def on_response_complete(self) -> None:
        """A request is answered: the next may come."""
        if self._waits:
            self._waits.cancel()
        self._waits = self.loop.call_later(REQUEST_WITHIN, self._end_if_idle)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The browser does not read."""
        super().pause_writing()
        self._writes = self.loop.call_later(READ_WITHIN, self.transport.abort)

    def resume_writing(self) -> None:
        """Continue, as the browser has read."""
        if self._writes:
            self._writes.cancel()
        super().resume_writing()

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _end_if_idle(self) -> None:
        if self._idle:
            self.transport.abort()
