"""Between the threads of a receiver: when a stream's end is believed."""

import time
from pathlib import Path

import pytest

from fip.receiver.assembling import Assembly
from fip.receiver.intake import Intake
from support import spools


@pytest.mark.parametrize(
    ("said", "by_itself", "taken"),
    [(True, True, ["ended", None]), (True, False, [None]), (False, True, [None])],
)
def test_a_stream_that_said_its_end_and_stopped_by_itself_has_ended(
    said: bool, by_itself: bool, taken: list[str | None], tmp_path: Path
) -> None:
    """One that was stopped, or broke off, has not: the next receiver hears the rest of it."""
    writing = spools.writer(tmp_path)
    intake = Intake(Assembly(spools.SETUP, 0.5, 2, time.monotonic, writing.begin, None))
    if said:
        intake.end()
    intake.finish(by_itself=by_itself)
    assert [intake.take() for _ in taken] == taken
    writing.close()
