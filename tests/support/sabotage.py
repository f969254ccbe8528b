"""Runs a daemon that kills itself: `python sabotage.py before|after MODULE:FUNCTION NUMBER DAEMON ...`

At the given call of that function, counted from 1, the process is gone as if by `kill -9`, before the call or once it
has returned; then calls that raise something, as a socket that is busy does, are not counted. The daemon is the
installed one; nothing in it knows of this.
"""

import functools
import importlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any


def launcher(when: str, function: str, number: int) -> list[str]:
    """What is put before the command line of a daemon to have it end so."""
    return [sys.executable, __file__, when, function, str(number)]


def sabotage(when: str, function: str, number: int) -> None:
    """Replace the function by one that kills the process; before anybody has imported it by its name."""
    module, _, name = function.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, name = name.split(".")
    for each in classes:
        owner = getattr(owner, each)
    setattr(owner, name, _deadly(getattr(owner, name), when, number))


def _deadly(function: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    calls = itertools.count(1)

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        if when == "before" and next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **named)
        if when == "after" and next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return called


if __name__ == "__main__":
    when, function, number, command, *sys.argv[1:] = sys.argv[1:]
    sys.argv[0] = command
    sabotage(when, function, int(number))
    (daemon,) = entry_points(group="console_scripts", name=Path(command).name)
    daemon.load()()
