"""How processes that share the tests take turns: what is long comes first, what needs one machine is together."""

import re
from types import SimpleNamespace
from typing import cast

import pytest

from support.repository import ROOT, TESTS
from support.turns import LONG, ON_ONE_MACHINE, Turns, in_turn

USES = re.compile(r"^def .*\binstalled: Installed\b", re.MULTILINE)


def test_files_that_are_named_are_there() -> None:
    """ON_ONE_MACHINE has all files that use an `Installed` machine."""
    assert [file for file in LONG if not (ROOT / file).exists()] == []
    using = {path for path in TESTS.glob("*/test_*.py") if USES.search(path.read_text())}
    assert {str(path.relative_to(ROOT)) for path in using} == set(ON_ONE_MACHINE)


def test_long_files_come_first_then_those_of_many_tests() -> None:
    """Tests of a file stay together and in their order."""
    told = ["a.py::1", "b.py::1", "b.py::2", f"{LONG[1]}::1", "c.py::1", f"{LONG[0]}::2", f"{LONG[0]}::1", "b.py::0"]
    items = cast("list[pytest.Item]", [SimpleNamespace(nodeid=each) for each in told])
    assert [item.nodeid for item in in_turn(items)] == [
        f"{LONG[0]}::2", f"{LONG[0]}::1", f"{LONG[1]}::1", "b.py::1", "b.py::2", "b.py::0", "a.py::1", "c.py::1",
    ]  # fmt: skip


def test_one_process_gets_all_that_is_on_one_machine() -> None:
    """Others get file by file."""
    turns = Turns.__new__(Turns)
    of = [turns._split_scope(f"{file}::test") for file in (*ON_ONE_MACHINE, "tests/a.py", "tests/b.py")]  # noqa: SLF001 xdist's
    assert of == [ON_ONE_MACHINE[0]] * len(ON_ONE_MACHINE) + ["tests/a.py", "tests/b.py"]
