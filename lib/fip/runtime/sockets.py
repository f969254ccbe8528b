"""ZeroMQ sockets with FIP's settings, and its addresses.

Data sockets hold one message or as many as there are credits, never more. Heartbeats are not set on them: under
back pressure they cut healthy connections (docs/decisions/0003).
"""

import os
import re
import socket as posix
import struct
from contextlib import suppress
from pathlib import Path

import zmq

from fip.data.addresses import LOOPBACK, is_local
from fip.data.errors import ConfigError, WireError
from fip.data.names import label
from fip.layout.keys import PrivateKey
from fip.wire.codec import MAXIMUM_FRAME, MAXIMUM_HEADER

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
LINGER = 10_000  # ms that an ending worker waits for the sink to take its last image
CONTROL_LINGER = 500  # ms for last words
_NAMED_HOST = re.compile(r"^tcp://(?!localhost:)(?=[^:]*[A-Za-z])[A-Za-z0-9._-]+:")
CONTROL_HEARTBEAT, CONTROL_SILENCE = 1000, 5000  # ms: a daemon whose ventilator cannot be reached is to know it
CONNECT_WITHIN = 3000  # ms for a connection to come about, before it is tried again
IPC_MODE = 0o660  # of the files of sockets: their folder, too, says who may join
CONTROL_QUEUE = 100  # messages from a peer, and to the ventilator
TOLD_QUEUE = 8  # messages to a peer that does not read them; each is of all that there is, so none is missed for long


def control_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    """Make a ROUTER or DEALER for control, a PUB or SUB for status."""
    opened = _open(context, kind, CONTROL_QUEUE, CONTROL_LINGER, MAXIMUM_HEADER)
    if kind == zmq.ROUTER:
        opened.setsockopt(zmq.SNDHWM, TOLD_QUEUE)
    if kind == zmq.PUB:
        opened.setsockopt(zmq.CONFLATE, 1)  # who does not keep up gets the newest, and nothing older is kept
    if kind == zmq.SUB:
        opened.subscribe(b"")
    if kind == zmq.DEALER:
        opened.setsockopt(zmq.HEARTBEAT_IVL, CONTROL_HEARTBEAT)
        opened.setsockopt(zmq.HEARTBEAT_TIMEOUT, CONTROL_SILENCE)
    return opened


def data_socket(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, queue: int = 1, linger: int = 0
) -> zmq.Socket[bytes]:
    """Make a PUSH or PULL for slices or images."""
    opened = _open(context, kind, queue, linger, MAXIMUM_FRAME)
    if kind == zmq.PUSH:
        opened.setsockopt(zmq.IMMEDIATE, 1)
    return opened


def bind(opened: zmq.Socket[bytes], address: str, key: str, guarded: bool) -> str:
    """Bind, and return the address as peers see it; `key` is the setting's name in the configuration.

    A host's name is bound on all interfaces: it is how others reach this host, and here often a loopback address. The
    file of one of ipc is for its user and group. Raises ConfigError if the address is open to whoever reaches it and
    not `guarded`, or if it cannot be bound.
    """
    if not guarded and exposed(address):
        reach = "all users of this host" if is_local(address) else "other hosts"
        raise ConfigError(
            f"{key}: '{address}' is open to {reach}, without keys; make keys with `fip keys`, use ipc as "
            "ipc:///run/fip/NAME, or set security.insecure = true where you trust all who reach it"
        )
    if holder := _holder(address):
        raise ConfigError(f"{key}: {address} is in use by process {holder}; this is process {os.getpid()}: stop one")
    try:
        opened.bind(_NAMED_HOST.sub("tcp://*:", address))
    except zmq.ZMQError as error:
        raise ConfigError(f"{key}: {address} cannot be bound: {error.strerror}") from None
    if not exposed(address):
        with suppress(FileNotFoundError):  # as in a simulation
            Path(address.removeprefix("ipc://")).chmod(IPC_MODE)
    bound = opened.getsockopt_string(zmq.LAST_ENDPOINT)
    return re.sub(r"^tcp://.*:", "tcp://:", bound)  # without the host, which a peer reaches by another name


def _holder(address: str) -> int | None:
    """Return the process that listens at an address of ipc, which ZeroMQ would push aside; None if none does."""
    if not address.startswith("ipc://"):
        return None
    with posix.socket(posix.AF_UNIX, posix.SOCK_STREAM) as probe:
        try:
            probe.connect(address.removeprefix("ipc://"))
        except OSError:
            return None
        return process_at(probe)


def process_at(connection: posix.socket) -> int:
    """Return the process at the other end of a connection within this host (SO_PEERCRED, unix(7))."""
    return _credentials(connection)[0]


def user_at(connection: posix.socket) -> int:
    """Return the user of that process at the time when it connected or began to listen."""
    return _credentials(connection)[1]


def _credentials(connection: posix.socket) -> tuple[int, int]:
    process, user, _ = _CREDENTIALS.unpack(
        connection.getsockopt(posix.SOL_SOCKET, posix.SO_PEERCRED, _CREDENTIALS.size)
    )
    return process, user


