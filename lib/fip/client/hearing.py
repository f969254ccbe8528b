"""What was heard of a pipeline, as its state: a clock that nobody sets measures how long it is silent."""

import time

from fip.state.pipeline import PipelineState, pipeline_state
from fip.state.trends import Heard, remember
from fip.wire.messages import PipelineStatus


class Hearing:
    """The recent messages, and the state that they make. One thread hears them; any thread may read the state."""

    def __init__(self) -> None:
        self._kept: tuple[Heard, float] | None = None  # and when its newest message came, monotonic s

    @property
    def heard(self) -> Heard | None:
        """Return what is kept of the messages; None before the first."""
        return self._kept[0] if self._kept else None

    def hear(self, status: PipelineStatus) -> None:
        """Take a status that the ventilator has sent."""
        before, at = self._kept or (None, 0.0)
        heard = remember(before, status, time.time())
        self._kept = heard, at if before and heard.at == before.at else time.monotonic()

    def forget(self) -> None:
        """Forget all that was heard so far."""
        self._kept = None

    def state(self) -> PipelineState:
        """Return the state now: the time of the newest message, and what has gone by since."""
        if self._kept is None:
            return pipeline_state(None, time.time())
        heard, at = self._kept
        return pipeline_state(heard, heard.at + time.monotonic() - at)
