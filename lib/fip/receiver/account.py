"""What became of each integration of a stream. The spool's index has those that were received. A file beside it has how
many were dropped, so that a receiver that begins again knows which of the others were lost.
"""

import os
import struct
from contextlib import suppress
from dataclasses import dataclass, replace

from fip.spool.writing import SpoolWriter

DROPPED_FILE = "dropped"  # in a spool: the last dump that was dropped, and how many ever were
_DROPPED = struct.Struct("<QQ")


@dataclass(frozen=True)
class Account:
    """What became of all integrations from the first to the last: first + received + lost + dropped = last + 1."""

    first: int = 0
    last: int = -1
    received: int = 0  # committed: something of it came
    lost: int = 0  # nothing of it came
    dropped: int = 0  # could not be kept, or not written

    def after(self, dump: int, received: bool) -> "Account":
        """Return the account with one more, received or dropped; those between it and the last are lost."""
        began = replace(self, first=dump, last=dump - 1) if self.last < 0 else self
        return replace(
            began,
            last=dump,
            lost=began.lost + dump - began.last - 1,
            received=began.received + received,
            dropped=began.dropped + (not received),
        )


class Kept:
    """The account of a spool. The dropped ones stand in a file that has its room from the start: a full disk is the
    reason why integrations are dropped.
    """

    def __init__(self, spool: SpoolWriter) -> None:
        """Raise OSError if the file cannot be written."""
        path = spool.path / DROPPED_FILE
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        told = os.pread(self._file, _DROPPED.size, 0)
        if len(told) < _DROPPED.size:
            os.pwrite(self._file, _DROPPED.pack(0, 0), 0)
            told = _DROPPED.pack(0, 0)
        self.account = _account(spool, *_DROPPED.unpack(told))

    def add(self, dump: int, received: bool) -> Account:
        """Add one integration more, received or dropped; return the new account."""
        self.account = self.account.after(dump, received)
        if not received:
            with suppress(OSError):  # then it will count as lost
                os.pwrite(self._file, _DROPPED.pack(dump, self.account.dropped), 0)
        return self.account

    def close(self) -> None:
        """Close the file of dropped integrations."""
        os.close(self._file)


def _account(spool: SpoolWriter, last_dropped: int, dropped: int) -> Account:
    """Return the account of a spool's index; `dropped` integrations that it does not have were dropped."""
    if spool.first is None or spool.last is None:
        return Account()
    first, last = int(spool.first["dump"][0]), max(int(spool.last["dump"][0]), last_dropped if dropped else 0)
    others = last - first + 1 - spool.committed
    return Account(first, last, spool.committed, lost=max(0, others - dropped), dropped=min(dropped, others))
