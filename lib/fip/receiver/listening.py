"""The UDP sockets of streams: bound once, and kept by systemd while a receiver is started again."""

import socket
import struct
from typing import Any

from fip.data.errors import ConfigError
from fip.receiver.part import Buffers
from fip.runtime.kept_sockets import keep, kept, let_go

_MEMINFO, _DROPS = 55, 8  # SO_MEMINFO, and the index of drops in it: socket(7), linux/sock_diag.h
_LARGEST_BUFFER = (1 << 30) - 1  # bytes: the kernel takes twice that


def bound(endpoint: str, family: socket.AddressFamily, address: Any, buffer: int) -> socket.socket:
    """Return a socket at an endpoint, "udp://HOST:PORT"; `address` is the same as `bind` of a socket takes it.

    If systemd kept the socket of the process before, return that one, with the packets that came since; else a new one.
    Ask the kernel for `buffer` bytes; if HOST is an IPv4 group, join it. OSError or OverflowError if there can be no
    such socket.
    """
    if found := _kept(endpoint, address):
        _ask(found, buffer)
        return found
    found = socket.socket(family, socket.SOCK_DGRAM)
    try:
        _ask(found, buffer)
        if group := family == socket.AF_INET and 224 <= int(str(address[0]).partition(".")[0]) < 240:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        if group:
            membership = socket.inet_aton(str(address[0])) + socket.inet_aton("0.0.0.0")
            found.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except (OSError, OverflowError):
        found.close()
        raise
    keep(endpoint, found)
    return found


def unusable(endpoint: str, error: Exception) -> ConfigError:
    """Return the error for an endpoint that cannot be had."""
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ConfigError(f"receiver.listen: {endpoint}: {why}; give an address of this host, and a port that is free")


def buffers_of(found: socket.socket, asked: int) -> Buffers:
    """Return the bytes asked of the kernel for a socket, and what it gave without the half for its own use. OSError."""
    got = found.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    counts = found.getsockopt(socket.SOL_SOCKET, _MEMINFO, 64)
    return Buffers(asked, got, struct.unpack_from("I", counts, 4 * _DROPS)[0])


def _kept(endpoint: str, address: Any) -> socket.socket | None:
    """Return the socket that systemd kept, if it is still at this address."""
    found = kept(endpoint)
    if found and (found.type != socket.SOCK_DGRAM or found.getsockname()[:2] != address[:2]):
        found.close()
        let_go(endpoint)
        return None
    return found


def _ask(found: socket.socket, buffer: int) -> None:
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, min(buffer, _LARGEST_BUFFER))
