"""Following a pipeline from outside: its ventilator's messages, as states. Nothing in the pipeline waits for it."""

import time
from collections.abc import Iterator
from pathlib import Path

from fip.client.hearing import Hearing
from fip.client.operator import Operator, pointed
from fip.client.run_file import read_run_file
from fip.config import Config, load
from fip.data.errors import UsageError
from fip.state.pipeline import PipelineState
from fip.wire.messages import STATE_INTERVAL

FIRST_WORD_WITHIN = 5.0  # s for a ventilator to answer
TREND_AFTER = 1.0  # s of listening after which rates mean something


class Follower(Operator):
    """The state of a pipeline, twice a second. Use it as a context, in one thread."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._hearing = Hearing()

    def states(self) -> Iterator[PipelineState]:
        """Yield states without end; the first has rates, or is that of no pipeline after some seconds.

        FipError if a ventilator is there that this FIP cannot talk to, or that does not let it in.
        """
        yield self._listen(FIRST_WORD_WITHIN, TREND_AFTER)
        while True:
            yield self._listen(STATE_INTERVAL, STATE_INTERVAL)

    def _listen(self, seconds: float, once_heard: float) -> PipelineState:
        """Return the state after so many seconds; after fewer, if there is a ventilator."""
        begun = time.monotonic()
        while time.monotonic() - begun < (once_heard if self._hearing.heard else seconds):
            status = self.next_status()
            if status:
                self._hearing.hear(status)
        if not self._hearing.heard:
            self.check_welcome()
        return self._hearing.state()


def watched(directory: Path | None, ventilator: str | None, file: Path | None) -> Config | None:
    """Return the configuration by which to find a pipeline: that of a `fip run` into a directory, or of a ventilator.

    None if no run images into the directory now. UsageError if both are given, or if the directory is none.
    """
    if directory is None:
        return load(file, pointed(file, ventilator)).config
    if ventilator is not None:
        raise UsageError(f"{directory} and --ventilator {ventilator}: give one of them")
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it")
    found = read_run_file(directory)
    return (
        load(file, {"ventilator.control": found.control, "ventilator.status": found.status}).config if found else None
    )
