"""What a run that images are stored of says of itself."""

import time
from dataclasses import replace

import pytest

from fip.data.complete import COMPLETE
from fip.data.settings import Asked
from fip.sink.open_run import LAST_MINUTE, OpenRun
from fip.wire.messages import RunPlan, RunStored
from support.made_values import make_image


def test_the_share_of_the_last_minute_is_of_what_was_stored_in_it() -> None:
    """If nothing was, nothing is said of it; what is said of the whole run stays."""
    run = OpenRun(RunPlan("run", "a", 9, "/a.ms", Asked(), ""), None, RunStored("run", (), (), ""))
    for index, share in enumerate((1.0, 0.5)):
        run.was_stored(replace(make_image(), index=index, numbers={COMPLETE: (share, "")}))
    now = time.monotonic()
    assert run.now_said(now).lately == pytest.approx(0.75)
    later = run.now_said(now + LAST_MINUTE + 1)
    assert later.lately is None
    assert later.complete is not None
    assert later.complete.mean == pytest.approx(0.75)
