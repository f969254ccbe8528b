"""Every error that FIP raises on purpose. Each message is one line: what is wrong, in what, and what would do."""

from fip.data.arriving import Arrivals


class FipError(Exception):
    """Something a person can mend. The command line prints it as one line, without a traceback."""

    exit_code = 1


class UsageError(FipError):
    """An option, argument or output directory that cannot be used."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration that does not hold; the message lists every fault at once."""


class InputError(UsageError):
    """A MeasurementSet that is missing, damaged or holds nothing to image."""


class UnreadableError(InputError):
    """What is on disk of a MeasurementSet cannot be read: it is damaged, or it is being written at this moment."""


class LostReaderError(InputError):
    """A process that read a MeasurementSet has died of it, or was ended: it has to be replaced."""


class StoodStillError(LostReaderError):
    """Reading a MeasurementSet stood still, as on a dead disk, and was given up."""


class NotYetError(InputError):
    """A MeasurementSet that is being written and holds nothing yet of what is asked for."""

    arrivals: Arrivals | None = None  # what is known of the parts in which it comes, if it does
    ended: bool | None = None  # whether its writer has said that nothing comes; None if that never says


class LeftTheRingError(InputError):
    """An integration that left the ring of its spool before it was cut: to try again would not help."""


class UserCodeError(FipError):
    """A stage or kernel of a user that failed, or made what cannot be stored; it costs the slice."""


class WireError(FipError):
    """A message from a socket that is not what it claims to be; it is counted, logged and dropped."""


class RefusedError(WireError):
    """A message that cannot be worked with, and whose sender is answered so: another version, or one too many."""


class StoreError(FipError):
    """An image that could not be stored, or an output directory that cannot take it."""


class NoRoomError(StoreError):
    """An image that cannot be stored now and may be later: the disk is full, read-only or gone."""


class DamagedLedgerError(StoreError):
    """A ledger that can be used neither now nor later: it is damaged, or names what no ledger of FIP's does."""


class EmptyLedgerError(StoreError):
    """A ledger in which nothing is yet: somebody is about to make it."""


def first_line(error: Exception) -> str:
    """The first line of what an error says, else its type."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
