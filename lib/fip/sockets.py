"""ZeroMQ sockets with FIP's settings, and its addresses.

Data sockets hold one message or as many as there are credits, never more. Heartbeats are not set on them: under
back pressure they cut healthy connections (docs/decisions/0003).
"""

from __future__ import annotations

import re
import socket as posix
from collections.abc import Iterator

import zmq

from fip.errors import ConfigError
from fip.wire import MAXIMUM_FRAME, MAXIMUM_HEADER

LINGER = 10_000  # ms that an ending worker waits for the sink to take its last image
CONTROL_LINGER = 500  # ms for last words
CONTROL_QUEUE = 1000  # messages; a peer's whole state is a message, so none is missed for long


def control_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    """A ROUTER or DEALER for control, a PUB or SUB for status."""
    opened = _open(context, kind, CONTROL_QUEUE, CONTROL_LINGER, MAXIMUM_HEADER)
    if kind == zmq.SUB:
        opened.subscribe(b"")
    return opened


def data_socket(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, queue: int = 1, linger: int = 0
) -> zmq.Socket[bytes]:
    """A PUSH or PULL for slices or images."""
    opened = _open(context, kind, queue, linger, MAXIMUM_FRAME)
    if kind == zmq.PUSH:
        opened.setsockopt(zmq.IMMEDIATE, 1)
    return opened


def bind(opened: zmq.Socket[bytes], address: str, key: str) -> None:
    """Binds; ConfigError naming the configuration's key where that cannot be."""
    try:
        opened.bind(address)
    except zmq.ZMQError as error:
        raise ConfigError(f"{key}: {address} cannot be bound: {error}") from None


def bind_lane(opened: zmq.Socket[bytes], lanes: str, number: int) -> str:
    """Binds a lane and returns the address that its worker is told (see `reachable`).

    `lanes` is a range of ports, as tcp://127.0.0.1:5600-5699, or the beginning of paths, as ipc:///run/fip/lane-,
    to which `number` is added. Raises ConfigError where no port of the range is free.
    """
    for address in _lane_addresses(lanes, number):
        try:
            opened.bind(address)
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE:
                raise ConfigError(f"ventilator.lanes: {address} cannot be bound: {error}") from None
        else:
            return told(opened.getsockopt_string(zmq.LAST_ENDPOINT))
    raise ConfigError(f"ventilator.lanes: no free port in {lanes}: a worker needs one each; give more ports")


def told(bound: str) -> str:
    """A bound address as it is told to peers: tcp without its host, as a peer reaches it by another name."""
    return re.sub(r"^tcp://.*:", "tcp://:", bound)


def reachable(address: str, dialled: str) -> str:
    """An address that a peer told, seen from here: without a host it is on the host of `dialled`."""
    if not address.startswith("tcp://:"):
        return address
    host = dialled.removeprefix("tcp://").rpartition(":")[0] if dialled.startswith("tcp://") else "127.0.0.1"
    return f"tcp://{host}:{address.removeprefix('tcp://:')}"


def host_name() -> str:
    """This host's short name, as labels on the wire allow it."""
    return re.sub(r"[^A-Za-z0-9._+-]", "-", posix.gethostname().split(".")[0])[:64] or "localhost"


def _open(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, queue: int, linger: int, maximum: int
) -> zmq.Socket[bytes]:
    opened = context.socket(kind)
    opened.set_hwm(queue)
    opened.setsockopt(zmq.LINGER, linger)
    opened.setsockopt(zmq.MAXMSGSIZE, maximum)
    opened.setsockopt(zmq.RECONNECT_IVL, 100)
    opened.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    return opened


def _lane_addresses(lanes: str, number: int) -> Iterator[str]:
    ports = re.fullmatch(r"(tcp://.*):(\d+)-(\d+)", lanes)
    if not ports:
        yield f"{lanes}{number}"
        return
    for port in range(int(ports[2]), int(ports[3]) + 1):
        yield f"{ports[1]}:{port}"
