"""The place of a directory's ledger, if it is not in the directory itself."""

from pathlib import Path

import xxhash

from fip.archive.file_names import LEDGER
from fip.archive.folder import Folder, make_folder


def place_ledger(folder: Folder, ledgers: Path | None) -> None:
    """Make a link in a directory to its ledger in the folder `ledgers`; make that folder if it is missing.

    A directory that has a ledger already keeps it in its place. Raises OSError.
    """
    if ledgers is None or LEDGER in folder.names():
        return
    make_folder(ledgers)
    place = folder.path.resolve()
    digest = xxhash.xxh3_64_hexdigest(str(place).encode())
    folder.symlink(ledgers.resolve() / f"{place.name}-{digest}.sqlite", LEDGER)
