"""Images that have come: those of a run that came while the last ones were being stored are stored together."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from fip.data.errors import NoRoomError, StoreError
from fip.data.names import RunId, SliceId
from fip.data.values import ImageFile
from fip.runtime.service import Loop
from fip.runtime.vitals import Vitals
from fip.sink.open_run import OpenRun
from fip.sink.store import Store
from fip.wire.messages import Failure

log = logging.getLogger("fip.sink")

TRY_AGAIN = 1.0  # s between attempts to store images for which there is no room
MOST_IMAGES = 64  # of a group
MOST_BYTES = 32_000_000  # of a group, without its last image
WITHIN = 0.5  # s that a group may take, going by the last one: the sink has a state to say twice a second


class Group:
    """Images that are stored together: as many as came, up to a number and a size."""

    def __init__(self, most: int) -> None:
        self.images: list[ImageFile] = []
        self._most, self._bytes = most, 0
        self._keys: set[SliceId] = set()

    @property
    def full(self) -> bool:
        """Return whether it takes no more."""
        return len(self.images) >= self._most or self._bytes >= MOST_BYTES

    def __contains__(self, image: ImageFile) -> bool:
        """Return whether it has an image of the same slice."""
        return SliceId(image.run, image.index) in self._keys

    def add(self, image: ImageFile) -> None:
        """Add one more image to the group."""
        self.images.append(image)
        self._keys.add(SliceId(image.run, image.index))
        self._bytes += MOST_BYTES if image.written else image.size  # what a worker wrote is the last of its group


class Storing:
    """Stores groups of images; what there is no room for stays in hand, and is tried again."""

    def __init__(
        self,
        loop: Loop,
        vitals: Vitals,
        runs: Callable[[], Mapping[RunId, OpenRun]],
        charged_to: Callable[[OpenRun], AbstractContextManager[None]],
        listen: Callable[[bool], None],
        let_go: Callable[[ImageFile], None],
        changed: Callable[[], None],
    ) -> None:
        """`runs` are those that are open, and `charged_to` ends one of them whose ledger turns out to be damaged.

        `listen` is called with whether more images are to be taken, `let_go` with one that is stored or will not be,
        `changed` when those in hand were tried again.
        """
        self._loop, self._vitals, self._runs, self._charged_to = loop, vitals, runs, charged_to
        self._listen, self._let_go, self._changed = listen, let_go, changed
        self._each = 0.0  # s that an image of the last group took
        self.in_hand: Sequence[ImageFile] = ()
        """Images for which there is no room."""
        self.stalled = ""
        """Why there is none; "" if there is."""

    def group(self) -> Group:
        """Return an empty group, for as many images as can be stored before a message is due."""
        return Group(max(1, min(MOST_IMAGES, int(WITHIN / self._each))) if self._each else MOST_IMAGES)

    def put(self, images: Sequence[ImageFile]) -> None:
        """Store images that are not stored yet. If there is no room, take no others, say so, and try again."""
        begun, left, reason = time.monotonic(), list[ImageFile](), ""
        for name, some in _by_run(images).items():
            run = self._runs().get(name)
            if run and run.store:  # else its job was cancelled since
                with self._charged_to(run):
                    kept, why = self._store(run, run.store, some)
                    left, reason = [*left, *kept], why or reason
        for image in images:
            if image not in left:
                self._let_go(image)
        self._each = (time.monotonic() - begun) / max(1, len(images))
        if left and not self.stalled:
            log.error("%s; waiting until there is room", reason)
            self._vitals.counters["stalls"] += 1
            self._listen(False)
        elif self.stalled and not left:
            log.info("there is room again")
            self._listen(True)
        self.in_hand, self.stalled = left, reason
        if left:
            self._loop.at(time.monotonic() + TRY_AGAIN, self._try_again)

    def fail(self, run: OpenRun, store: Store, *failures: Failure) -> None:
        """Record slices that have no stored image. Raises NoRoomError and DamagedLedgerError."""
        store.ledger.add_failures(failures)
        self._vitals.counters["failures"] += len(failures)
        run.have_failed(failures)

    def _store(self, run: OpenRun, store: Store, images: Sequence[ImageFile]) -> tuple[list[ImageFile], str]:
        """Store images of a run, or record that they cannot be; return those that have no room, and why."""
        begun, left, reason = time.monotonic(), list[ImageFile](), ""
        refused: list[tuple[ImageFile, StoreError]] = []
        for image, fault in zip(images, store.put_all(images), strict=True):
            if fault is None:
                self._was_stored(run, store, image, time.monotonic() - begun)
            elif isinstance(fault, NoRoomError):
                left, reason = [*left, image], str(fault)
            else:
                refused.append((image, fault))
        try:
            if refused:
                failures = [Failure(each.run, each.index, each.attempt, str(fault)) for each, fault in refused]
                self.fail(run, store, *failures)
        except NoRoomError as error:
            left, reason = [*left, *(image for image, _ in refused)], str(error)
        else:
            for _, fault in refused:
                log.error("%s", fault)
        return left, reason

    def _was_stored(self, run: OpenRun, store: Store, image: ImageFile, took: float) -> None:
        """Note that an image is on disk and in the ledger; its group `took` so long, in s."""
        self._vitals.took("store", took)
        self._vitals.took("fsync", store.synced)
        waited = image.seconds.get("wait", 0.0)
        self._vitals.took("wait", waited)
        self._vitals.took("image", sum(image.seconds.values()) - waited)
        log.debug("image %d of run %s was stored in %.3f s", image.index, image.run, took)
        run.was_stored(image)
        self._vitals.counters["images"] += 1
        self._vitals.counters["written"] += bool(image.written)

    def _try_again(self) -> None:
        self.put(self.in_hand)
        self._changed()


def _by_run(images: Sequence[ImageFile]) -> dict[RunId, list[ImageFile]]:
    """Return images by their run, in their order."""
    found: dict[RunId, list[ImageFile]] = {}
    for image in images:
        found.setdefault(image.run, []).append(image)
    return found
