"""A directory of images that comes about piece by piece, for followers: tiny images, stored as a sink stores them."""

import random
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fip.archive.entries import Aged
from fip.archive.followed import FollowedImage
from fip.data.settings import asked
from fip.data.values import FitsFile, Grid, ImageFile
from fip.follower.journal import JOURNAL
from fip.sink.store import Store
from fip.wire.messages import Failure, RunPlan
from support.stored_run import RUN, stored_image

GRID = Grid(16, 8, 1e-5, 2.7, -0.78, "FK5")
HANGS_AT = 2
_first: list[ImageFile] = []


def tiny_image(index: int, run: str = RUN, label: str = "") -> ImageFile:
    """An image of 16 x 8 pixels, noise of its own; its header is that of the first."""
    if not _first:
        _first.append(stored_image(RUN, 0, grid=GRID))
    first = _first[0]
    content = bytearray(first.files[0].content)
    pixels = np.random.default_rng(index).normal(size=GRID.width * GRID.height).astype(">f4").tobytes()
    offset = len(content) - 2880
    content[offset : offset + len(pixels)] = pixels
    return replace(
        first, run=run, index=index, integration=index, label=label, files=(FitsFile("dirty", bytes(content)),)
    )  # fmt: skip


class FollowedImages:
    """The directory; images appear in it as a sink stores them."""

    def __init__(self, directory: Path, count: int, name: str = "night", of: Path | None = None) -> None:
        """A run of `count` slices is open in it, `of` a set that need not be there."""
        self.directory, self.count = directory, count
        self.store = Store(directory)
        self._plan = RunPlan(RUN, name, count, str(of or f"/data/{name}.ms"), asked(), "")
        assert self.store.open_run(self._plan) == ""

    def set_aside(self, *backlog: tuple[int, int]) -> None:
        """These slices wait from now on while newer ones are imaged."""
        assert self.store.open_run(replace(self._plan, backlog=backlog)) == ""

    def put(self, *indices: int) -> None:
        """Store images of these indices."""
        for index in indices:
            self.store.put(tiny_image(index))

    def fail(self, *indices: int) -> None:
        """Enter these slices as failed."""
        self.store.ledger.add_failures(Failure(RUN, index, 3, "made to fail") for index in indices)

    def expire(self, *indices: int) -> None:
        """Take images away that were stored."""
        for index in indices:
            name = f"night-t{index:06d}-dirty.fits"
            self.store.ledger.expire([Aged(RUN, index, (name,), 0)])
            (self.directory / name).unlink()

    def put_all(self, indices: Iterable[int], failed: set[int], expired: set[int], order: random.Random) -> None:
        """Have slices become known out of order, the first of them last: until then, none is anybody's turn."""
        first, *rest = indices
        order.shuffle(rest)
        rest.sort(key=lambda index: index not in expired)  # those go before anybody could see them
        for index in (*rest, first):
            if index in failed:
                self.fail(index)
            else:
                self.put(index)
                if index in expired and index != first:
                    self.expire(index)

    def close(self) -> None:
        """Close the store, as a sink leaves it."""
        self.store.close()


def position(folder: Path) -> int:
    """How far the follower is whose folder this is."""
    with closing(sqlite3.connect(f"file:{folder / JOURNAL}?mode=ro", uri=True, timeout=30)) as database:
        try:
            return int((database.execute("SELECT MAX(next) FROM runs").fetchone() or (0,))[0] or 0)
        except sqlite3.OperationalError:  # it has no tables yet
            return 0


def recorded(folder: Path) -> dict[str, list[Any]]:
    """All that a follower has decided and found, but for the times."""
    queries = {
        "decisions": "SELECT number, run, slice, outcome, reason FROM decisions ORDER BY number",
        "findings": "SELECT run, slice, place, decision, finding FROM findings ORDER BY run, slice, place",
        "runs": "SELECT run, name, next FROM runs ORDER BY run",
        "cold starts": "SELECT run, reason FROM starts WHERE reason != '' ORDER BY after",
    }
    with closing(sqlite3.connect(folder / JOURNAL)) as database:
        return {what: list(database.execute(query)) for what, query in queries.items()}


def hang(state: dict[str, Any], image: FollowedImage) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A step that never ends at one image."""
    if image.index == HANGS_AT:
        threading.Event().wait()
    return trace(state, image)


def trace(state: dict[str, Any], image: FollowedImage) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A step whose findings show all of the state: an image seen twice, or not, changes all that come after."""
    if not state:
        state |= {"mean": np.zeros_like(image.pixels, np.float64), "count": 0, "last": []}
    state["count"] += 1
    state["mean"] *= 0.9  # in place: what is half done is not to be gone on with
    state["mean"] += 0.1 * image.pixels
    state["last"] = [*state["last"][-3:], image.index]
    skipped = [[each.index, each.outcome] for each in image.skipped]
    found = {"count": state["count"], "sum": float(state["mean"].sum()), "last": state["last"], "skipped": skipped}
    return state, [found] * (image.index % 3)
