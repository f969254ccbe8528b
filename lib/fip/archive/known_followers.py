"""What a ledger knows of the followers of its images: how far each was when it was last heard, and its folder."""

from collections.abc import Collection

from fip.archive.ledger_file import LedgerFile
from fip.archive.schema import FOLLOWED
from fip.wire.messages import Followed


class KnownFollowers:
    """The followers in the ledger file of this version. Its methods raise NoRoomError and DamagedLedgerError."""

    def __init__(self, file: LedgerFile, version: int) -> None:
        self._file, self._version = file, version

    def all(self) -> list[Followed]:
        """All that are known, by name and run."""
        if self._version < FOLLOWED:
            return []
        rows = self._file.rows("SELECT name, run, next, needs, folder FROM followers ORDER BY name, run")
        return [Followed(name, "", run, position, needs, folder) for name, run, position, needs, folder in rows]

    def enter(self, followed: Collection[Followed]) -> None:
        """Enter how far followers are."""
        rows = [(each.name, each.run, each.next, each.needs, each.folder) for each in followed]
        if rows:
            self._file.write("INSERT OR REPLACE INTO followers VALUES (?, ?, ?, ?, ?)", *rows)
