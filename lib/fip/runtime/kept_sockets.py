"""Sockets that systemd keeps while a daemon is away, with what comes to them meanwhile.

A daemon gives each of them to systemd by name, and the next life of it is given them (sd_pid_notify_with_fds(3),
`FileDescriptorStoreMax=` in systemd.service(5)). If no systemd started the daemon, or its unit keeps none, none are.
"""

import os
import re
import socket
from contextlib import closing
from functools import cache

from fip.runtime.notify import Notifier

FIRST = 3  # of the descriptors that are given, which follow each other: SD_LISTEN_FDS_START
_LONGEST = 200  # characters of a name; systemd takes 255


def keep(label: str, found: socket.socket) -> None:
    """Let systemd keep a socket, under a name made of `label`, until it is let go or the unit is stopped."""
    _tell(f"FDSTORE=1\nFDPOLL=0\nFDNAME={_name(label)}", found.fileno())


def kept(label: str) -> socket.socket | None:
    """Return the socket of this label that systemd kept from the life before, once; None if there is none."""
    descriptor = _given().pop(_name(label), None)
    return None if descriptor is None else socket.socket(fileno=descriptor)


def let_go(label: str) -> None:
    """Let systemd keep the socket of this label no longer."""
    _tell(f"FDSTOREREMOVE=1\nFDNAME={_name(label)}")


def let_others_go() -> None:
    """Do the same for all that were kept and that nobody asked for."""
    given = _given()
    while given:
        name, descriptor = given.popitem()
        os.close(descriptor)
        let_go(name)


def _tell(message: str, *descriptors: int) -> None:
    with closing(Notifier()) as systemd:
        systemd.tell(message, descriptors=descriptors)


@cache
def _given() -> dict[str, int]:
    """Return the descriptors that this process was given, by name, without those that were given out."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found = {name: FIRST + number for number, name in enumerate(names[: int(os.environ.get("LISTEN_FDS", "0"))])}
    for descriptor in found.values():
        os.set_inheritable(descriptor, False)
    return found


def _name(label: str) -> str:
    """Return a label as systemd takes it: a colon would part two names."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", label)[:_LONGEST]
