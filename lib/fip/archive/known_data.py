"""What a ledger knows of the data that its images were made of: fingerprints of slices, and hints of their files."""

from fip.archive.ledger_file import LedgerFile
from fip.archive.schema import HINTED
from fip.data.errors import DamagedLedgerError
from fip.data.values import Fingerprint, ImageFile

NUMBERS = {
    "data_weight": ("weight", "1/Jy2"), "data_real": ("real", "1/Jy"), "data_imaginary": ("imaginary", "1/Jy"),
    "data_power": ("power", ""), "data_used": ("used", ""),
}  # fmt: skip
"""The numbers of a slice that are its fingerprint: the field of a `Fingerprint` that each is, and its unit."""


class KnownData:
    """The data of images in the ledger file of this version. Its methods raise NoRoomError and DamagedLedgerError."""

    def __init__(self, file: LedgerFile, version: int) -> None:
        self._file, self._version = file, version

    def hints(self, run: str) -> str | None:
        """How the files of a run's data looked when they were last known to be what is stored; None if unknown."""
        if self._version < HINTED:
            return None
        found = self._file.value("SELECT hints FROM hints WHERE run = ?", (run,))
        return None if found is None else str(found)

    def set_hints(self, run: str, hints: str) -> None:
        """Note that the data of a run, whose files look like this, are what is stored."""
        self._file.write("INSERT OR REPLACE INTO hints VALUES (?, ?)", (run, hints))

    def fingerprints(self, run: str) -> dict[int, Fingerprint]:
        """Return the fingerprints of a run's slices, as they were when stored; only slices with a known one."""
        if self._version < HINTED:  # then none was taken
            return {}
        names = ", ".join(f"'{name}'" for name in NUMBERS)
        query = f"SELECT slice, name, value FROM numbers WHERE run = ? AND name IN ({names}) AND value IS NOT NULL"
        found: dict[int, dict[str, float]] = {}
        for index, name, value in self._file.rows(query, (run,)):
            found.setdefault(index, {})[NUMBERS[name][0]] = value
        try:
            return {index: _fingerprint(**each) for index, each in found.items() if len(each) == len(NUMBERS)}
        except (ValueError, TypeError, OverflowError) as error:
            raise DamagedLedgerError(f"ledger {self._file.path} is damaged: a fingerprint is none: {error}") from None

    def enter(self, image: ImageFile) -> None:
        """Enter the fingerprint of an image's slice, in the transaction of the image."""
        known = image.fingerprint
        if known is not None:
            rows = [
                (image.run, image.index, name, float(getattr(known, field)), unit)
                for name, (field, unit) in NUMBERS.items()
            ]
            self._file.write("INSERT OR REPLACE INTO numbers VALUES (?, ?, ?, ?, ?)", *rows)


def _fingerprint(weight: float, real: float, imaginary: float, power: float, used: float) -> Fingerprint:
    return Fingerprint(float(weight), float(real), float(imaginary), float(power), int(used))
