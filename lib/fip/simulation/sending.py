"""The edge to the network: a simulated observation is sent as a stream, no faster than is asked for."""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.receiver.datagrams.encoding import end_packet, packets
from fip.simulation.observed import Observed
from fip.simulation.plan import Simulation
from fip.simulation.streamed import arrays_of, setup_of, time_of
from fip.spool.layout import file_size
from fip.spool.setup import SETUP, Setup

_SPREAD = 0.5  # of the time from one integration to the next in which its packets are sent, unless a rate is given
_ENDS = 3  # times that the end is told, as a packet may be lost
_BURST = 1 << 16  # bytes between two looks at the clock


class Datagrams:
    """FIP's own packets, to all endpoints in turn."""

    def __init__(self, setup: Setup, endpoints: Sequence[tuple[str, int]], rate: float) -> None:
        """`endpoints` (host, port); `rate` in bytes/s of all together. UsageError for a host that is not known."""
        self._setup, self._rate = setup, rate
        self._sockets = [_connected(*each) for each in endpoints]
        self.unheard = 0  # packets that came to a port at which nobody listened, of those that were told

    def send(self, dump: int, time: float, found: Mapping[str, NDArray[Any]]) -> None:
        """One, of the first target, by the names of `fip.spool.layout.sections`; `time` is its middle, s UTC, Unix."""
        pace = Pace(self._rate)
        for packet, to in zip(packets(self._setup, dump, time, 0, found), cycle(self._sockets), strict=False):
            self._send(to, packet)
            pace.wait(len(packet))

    def end(self) -> None:
        """Says that no more comes, some times over."""
        for _ in range(_ENDS):
            for number, to in enumerate(self._sockets):
                self._send(to, end_packet(self._setup, number, len(self._sockets)))

    def close(self) -> None:
        """Lets go of the sockets."""
        for each in self._sockets:
            each.close()

    def _send(self, to: socket.socket, packet: bytes | memoryview) -> None:
        try:
            to.send(packet)
        except ConnectionRefusedError:  # what an earlier one met with; this one was not sent
            self.unheard += 1
            with suppress(ConnectionRefusedError):
                to.send(packet)


class Pace:
    """Waits so long that no more than so many bytes/s are sent, since it was made."""

    def __init__(self, rate: float) -> None:
        self._rate, self._begun, self._sent, self._next = rate, time.monotonic(), 0, _BURST

    def wait(self, sent: int) -> None:
        """After so many bytes more."""
        self._sent += sent
        if self._sent >= self._next:
            self._next = self._sent + _BURST
            time.sleep(max(0.0, self._begun + self._sent / self._rate - time.monotonic()))


def stream_observation(
    simulation: Simulation,
    endpoints: Sequence[tuple[str, int]],
    rate: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Sends all integrations, and the end, to (host, port); returns how often it was told that nobody listened there.

    Each goes when it is over, counted from now, its packets spread over half the time to the next; or with a `rate`
    (bytes/s) at once, and no faster. UsageError for a host that is not known.
    """
    observed = Observed(simulation)
    setup, begun = setup_of(observed), time.monotonic()
    with closing(Datagrams(setup, endpoints, rate or file_size(setup) / (_SPREAD * simulation.cadence))) as sending:
        for integration in range(simulation.integrations):
            found = arrays_of(observed, integration)
            if rate is None:
                time.sleep(max(0.0, begun + (integration + 1) * simulation.cadence - time.monotonic()))
            sending.send(integration, time_of(simulation, integration), found)
            if progress:
                progress(integration + 1, simulation.integrations)
        sending.end()
        return sending.unheard


def write_setup(path: Path, simulation: Simulation, *, overwrite: bool = False) -> None:
    """The set-up of the stream, as JSON. UsageError if it cannot be written, or another is there and is not to go."""
    text = SETUP.dump_json(setup_of(Observed(simulation)), indent=1) + b"\n"
    try:
        if path.exists() and not overwrite and path.read_bytes() != text:
            raise UsageError(f"{path} exists and is of another stream: choose another name, or --overwrite")
        path.write_bytes(text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def parse_endpoints(text: str) -> tuple[tuple[str, int], ...]:
    """(host, port) of each of udp://HOST:PORT[,...]. ValueError."""
    found = []
    for each in text.split(","):
        host, _, port = each.strip().removeprefix("udp://").rpartition(":")
        if not (each.strip().startswith("udp://") and host and port.isdecimal() and 0 < int(port) < 1 << 16):
            raise ValueError(f"'{each:.100}' is no address to send packets to, as udp://127.0.0.1:7148")
        found.append((host.strip("[]"), int(port)))
    return tuple(found)


def _connected(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        made = socket.socket(family, kind, protocol)
        made.connect(address)
    except OSError as error:
        raise UsageError(f"--stream udp://{host}:{port}: {error.strerror or error}") from None
    return made
