"""Who may join a daemon's sockets and say what. Without a key it lets in whoever reaches them.

With one, sockets are encrypted (CURVE, of ZeroMQ), ZeroMQ asks about each peer's key (ZAP, RFC 27; answered in the
daemon's loop), and each message must be of a sender whose role it becomes. Who is refused is counted, and logged.
"""

import logging
import time
from collections.abc import Mapping
from typing import Final

import zmq
from zmq.utils import z85

from fip.config import Security
from fip.data.addresses import is_local
from fip.data.errors import RefusedError, WireError
from fip.layout.keys import Allowed, Holder, Role, private_key, read_allowed
from fip.runtime.door import HANDSHAKE_WITHIN, JUNK, LIMITS, REFUSAL, Door
from fip.runtime.service import Loop
from fip.runtime.sockets import bind, connect, exposed, peer_host
from fip.runtime.vitals import Vitals
from fip.wire.messages import (
    Ask,
    Cancel,
    FollowerState,
    SinkBrief,
    SinkState,
    Submit,
    Vet,
    WorkerBrief,
    WorkerState,
)
from fip.wire.receiving import ReceiverBrief, ReceiverState
from fip.wire.tickets import ticket_secret

log = logging.getLogger("fip")

ALLOWED_AT: Final[dict[str, tuple[Role, ...]]] = {
    "ventilator.control": ("worker", "sink", "follower", "receiver", "operator", "viewer"),
    "ventilator.status": ("operator", "viewer"),
    "ventilator.lanes": ("worker",),
    "sink.images": ("worker",),
}
"""Which roles each socket is for, by the configuration's key of its address."""

SAID_BY: Final[Mapping[type, tuple[Role, ...]]] = {
    WorkerBrief: ("worker",),
    WorkerState: ("worker",),
    SinkBrief: ("sink",),
    SinkState: ("sink",),
    FollowerState: ("follower",),
    ReceiverBrief: ("receiver",),
    ReceiverState: ("receiver",),
    Submit: ("operator",),
    Cancel: ("operator",),
    Vet: ("operator",),
    Ask: ("operator", "viewer"),
}
"""What the ventilator hears on its control socket, and which roles may say it."""

DATA = ("ventilator.lanes", "sink.images")
_ZAP = "inproc://zeromq.zap.01"
_VERSION = b"1.0"


