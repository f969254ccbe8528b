"""What was heard of the pipeline, as it goes to browsers: heard in one thread, read in that of the web server."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

from fip.alerts.shown import with_transients
from fip.client.hearing import Hearing
from fip.data.ranges import Ranges
from fip.state.panels import state_json
from fip.state.pipeline import PipelineState
from fip.wire.messages import STATE_INTERVAL, PipelineStatus


class Feed:
    """The recent messages, and the state that they make."""

    def __init__(self, root: Path) -> None:
        """`root` has the images, or folders of jobs with them, beside which a search leaves what it has found."""
        self._root = root
        self._hearing = Hearing()
        self._at_rest: PipelineState | None = None

    def hear(self, status: PipelineStatus) -> None:
        """Take a message; what was heard is replaced as a whole, so that any thread may read it."""
        self._hearing.hear(status)

    def rest(self, state: PipelineState) -> None:
        """Nothing works: from now on this is the state, until something is heard."""
        self._at_rest = state
        self._hearing.forget()

    def state(self) -> PipelineState:
        """Return the state as it is now."""
        at_rest = self._at_rest
        rests = at_rest and self._hearing.heard is None
        state = replace(at_rest, time=time.time()) if at_rest and rests else self._hearing.state()
        return with_transients(state, self._root)

    def state_json(self) -> bytes:
        """The state now, as JSON."""
        return state_json(self.state())

    def stored(self) -> Mapping[str, Ranges]:
        """What the sink says is stored of each run that it has."""
        heard = self._hearing.heard
        sink = heard.status.sink if heard else None
        return {each.run: each.stored for each in sink.brief.runs} if sink else {}


class Broadcast:
    """The state twice a second to each browser that listens; made once for all, and not at all if none listens."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._latest = b""
        self._changed = asyncio.Event()
        self._listeners = 0
        self.closing = False

    async def run(self) -> None:
        """Make the states until `closing`, which any thread may set; then all streams end."""
        while not self.closing:
            if self._listeners:
                self._latest = self._feed.state_json()
                self._wake()
            await asyncio.sleep(STATE_INTERVAL)
        self._wake()

    async def stream(self) -> AsyncIterator[bytes]:
        """Server-sent events, each a state. One who is slow misses states, and nothing is queued for it."""
        self._listeners += 1
        try:
            yield _event(self._feed.state_json())
            while not self.closing:
                await self._changed.wait()
                yield _event(self._latest)
        finally:
            self._listeners -= 1

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _event(data: bytes) -> bytes:
    return b"event: state\ndata: " + data + b"\n\n"
