"""Whether this user may read a path, and what would help where not."""

import os
import pwd
from pathlib import Path

from fip.data.errors import InputError


def check_access(path: Path) -> None:
    """InputError where the path is not there, or where this user may not read it, with what would help."""
    closed = _closed(path)
    if closed is not None and os.path.exists(closed):  # noqa: PTH110 where that may not be asked, it is not there
        user = pwd.getpwuid(os.geteuid()).pw_name
        raise InputError(
            f"{path}: user {user} may not read {closed}: allow it to that user (setfacl -R -m u:{user}:rX {closed}), "
            f"or to all (chmod -R a+rX {closed})"
        )
    if closed is not None:
        raise InputError(f"{path}: no such file or folder")


def _closed(path: Path) -> Path | None:
    """The first folder on the way, or file of a table, that is not there or not open to this user; else None."""

    def shut(place: Path, how: int) -> bool:
        return not os.access(place, how, effective_ids=True)

    for folder in reversed(path.absolute().parents):
        if shut(folder, os.X_OK):
            return folder if folder.exists() else path
    if shut(path, os.R_OK) or (path.is_dir() and shut(path, os.X_OK)):
        return path
    return next((each for each in path.iterdir() if shut(each, os.R_OK)), None) if path.is_dir() else None
