"""What `fip run` shows while images come."""

import io

import pyte
import pytest
from rich.console import Console

from fip.terminal.progress import RunProgress
from fip.wire.messages import PipelineStatus
from support.told_states import pipeline, with_run

WIDTH = 80


def on_the_way(stored: int, **changes: object) -> PipelineStatus:
    """Return a status with so many of 20 slices stored."""
    number = stored + 1
    return with_run(pipeline(number), total=20, stored=stored, **changes)


def test_a_bar_on_a_terminal() -> None:
    """Images, images/s, time left, failures and the bottleneck fit into one line of 80 columns."""
    file, screen = io.StringIO(), pyte.Screen(WIDTH, 5)
    console = Console(file=file, force_terminal=True, width=WIDTH, _environ={"TERM": "xterm"})
    with RunProgress(console, 20) as progress:
        for stored in range(11):
            progress.show(on_the_way(stored, failed=2))
    pyte.Stream(screen).feed(file.getvalue().replace("\n", "\r\n"))
    (line,) = (line for line in screen.display if line.strip())
    assert line.startswith("obs ━")
    assert line.endswith("━ 10/20 4 images/s  2.0 s left  2 failed  the workers hold it up")


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {}])
def test_lines_elsewhere(environment: dict[str, str]) -> None:
    """A line for each tenth of the way, however often the state is sent; nothing a terminal would have to obey."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=bool(environment), width=WIDTH, _environ=environment)
    with RunProgress(console, 20) as progress:
        for stored in sorted(2 * list(range(21))):
            progress.show(on_the_way(stored, failed=1 if stored > 15 else 0))
    lines = file.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"obs: {stored} of 20 images" for stored in range(2, 20, 2)]
    assert lines[2].endswith("4 images/s  3.5 s left  the workers hold it up")
    assert "1 failed" in lines[-1]
    assert "\x1b" not in file.getvalue()
