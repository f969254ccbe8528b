"""On the PYTHONPATH of a daemon: a wall clock that is wrong by what the file FIP_TEST_CLOCK says, in s."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def _stepped(right: Callable[[], float], said: Path) -> Callable[[], float]:
    def wrong() -> float:
        ahead = 0.0
        with suppress(OSError, ValueError):  # between two of its lines
            ahead = float(said.read_text())
        return right() + ahead

    return wrong


if "FIP_TEST_CLOCK" in os.environ:
    time.time = _stepped(time.time, Path(os.environ["FIP_TEST_CLOCK"]))
