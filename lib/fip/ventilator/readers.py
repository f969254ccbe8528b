"""Several reading children: each call goes to the one that has the least to do, and answers come in any order.

A recording is looked into by one of them, which hands over what it knows: the others take its index and settings, and
slices are the same whoever cuts them. Each is limited, ended and replaced as if it were the only one.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from fip.data.arriving import Arrivals, Writing
from fip.data.names import RunId
from fip.data.settings import Asked
from fip.data.values import Fingerprint
from fip.source.requests import Cut, Held, Key, RunFacts, fingerprint, forget, look
from fip.ventilator.checkpoints import Checkpoints
from fip.ventilator.manifests import Manifests
from fip.ventilator.reader import Reader

log = logging.getLogger("fip.ventilator")


class Place(Protocol):
    """The place at which children join."""

    def listen(self) -> None:
        """Let children join from now on."""

    def close(self) -> None:
        """Let no more children join."""


class Readers:
    """The children, as the ventilator sees them."""

    def __init__(self, readers: Sequence[Reader], manifests: Manifests, place: Place | None = None) -> None:
        """With a `place`, children join there, and none is started."""
        self._readers, self._manifests, self._place = readers, manifests, place
        self._checkpoints = Checkpoints(manifests.folder)
        self._held: dict[Key, Held] = {}  # what is known of the recordings that are open
        self._looks: dict[Key, Reader] = {}  # who looks into those that are being written: it has seen how they grow

    def __len__(self) -> int:
        return len(self._readers)

    def start(self) -> None:
        """Start the first; the others are started when there is something for them to do."""
        if self._place:
            self._place.listen()
        for number, reader in enumerate(self._readers):
            reader.start(at_once=number == 0)

    def wake(self) -> None:
        """Try again: there may be another child now."""
        for reader in self._readers:
            reader.wake()

    @property
    def waits(self) -> str:
        """Return what reading waits for, and since when; "" if it goes on."""
        return next(filter(None, (reader.waits for reader in self._readers)), "")

    def look(
        self,
        job: str,
        then: Callable[[Future[RunFacts]], None],
        path: Path,
        asked: Asked,
        writing: Writing | None,
        complete: bool = False,
        ended: bool = False,
        known: int = 0,
    ) -> None:
        """Look into a recording for a job, as `fip.source.requests.look`, then call `then` in the loop.

        If something arrived, write it down and look once more: then it is part of the recording.
        """
        key, hand_over = (path, asked, writing), len(self) > 1 and not known
        if writing and writing.manifest and self._checkpoints.due(writing.manifest, known):
            hand_over = True
        reader = self._looks.setdefault(key, self._free()) if writing else self._free()

        def ask(then: Callable[[Future[RunFacts]], None]) -> None:
            reader.call(job, then, look, path, asked, writing, complete, ended, known, self._of(key), hand_over)

        def looked(future: Future[RunFacts]) -> None:
            self._hold(key, future)
            if self._write_down(job, key, arrivals_of(future)):
                ask(looked_again)
            else:
                then(future)

        def looked_again(future: Future[RunFacts]) -> None:
            self._hold(key, future)
            self._write_down(job, key, arrivals_of(future))
            then(future)

        ask(looked)

    def cut(
        self, job: str, then: Callable[[Future[Cut]], None],
        path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int,
    ) -> None:  # fmt: skip
        """Cut a slice in a child, as `fip.source.requests.cut`."""
        self._free().cut(job, then, path, asked, writing, run, index, self._of((path, asked, writing)))

    def fingerprint(
        self, job: str, then: Callable[[Future[Fingerprint]], None],
        path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int,
    ) -> None:  # fmt: skip
        """Read a slice again in a child, as `fip.source.requests.fingerprint`."""
        held = self._of((path, asked, writing))
        self._free().call(job, then, fingerprint, path, asked, writing, run, index, held)

    def forget(self, job: str, path: Path, asked: Asked, writing: Writing | None, wanted: bool = True) -> None:
        """Close a recording in all children.

        If that is not `wanted`, as after a failure, a child gets little more time for it, and what the job has asked of
        the recording is dropped: several slices are read ahead, and each may be on a dead disk.
        """
        self._forget((path, asked, writing))
        if not wanted:
            self.drop(job, path)
        if writing:
            self._checkpoints.remove(writing.manifest)
        for reader in self._readers:
            if reader.running:
                reader.call(job, lambda future: None, forget, path, asked, writing, wanted=wanted)

    def drop(self, job: str, path: Path | None = None) -> None:
        """Fail the calls of a cancelled job, or of its recording of this path that has failed, as `Reader.drop`."""
        for reader in self._readers:
            reader.drop(job, path)

    def close(self) -> None:
        """End the children, whatever they do."""
        for reader in self._readers:
            reader.close()
        if self._place:
            self._place.close()

    def _free(self) -> Reader:
        """Return the first of the children that have the least to do."""
        return min(self._readers, key=lambda reader: reader.load)

    def _of(self, key: Key) -> Held | None:
        """Return what is held of a recording."""
        name = key[2].manifest if key[2] else ""
        if name and key not in self._held:
            self._held[key] = Held(self._checkpoints.memory(name), self._manifests.memory(name))
        return self._held.get(key)

    def _hold(self, key: Key, future: Future[RunFacts]) -> None:
        """Hold what a look has handed over."""
        if future.exception() is None and (handed := future.result().handed):
            before = self._held.pop(key, Held())
            if before.index:
                before.index.close()
            self._held[key] = replace(before, index=handed)
            known = future.result().known
            if key[2] and key[2].manifest and known:
                self._checkpoints.write(key[2].manifest, handed, known)

    def _write_down(self, job: str, key: Key, arrivals: Arrivals | None) -> bool:
        """Return whether something arrived and is in the manifest; if that cannot be written, children reopen it."""
        if not (arrivals and arrivals.proposed and key[2]):
            return False
        if not self._manifests.add(key[2].manifest, arrivals.proposed):
            self.forget(job, *key)
            return False
        for text in arrivals.said:
            log.warning("%s", text)
        return True

    def _forget(self, key: Key) -> None:
        self._looks.pop(key, None)
        held = self._held.pop(key, None)
        if held:
            held.close()
        if key[2]:
            self._manifests.close(key[2].manifest)


def arrivals_of(future: Future[RunFacts]) -> Arrivals | None:
    """Return what a look found out about what arrived, also if there is nothing to image yet."""
    error = future.exception()
    return getattr(error, "arrivals", None) if error else future.result().arrivals
