"""Several reading children: each call goes to the one that has the least to do, and answers come in any order.

A recording is looked into by one of them, which hands over what it knows: the others take its index and settings, and
slices are the same whoever cuts them. Each is limited, ended and replaced as if it were the only one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol, TypeAlias

from fip.data.names import RunId
from fip.data.settings import Asked
from fip.data.values import Fingerprint
from fip.source.pipe import Memory
from fip.source.requests import Cut, RunFacts, fingerprint, forget, look
from fip.ventilator.reader import Reader

_Key: TypeAlias = tuple[Path, Asked, bool]


class Place(Protocol):
    """Where children join."""

    def listen(self) -> None:
        """From now on."""

    def close(self) -> None:
        """No more."""


class Readers:
    """The children, as the ventilator sees them."""

    def __init__(self, readers: Sequence[Reader], place: Place | None = None) -> None:
        """With a `place` children join there, and are not started."""
        self._readers, self._place = readers, place
        self._handed: dict[_Key, Memory] = {}  # what is known of the recordings that are open

    def __len__(self) -> int:
        return len(self._readers)

    def start(self) -> None:
        """Starts the first; the others are started when there is something for them to do."""
        if self._place:
            self._place.listen()
        for number, reader in enumerate(self._readers):
            reader.start(at_once=number == 0)

    def wake(self) -> None:
        """There may be another child now."""
        for reader in self._readers:
            reader.wake()

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
        if self._place:
            self._place.close()

    def _free(self) -> Reader:
        """The first of those that have the least to do."""
        return min(self._readers, key=lambda reader: reader.load)

    def _forget(self, key: _Key) -> None:
        handed = self._handed.pop(key, None)
        if handed:
            handed.close()
