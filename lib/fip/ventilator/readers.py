"""Several reading children: each call goes to the one that has the least to do, and answers come in any order.

A recording is looked into by one of them, which hands over what it knows: the others take its index and settings, and
slices are the same whoever cuts them. Each is limited, ended and replaced as if it were the only one.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeAlias

from fip.config import Config
from fip.data.names import RunId
from fip.data.settings import Asked
from fip.data.values import Fingerprint
from fip.source.pipe import Memory
from fip.source.requests import Cut, RunFacts, fingerprint, forget, look
from fip.ventilator.reader import Reader

CPUS_OF_ONE = 8  # CPU workers that one child keeps busy; a GPU is as fast as all of them
MOST_READERS = 8  # unless more are asked for

_Key: TypeAlias = tuple[Path, Asked, bool]


def readers_for(config: Config, cores: int, devices: Iterable[str] | None = None) -> int:
    """How many children read on a host of so many cores, if it is not configured: by what they feed.

    That is workers on these devices, or those of the layout.
    """
    if config.ventilator.readers is not None:
        return config.ventilator.readers
    if devices is None:
        devices = [
            config.device_of(what.removeprefix("worker."), host)
            for host, node in config.node.items() for what in node.runs if what.startswith("worker.")
        ]  # fmt: skip
    on_gpu = [device.startswith("cuda") for device in devices]
    needed = on_gpu.count(True) + -(-on_gpu.count(False) // CPUS_OF_ONE)
    return max(1, min(needed, cores // 2, MOST_READERS))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


class Readers:
    """The children, as the ventilator sees them."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self._handed: dict[_Key, Memory] = {}  # what is known of the recordings that are open

    def __len__(self) -> int:
        return len(self._readers)

    def start(self) -> None:
        """Starts the first; the others are started when there is something for them to do."""
        for number, reader in enumerate(self._readers):
            reader.start(at_once=number == 0)

    @property
    def waits(self) -> str:
        """What reading stands still at, and since when; "" if it goes on."""
        return next(filter(None, (reader.waits for reader in self._readers)), "")

    def look(
        self,
        job: str,
        then: Callable[[Future[RunFacts]], None],
        path: Path,
        asked: Asked,
        follow: bool,
        complete: bool = False,
        ended: bool = False,
        known: int = 0,
    ) -> None:
        """Has a recording looked into for a job, as `fip.source.requests.look`, then calls `then` in the loop."""
        key, hand_over = (path, asked, follow), len(self) > 1 and not known

        def looked(future: Future[RunFacts]) -> None:
            if future.exception() is None and (handed := future.result().handed):
                self._forget(key)
                self._handed[key] = handed
            then(future)

        handed = self._handed.get(key)
        self._free().call(job, looked, look, path, asked, follow, complete, ended, known, handed, hand_over)

    def cut(
        self, job: str, then: Callable[[Future[Cut]], None],
        path: Path, asked: Asked, follow: bool, run: RunId, index: int,
    ) -> None:  # fmt: skip
        """Has a slice cut, as `fip.source.requests.cut`."""
        self._free().cut(job, then, path, asked, follow, run, index, self._handed.get((path, asked, follow)))

    def fingerprint(
        self, job: str, then: Callable[[Future[Fingerprint]], None],
        path: Path, asked: Asked, follow: bool, run: RunId, index: int,
    ) -> None:  # fmt: skip
        """Has a slice read again, as `fip.source.requests.fingerprint`."""
        handed = self._handed.get((path, asked, follow))
        self._free().call(job, then, fingerprint, path, asked, follow, run, index, handed)

    def forget(self, job: str, path: Path, asked: Asked, follow: bool, wanted: bool = True) -> None:
        """Has a recording closed by all; a child is not waited for much longer if that is not `wanted`."""
        self._forget((path, asked, follow))
        for reader in self._readers:
            if reader.running:
                reader.call(job, lambda future: None, forget, path, asked, follow, wanted=wanted)

    def drop(self, job: str) -> None:
        """The job is cancelled: its calls fail, as `Reader.drop`."""
        for reader in self._readers:
            reader.drop(job)

    def close(self) -> None:
        """Ends the children, whatever they do."""
        for reader in self._readers:
            reader.close()

    def _free(self) -> Reader:
        """The first of those that have the least to do."""
        return min(self._readers, key=lambda reader: reader.load)

    def _forget(self, key: _Key) -> None:
        handed = self._handed.pop(key, None)
        if handed:
            handed.close()