class Gate:
    """The key of one daemon, and what it lets in."""

    def __init__(self, loop: Loop, security: Security, role: Role, vitals: Vitals) -> None:
        """Raise ConfigError for a key, or a list of those allowed, that cannot be used."""
        self._security, self._vitals = security, vitals
        self._key = private_key(security, role)
        self._allowed: Allowed = {}
        self._encrypted: dict[str, bool] = {}  # of the sockets that are bound
        self._doors: dict[str, Door] = {}  # of those that were bound last
        self._at = loop.at
        self._joined = self._key is not None and role in ("ventilator", "sink")  # by others, with keys
        if self._joined:
            self._allowed = read_allowed(security.allowed)
            self._zap = loop.context.socket(zmq.REP)
            self._zap.bind(_ZAP)
            loop.on(self._zap, self._answer)
        log.info("key: %s", Holder(self._key.role, self._key.host) if self._key else "none, so nothing is encrypted")

    @property
    def ventilator(self) -> str:
        """Return the ventilator's public key, as this daemon's key file names it; "" without keys."""
        return self._key.ventilator if self._key else ""

    @property
    def host(self) -> str:
        """Return the host of this daemon's key; "" without keys."""
        return self._key.host if self._key else ""

    def key_at(self, at: str) -> str:
        """Return the public key of this daemon's socket of this name, for its peers; "" if it is not encrypted."""
        return self._key.public if self._key and self._encrypted.get(at) else ""

    def bind(self, opened: zmq.Socket[bytes], address: str, at: str, host: str = "") -> str:
        """Bind a socket of `ALLOWED_AT`, report its connections, and return its address as peers see it.

        With `host` it is for the keys of that host alone. Raises ConfigError.
        """
        plain = not self._key or not exposed(address) or (self._security.data == "plain" and at in DATA)
        if plain and not is_local(address) and at not in self._encrypted:
            log.warning("%s: %s is open to other hosts, and not encrypted", at, address)
        self._encrypted[at] = not plain
        if self._key and not plain:
            opened.rcvhwm += 1  # the name before a peer's first message is counted, and is never counted as read
            opened.curve_server = True
            opened.curve_secretkey = self._key.secret.encode()
            opened.zap_domain = f"{at} {host}".strip().encode()
        self._doors[at] = door = Door(LIMITS[at], address, self._at)
        opened.handshake_ivl = HANDSHAKE_WITHIN
        self._vitals.watch(at.rpartition(".")[2], opened, door)
        return bind(opened, address, at, self._security.insecure or self._key is not None)

    def connect(self, opened: zmq.Socket[bytes], address: str, server: str) -> None:
        """Connect; encrypt if the peer has a public key, `server`."""
        connect(opened, address, self._key, server)

    @property
    def ticket_secret(self) -> bytes:
        """Return what lease tickets are made with at the ventilator: it follows from its key; b"" without one."""
        return ticket_secret(self._key.secret if self._key else "")

    def hears(self, frame: zmq.Frame, at: str) -> bool:
        """Return whether to read a message to a socket: not from one who was refused too often recently."""
        connection = _connection(frame)
        hears = connection < 0 or self._doors[at].hears(connection, time.monotonic())
        for each in () if hears else ("bad_messages", "unread"):
            self._vitals.counters[each] += 1
        return hears

    def refuse(self, frame: zmq.Frame, at: str, sender: str, error: WireError) -> None:
        """Refuse a message to a socket: count it, log it with its sender, and hold it against the sender."""
        host = peer_host(frame)
        self._vitals.bad_message(f"{sender}{f' at {host}' if host else ''}", error)
        amount = REFUSAL if isinstance(error, RefusedError) else JUNK
        self._doors[at].refuse(_connection(frame), amount, time.monotonic())

    def check(self, frame: zmq.Frame, at: str, *roles: Role) -> str:
        """Return the host whose key a message came with; "" if the socket is not encrypted.

        Raises WireError for a message whose sender has none of these roles.
        """
        if not self.key_at(at):
            return ""
        key = str(frame.get("User-Id"))
        holder = self._allowed.get(key)
        if holder is None:
            raise WireError(f"its key {key} is not allowed any more")
        if holder.role not in roles:
            raise WireError(f"the {holder} may not say this, which is for a {' or '.join(roles)}")
        return holder.host

    def check_host(self, key: str, host: str) -> None:
        """Raise WireError if a worker on `host` has a key of its own, and speaks with that of another host, `key`."""
        if key not in ("", host) and Holder("worker", host) in self._allowed.values():
            raise WireError(f"the {Holder('worker', key)} may not speak for {host}, which has one of its own")

    def reload(self) -> None:
        """Read the list of those who are allowed again. Raises ConfigError, and then keeps the old list."""
        if self._joined:
            self._allowed = read_allowed(self._security.allowed)

    def _answer(self) -> None:
        """Answer ZeroMQ's question whether a peer may join (RFC 27); the reason is known here, not at its monitor."""
        version, request, domain, address, _, mechanism, *credentials = self._zap.recv_multipart()
        at, _, host = domain.decode().partition(" ")
        key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" else ""
        holder = self._allowed.get(key)
        welcome = (
            version == _VERSION
            and holder is not None
            and holder.role in ALLOWED_AT.get(at, ())
            and host in ("", holder.host)
        )
        if not welcome:
            reason = f"a {holder} is not for this socket" if holder else "its key is not allowed"
            socket, peer = at.rpartition(".")[2], f"tcp://{address.decode()}"
            self._vitals.connection(socket, "handshake failed", peer, reason)
        status, user = (b"200", key.encode()) if welcome else (b"400", b"")
        self._zap.send_multipart([_VERSION, request, status, b"", user, b""])


def _connection(frame: zmq.Frame) -> int:
    """Return the descriptor of the connection that a message came over."""
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return -1
