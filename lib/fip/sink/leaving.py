"""Directories that are used no more: each is concluded, and then closed."""

import time
from collections.abc import Callable, Collection, Set

from fip.data.errors import NoRoomError, StoreError
from fip.sink.store import Store

LEAVE_WITHIN = 60.0  # s that a directory whose run is over is tried to be concluded


class Leaving:
    """Those of a sink's stores that are used no more, and until when they are tried."""

    def __init__(self, stores: dict[str, Store], warn: Callable[[str], None]) -> None:
        """`stores` are all, by their folders; one that is closed is taken out."""
        self._stores, self._warn = stores, warn
        self._until: dict[str, float] = {}  # monotonic s

    @property
    def names(self) -> Set[str]:
        """Return the names of those that leave."""
        return self._until.keys()

    def all_but(self, used: Collection[str]) -> None:
        """Let all directories leave except these, which are used."""
        new = self._stores.keys() - set(used) - self._until.keys()
        self._until = {name: until for name, until in self._until.items() if name not in used}
        self._until |= dict.fromkeys(new, time.monotonic() + LEAVE_WITHIN)
        if new:
            self.go_on()

    def go_on(self) -> None:
        """Close what leaves; if it cannot be concluded now (a busy ledger), try again for a while."""
        for name, until in list(self._until.items()):
            store = self._stores[name]
            try:
                store.conclude()
            except NoRoomError as error:
                if time.monotonic() < until:
                    self._warn(f"{error}; trying again")
                    continue
            except StoreError:
                pass  # `close` reports it
            self._stores.pop(name).close(tries=1)
            del self._until[name]
