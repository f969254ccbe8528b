"""Whether this user may read a path, and what would help if not."""

import os
import pwd
import shlex
from contextlib import suppress
from pathlib import Path

from fip.data.errors import InputError

MOUNTS = Path("/proc/self/mountinfo")
PRIVATE = "systemd-private-"  # begin of the name of the folder that a service has as its own /tmp


def check_access(path: Path) -> None:
    """Raise InputError if the path is not there, or if this user may not read it, with what would help.

    What would help opens no more than the table: for a folder on the way to it the right to pass is enough.
    """
    closed = _closed(path)
    if closed is not None and os.path.exists(closed):  # noqa: PTH110 if that may not be asked, it is not there
        user = _user()
        table, passed = shlex.quote(str(path.absolute())), shlex.quote(str(closed))
        way = (
            f"let that user pass it (setfacl -m u:{user}:x {passed}) and " if closed in path.absolute().parents else ""
        )
        raise InputError(
            f"{path}: user {user} may not read {closed}: {way}let that user read the table "
            f"(setfacl -R -m u:{user}:rX {table})"
        )
    if closed is not None:
        raise InputError(f"{path}: no such file or folder{_hidden(path)}")


def _user() -> str:
    """Return the name of this user, or the number if the user has no name."""
    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())


def _hidden(path: Path) -> str:
    """Say what hides a folder for temporary files from a service; "" if the path is in none."""
    with suppress(OSError):
        for line in MOUNTS.read_text().splitlines():
            root, place = line.split()[3:5]
            if PRIVATE in root and path.absolute().is_relative_to(place):
                return (
                    f" that this service sees: it has a {place} of its own (PrivateTmp); put it elsewhere, as in /data"
                )
    return ""


def _closed(path: Path) -> Path | None:
    """Return the first folder on the way, or file of a table, that is not there or closed to this user; else None."""

    def shut(place: Path, how: int) -> bool:
        return not os.access(place, how, effective_ids=True)

    for folder in reversed(path.absolute().parents):
        if shut(folder, os.X_OK):
            return folder if folder.exists() else path
    if shut(path, os.R_OK) or (path.is_dir() and shut(path, os.X_OK)):
        return path
    return next((each for each in path.iterdir() if shut(each, os.R_OK)), None) if path.is_dir() else None
