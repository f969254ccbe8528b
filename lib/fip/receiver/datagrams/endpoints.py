"""The endpoints that packets are sent to, as a person writes them: udp://HOST:PORT."""

import ipaddress
import socket
from typing import Any


def resolved(endpoint: str) -> tuple[socket.AddressFamily, Any]:
    """Return the family of an address and what a socket is given of it. ValueError, of one line, if it is none."""
    host, _, port = endpoint.removeprefix("udp://").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("an address is written as udp://HOST:PORT, and ports go up to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise ValueError(error.strerror) from None
    if ipaddress.ip_address(address[0]).is_multicast:
        raise ValueError("is of a group, and groups are not joined")
    return family, address
