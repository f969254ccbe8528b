"""What a directory is on: a disk of this host, or a file system that other hosts share."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = re.compile(r"(nfs4?|cifs|smb3|smbfs|9p|afs|ceph|lustre|gpfs|beegfs|orangefs|pvfs2|glusterfs|fuse\..*)")
"""Types of file systems that are, or may be, on another host: what is in user space (FUSE) mostly is."""


def network_type(path: Path, mounts: str | None = None) -> str:
    """Return the type of a directory's network file system, as "nfs4"; "" if the directory is on none.

    `mounts` is the text of the kernel's table of mounts (proc_pid_mountinfo(5)), by default as it is now.
    """
    place = os.path.realpath(path)
    found, longest = "", -1
    for line in (MOUNTS.read_text() if mounts is None else mounts).splitlines():
        left, _, right = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), left.split()[4])
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:  # of two on one point the later one is seen
            found, longest = right.split()[0], len(point)
    return found if NETWORK.fullmatch(found) else ""
