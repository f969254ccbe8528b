"""Where the ledger of a directory is, if it is not in the directory itself."""

from pathlib import Path

import xxhash

from fip.archive.file_names import LEDGER
from fip.archive.folder import Folder, make_folder


def place_ledger(folder: Folder, ledgers: Path | None) -> None:
    """Makes a link in a directory to its ledger in the folder `ledgers`, which is made where it is missing.

    A directory that has a ledger already keeps it where it is. Raises OSError.
    """
    if ledgers is None or LEDGER in folder.names():
        return
    make_folder(ledgers)
    place = folder.path.resolve()
    digest = xxhash.xxh3_64_hexdigest(str(place).encode())
    folder.symlink(ledgers.resolve() / f"{place.name}-{digest}.sqlite", LEDGER)