def connect(opened: zmq.Socket[bytes], address: str, key: PrivateKey | None, server: str) -> None:
    """Connect. If the address is `exposed` and a key is given, encrypt, and accept only the holder of the key `server`.
    Raises WireError if the address is no address, or a key no key: both may come from a peer.
    """
    try:
        if key and server and exposed(address):
            opened.curve_publickey, opened.curve_secretkey = key.public.encode(), key.secret.encode()
            opened.curve_serverkey = server.encode()
        opened.connect(address)
    except (zmq.ZMQError, ValueError) as error:
        raise WireError(f"{address!r:.200} cannot be connected to: {getattr(error, 'strerror', error)}") from None


def receive(opened: zmq.Socket[bytes]) -> list[zmq.Frame]:
    """Return the message that has come to a socket of ours that others join, as frames; none if none has come.

    Such a socket is also readable when an encrypted peer has sent only the name that ZeroMQ puts before its first
    message.
    """
    try:
        return opened.recv_multipart(zmq.NOBLOCK, copy=False)
    except zmq.Again:
        return []


def reaches(router: zmq.Socket[bytes], route: bytes, probe: bytes) -> bool:
    """Return whether a peer of a ROUTER is still connected; send it `probe`, unless much waits for it already.

    The connection of a process that is gone goes with it, unless its host is gone, too, or cut off.
    """
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    try:
        router.send_multipart([route, probe], zmq.NOBLOCK)
    except zmq.Again:
        return True
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:
            raise
        return False
    finally:
        router.setsockopt(zmq.ROUTER_MANDATORY, 0)
    return True


def waits(opened: zmq.Socket[bytes]) -> bool:
    """Return whether another message has come."""
    return bool(int(opened.getsockopt(zmq.EVENTS)) & int(zmq.POLLIN))


def takes(opened: zmq.Socket[bytes]) -> bool:
    """Return whether a message can be sent now."""
    return bool(int(opened.getsockopt(zmq.EVENTS)) & int(zmq.POLLOUT))


def exposed(address: str) -> bool:
    """Return whether keys guard this address; the rights of its file guard one of ipc, which is not encrypted."""
    return not address.startswith("ipc://")


def why_closed(address: str) -> str:
    """Return why this process may not join a socket of ipc that may be there; "" if it may."""
    place = Path(address.removeprefix("ipc://"))
    if exposed(address):
        return ""
    with posix.socket(posix.AF_UNIX, posix.SOCK_STREAM) as probe:
        try:
            probe.connect(str(place))
        except PermissionError:
            group = next(each.group() for each in (place, *place.parents) if _is_there(each))
            return f"it is for the group {group}: `sudo usermod -aG {group} $USER`, and log in again"
        except OSError:
            return ""
    return ""


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def lane_addresses(lanes: str, number: int) -> list[str]:
    """Return the addresses at which the lane of a worker may be bound.

    `lanes` is a range of ports, as tcp://127.0.0.1:5600-5699, or the beginning of paths, as ipc:///run/fip/lane-,
    to which `number` is added.
    """
    ports = re.fullmatch(r"(tcp://.*):(\d+)-(\d+)", lanes)
    if not ports:
        return [f"{lanes}{number}"]
    return [f"{ports[1]}:{port}" for port in range(int(ports[2]), int(ports[3]) + 1)]


def reachable(address: str, dialled: str) -> str:
    """Return an address that a peer sent, seen from here: without a host it is on the host of `dialled`."""
    if not address.startswith("tcp://:"):
        return address
    host = dialled.removeprefix("tcp://").rpartition(":")[0] if dialled.startswith("tcp://") else "127.0.0.1"
    return f"tcp://{host}:{address.removeprefix('tcp://:')}"


def seen_from_workers(address: str, peer: str) -> str:
    """Return a sink's address as its workers see it; `peer` is the host that the ventilator sees the sink at, or ""."""
    return address if peer in ("", *LOOPBACK, "::1") else reachable(address, f"tcp://{peer}:0")


def peer_host(frame: zmq.Frame) -> str:
    """Return the host that a frame came from, as ZeroMQ saw it; "" over ipc (there: localhost:USER:GROUP:PROCESS)."""
    try:
        address = str(frame.get("Peer-Address"))
    except zmq.ZMQError:
        return ""
    return "" if address.startswith("localhost:") else address


def host_name() -> str:
    """Return this host's short name, as labels on the wire allow it."""
    return label(posix.gethostname().split(".")[0])


def _open(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, queue: int, linger: int, maximum: int
) -> zmq.Socket[bytes]:
    opened = context.socket(kind)
    opened.set_hwm(queue)
    opened.setsockopt(zmq.LINGER, linger)
    opened.setsockopt(zmq.MAXMSGSIZE, maximum)
    opened.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_WITHIN)  # of a door that is shut nobody says so (fip.runtime.door)
    opened.setsockopt(zmq.RECONNECT_IVL, 100)
    opened.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    return opened
