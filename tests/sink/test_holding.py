"""Images that are due to expire are held for a follower that has not seen them, within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.sink.store import Store
from fip.wire.messages import Followed
from support.set_clock import SetClock
from support.smallest_images import PLAN, TWO, image, kept

COUNT = 6
BOUND = 3600.0  # s


@dataclass
class Held:
    """A store that keeps two images, and holds others for the follower "mean"; the disk is as free as `free` says."""

    directory: Path
    free: list[float] = field(default_factory=lambda: [0.5])
    hands: SetClock = field(default_factory=SetClock)

    def open(self, *followers: str) -> Store:
        """Open the store with these followers."""
        free = self.free

        class Disk(Folder):
            def free(self) -> float:
                return free[0]

        store = Store(self.directory, TWO, open_folder=Disk, clock=self.hands.clock)
        assert store.open_run(PLAN) == ""
        store.hold(dict.fromkeys(followers, BOUND))
        return store


def filled(store: Store) -> Store:
    """The store with all images."""
    for index in range(COUNT):
        store.put(image(index))
    return store


def at(position: int, needs: int | None = None) -> Sequence[Followed]:
    """How far the follower is."""
    return [Followed("mean", "job", "run", position, position if needs is None else needs, "/var/lib/x")]


def test_what_a_follower_has_not_seen_does_not_expire(tmp_path: Path) -> None:
    """All stays that it would have to see, also again; what it has seen goes as if there were no follower."""
    store = filled(Held(tmp_path).open("mean"))
    assert store.expire() == 0
    store.hear(at(3, needs=1))
    assert store.expire() == 1
    assert kept(tmp_path) == [1, 2, 3, 4, 5]
    store.hear(at(COUNT))
    assert store.expire() == COUNT - 3
    assert store.gone_unseen() == 0
    store.close()


def test_of_a_backlog_is_held_what_a_follower_has_not_seen_of_it(tmp_path: Path) -> None:
    """It counts how far a follower is in that series; as long as it has not said so, it has seen none."""
    store = Held(tmp_path).open("mean")
    for index in (0, 1):
        store.put(image(index))
    assert store.open_run(replace(PLAN, backlog=((2, 4),))) == ""
    for index in (4, 2, 3, 5):
        store.put(image(index))
    store.hear(at(COUNT))
    assert store.expire() == 3
    assert kept(tmp_path) == [2, 3, 5], "it has seen 0, 1 and 4, and nothing is known of the backlog"
    store.hear([replace(each, backlog=(3, 3)) for each in at(COUNT)])
    assert store.expire() == 1
    assert kept(tmp_path) == [3, 5]
    assert store.gone_unseen() == 0
    store.close()


def test_nothing_is_held_without_a_bound_or_beyond_it(tmp_path: Path) -> None:
    """What expires unseen is counted."""
    held = Held(tmp_path / "held")
    store = filled(held.open("mean"))
    assert store.expire() == 0
    held.hands.seconds += 0.9 * BOUND
    assert store.expire() == 0
    held.hands.seconds += 0.2 * BOUND
    assert store.expire() == COUNT - 2
    assert store.gone_unseen() == COUNT - 2
    assert store.gone_unseen() == 0
    store.close()
    store = filled(Held(tmp_path / "free").open())
    store.hear(at(2))
    assert store.expire() == COUNT - 2
    assert store.gone_unseen() == COUNT - 4
    store.close()


def test_nothing_is_held_while_the_disk_is_nearly_full(tmp_path: Path) -> None:
    """Storing images goes before holding them."""
    held = Held(tmp_path)
    store = filled(held.open("mean"))
    held.free[0] = 0.06
    assert store.expire() == 0
    held.free[0] = 0.04
    assert store.expire() == COUNT - 2
    store.close()


def test_the_ledger_knows_how_far_a_follower_is_and_its_folder(tmp_path: Path) -> None:
    """So a sink that was started again holds what the one before did, whether or not the follower is heard."""
    held = Held(tmp_path)
    store = filled(held.open("mean"))
    store.hear(at(3))
    store.close()
    ledger = Ledger(tmp_path, read_only=True)
    assert ledger.followers.all() == [Followed("mean", "", "run", 3, 3, "/var/lib/x")]
    ledger.close()
    store = held.open("mean")
    assert store.expire() == 0
    assert kept(tmp_path) == [3, 4, 5]
    store.close()


def test_the_free_share_of_a_disk_is_a_share(tmp_path: Path) -> None:
    """The kernel gives the share of the file system of a directory."""
    folder = Folder(tmp_path)
    assert 0.0 < folder.free() < 1.0
    folder.close()
