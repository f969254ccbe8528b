"""Slices of a few bytes, and rings of cut slices that work at once, for tests."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from fip.imaging.antennas import AntennaTally
from fip.runtime.service import Loop
from fip.source.requests import Cut
from fip.ventilator.ring import Ring


class AtOnce:
    """What does its work at once, in place of a thread."""

    def __init__(self, loop: Loop | None, name: str) -> None: ...

    def call(self, then: Callable[[Future[Any]], None], function: Callable[..., Any], *args: Any) -> None:
        """Call the function, and `then` with its result."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except OSError as error:
            future.set_exception(error)
        then(future)

    def close(self) -> None:
        """There is nothing to wait for."""


def ring(folder: Path, most: int = 1_000_000, **how: Any) -> Ring:
    """A ring in a folder, which may be there."""
    with patch("fip.ventilator.ring.Background", AtOnce):
        made = Ring(None, folder / "ring", most, **how)  # type: ignore[arg-type] # no thread comes back to a loop
    made.needed = True
    return made


def cut(size: int = 1000) -> Cut:
    """A slice of so many bytes."""
    sums = (np.arange(3.0) + number for number in range(5))
    frames = [b"header", np.arange(size, dtype=np.uint8), b""]
    return Cut(frames, 5 * size, AntennaTally(("a", "b", "c"), *sums), 0.25, {"b": 2.0}, {"gains": 0.1})
