"""Addresses of sockets, as a person writes them: tcp://HOST:PORT, or ipc:///PATH."""

import os
from typing import Annotated

from pydantic import AfterValidator

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LONGEST_SOCKET = 107  # bytes, of the path of a socket: unix(7)


def _address(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme not in ("tcp", "ipc") or not rest:
        raise ValueError(f"'{text}' is not an address, as tcp://127.0.0.1:5557 or ipc:///run/fip/control")
    if scheme == "ipc" and len(os.fsencode(rest)) > LONGEST_SOCKET:
        raise ValueError(f"'{text}' is too long: the path of a socket has at most {LONGEST_SOCKET} characters")
    return text


Address = Annotated[str, AfterValidator(_address)]


def is_local(address: str) -> bool:
    """Whether other hosts cannot reach this address."""
    return address.startswith("ipc://") or address.removeprefix("tcp://").rpartition(":")[0] in LOOPBACK
