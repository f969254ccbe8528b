"""Which of the processes that share the tests (pytest-xdist) runs which file, and when.

A process takes one file after the other. What takes long comes first, so that none is busy with it at the end while the
others have nothing left to do; and what needs the same machine, which takes minutes to make, is run by one process.
"""

from collections import Counter
from collections.abc import Sequence

import pytest
from xdist.scheduler import LoadFileScheduling

ON_ONE_MACHINE = ("tests/system/test_node.py", "tests/system/test_three_hosts.py")
"""Files that use the fixture `installed`."""

LONG = (
    *ON_ONE_MACHINE, "tests/monitor/test_page.py", "tests/source/test_following.py", "tests/system/test_chaos.py",
    "tests/client/test_status.py", "tests/source/test_damage.py", "tests/sink/test_stored.py",
    "tests/ventilator/test_standing_still.py", "tests/events/test_detector_kills.py", "tests/follower/test_kills.py",
)  # fmt: skip
"""Files that take more than half a minute, or have few tests for how long they take."""


def file_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.split("::", 1)[0]


def in_turn(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """What takes long first, then files of many tests, then of few; tests of one file together, in their order."""
    files = [file_of(item.nodeid) for item in items]
    tests, at = Counter(files), {file: number for number, file in reversed(list(enumerate(files)))}
    turn = {file: (LONG.index(file) if file in LONG else len(LONG), -tests[file], at[file]) for file in tests}
    return sorted(items, key=lambda item: turn[file_of(item.nodeid)])


class Turns(LoadFileScheduling):  # type: ignore[misc] # mypy does not follow xdist
    """Gives each process that is free the next file, those on one machine as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return ON_ONE_MACHINE[0] if file in ON_ONE_MACHINE else file
