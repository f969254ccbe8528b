"""Unix sockets within a host, over which descriptors are handed from process to process (unix(7), SCM_RIGHTS).

Both ends must be of one user, as the kernel says it (SO_PEERCRED), whatever the rights of the socket's file are.
"""

import os
import select
import socket
from collections.abc import Sequence
from pathlib import Path

from fip.runtime.sockets import IPC_MODE, process_at, user_at

WAITING = 64  # connections that have not been accepted yet


def listen(path: Path) -> socket.socket:
    """Return a socket that listens at a path, for this user and its group, and never blocks. Raises OSError.

    What a process that is gone has left there is pushed aside; FileExistsError if one listens there.
    """
    if holder := _listener(path):
        raise FileExistsError(f"process {holder} listens there")
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    opened.setblocking(False)
    try:
        path.unlink(missing_ok=True)
        opened.bind(str(path))
        path.chmod(IPC_MODE)
        opened.listen(WAITING)
    except OSError:
        opened.close()
        raise
    return opened


def _listener(path: Path) -> int | None:
    """Return the process that listens at a path; None if none does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return None
        return process_at(probe)


def accept(listening: socket.socket) -> socket.socket | None:
    """Return the next connection, which never blocks either; None if there is none, or it is another user's.

    Raises OSError if this process cannot take one now.
    """
    try:
        opened, _ = listening.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return None
    if user_at(opened) != os.geteuid():
        opened.close()
        return None
    opened.setblocking(False)
    return opened


def connect(path: str, within: float) -> socket.socket:
    """Connect to the process that listens at a path; each call then takes at most so many s. Raises OSError.

    PermissionError if that is another user's.
    """
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        opened.settimeout(within)
        opened.connect(path)
        if user_at(opened) != os.geteuid():
            raise PermissionError(f"user {user_at(opened)} listens there, and this is {os.geteuid()}")
    except OSError:
        opened.close()
        raise
    return opened


def hand(opened: socket.socket, message: bytes, descriptors: Sequence[int]) -> None:
    """Send a message with descriptors. Raises OSError, BlockingIOError if the other end does not read."""
    socket.send_fds(opened, [message], list(descriptors))


def take(opened: socket.socket, longest: int, most: int) -> tuple[bytes, list[int]]:
    """Return the next message, at most so many bytes, with at most so many descriptors; b"" at the end. OSError."""
    message, descriptors, _, _ = socket.recv_fds(opened, longest, most, socket.MSG_CMSG_CLOEXEC)
    return message, descriptors


def is_open(opened: socket.socket) -> bool:
    """Return whether the other end is still there, and has not said what nobody asked for."""
    heard = select.poll()
    try:
        heard.register(opened, select.POLLIN)
    except ValueError:  # it was closed here
        return False
    return not heard.poll(0)
