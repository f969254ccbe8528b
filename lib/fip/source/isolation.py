"""Calling a function in a child process, so that what kills it does not kill the caller.

casacore ends the whole process on some damaged tables, by an abort or a segmentation fault that Python cannot catch.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from fip.errors import InputError

Given = ParamSpec("Given")
Result = TypeVar("Result")


def in_child(
    function: Callable[Concatenate[Path, Given], Result], path: Path, *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """What `function` makes of a MeasurementSet, read in a child process; its exceptions are raised here.

    InputError where the child dies of it. What it writes to standard error is dropped: it is casacore's last words.
    The child is forked, so it must be called before this process has sockets or threads of its own.
    """
    with ProcessPoolExecutor(1, get_context("fork"), initializer=_quiet) as pool:
        try:
            return pool.submit(function, path, *args, **kwargs).result()
        except BrokenProcessPool:
            raise InputError(f"{path}: is damaged: casacore crashes when it reads its tables") from None


def _quiet() -> None:
    """An interrupt ends the child without a word; the caller is interrupted as well."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
