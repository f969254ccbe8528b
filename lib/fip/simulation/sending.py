"""The edge to the network: a simulated observation is sent as a stream, no faster than is asked for."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.receiver.datagrams.encoding import packets
from fip.receiver.datagrams.sending import Sender
from fip.receiver.meerkat.heap import Shape
from fip.simulation.observed import Observed
from fip.simulation.plan import Simulation
from fip.simulation.streamed import arrays_of, dump_of, setup_of, time_of
from fip.simulation.telstate import SYNC_TIME, channels_per_heap, telstate_of
from fip.spool.layout import file_size
from fip.spool.setup import SETUP

Format = Literal["fip", "meerkat-l0"]
_SPREAD = 0.5  # of the time from one integration to the next in which its packets are sent, unless a rate is given
_SLOWEST = 1e6  # bytes/s of a heap: spead2 sends 64 kB at a time, and who hears nothing for 0.3 s takes what there is


class Sending(Protocol):
    """A place to which integrations are sent."""

    def send(self, dump: int, time: float, found: Mapping[str, NDArray[Any]]) -> None:
        """One, by the names of `fip.spool.layout.sections`; `time` is its middle, s UTC, Unix."""

    def end(self) -> int:
        """Say that no more comes, and let go; return how often the system answered that nobody listened."""


class Datagrams:
    """FIP's own packets, to all endpoints in turn."""

    def __init__(self, observed: Observed, endpoints: Sequence[str], rate: float) -> None:
        """`rate` in bytes/s. UsageError for a host that is not known."""
        self._setup = setup_of(observed)
        self._senders = [Sender(each, self._setup, rate=rate / len(endpoints)) for each in endpoints]

    def send(self, dump: int, time: float, found: Mapping[str, NDArray[Any]]) -> None:
        """Send one integration, as `Sending` says."""
        for packet, sender in zip(packets(self._setup, dump, time, 0, found), cycle(self._senders), strict=False):
            sender.send_packet(packet)

    def end(self) -> int:
        """Send the end, as `Sending` says."""
        for number, sender in enumerate(self._senders):
            with sender:
                sender.end(number, len(self._senders))
        return sum(sender.unheard for sender in self._senders)


class L0:
    """MeerKAT's items, to each endpoint those of its share of the channels."""

    def __init__(self, observed: Observed, endpoints: Sequence[str], rate: float) -> None:
        """`rate` in bytes/s. UsageError for endpoints that cannot share the channels, or if spead2 is not there."""
        channels = observed.simulation.channels
        shape = Shape(channels, channels_per_heap(channels), 4 * len(observed.array.first))
        if shape.heaps % len(endpoints):
            raise UsageError(
                f"--stream names {len(endpoints)} addresses, and an integration of {channels} channels comes in "
                f"{shape.heaps} heaps: name one, or one for each heap"
            )
        try:
            from fip.receiver.meerkat.sending import Sender as HeapSender
        except ImportError as error:
            raise UsageError(f"--stream-format meerkat-l0 needs spead2 ({error}): pip install 'fip[live]'") from None
        evenly = max(rate / shape.heaps, _SLOWEST)
        self._sender = HeapSender(shape, [_host_and_port(each) for each in endpoints], evenly)

    def send(self, dump: int, time: float, found: Mapping[str, NDArray[Any]]) -> None:
        """Send as `Sending` says. The stream has no UVW."""
        samples = (found[f"0.{name}"] for name in ("visibility", "flag", "weight", "scale"))
        self._sender.send(dump, time - SYNC_TIME, *samples)

    def end(self) -> int:
        """End as `Sending` says; spead2 does not say who listens."""
        self._sender.stop()
        return 0


_FORMATS: dict[Format, Callable[[Observed, Sequence[str], float], Sending]] = {"fip": Datagrams, "meerkat-l0": L0}


def stream_observation(
    simulation: Simulation,
    endpoints: Sequence[str],
    rate: float | None = None,
    form: Format = "fip",
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Send all integrations, and the end; return how often the system answered that nobody listened.

    `endpoints` are as udp://HOST:PORT. Each integration goes when it is over, counted from now, its packets spread over
    half the time to the next; or with a `rate` (bytes/s) at once, and no faster. UsageError.
    """
    observed, begun = Observed(simulation), time.monotonic()
    usual = file_size(setup_of(observed)) / (_SPREAD * simulation.cadence)
    sending = _FORMATS[form](observed, endpoints, rate or usual)
    for integration in range(simulation.integrations):
        found = arrays_of(observed, integration)
        if rate is None:
            time.sleep(max(0.0, begun + (integration + 1) * simulation.cadence - time.monotonic()))
        sending.send(dump_of(simulation, integration), time_of(simulation, integration), found)
        if progress:
            progress(integration + 1, simulation.integrations)
    return sending.end()


def write_setup(path: Path, simulation: Simulation, form: Format = "fip", *, overwrite: bool = False) -> None:
    """What `[receiver] setup` names, as JSON. UsageError if it cannot be written, or another is to stay."""
    observed = Observed(simulation)
    own = form == "fip"
    text = SETUP.dump_json(setup_of(observed), indent=1) if own else json.dumps(telstate_of(observed)).encode()
    try:
        if path.exists() and not overwrite and path.read_bytes() != text:
            raise UsageError(f"{path} exists and is of another stream: choose another name, or --overwrite")
        path.write_bytes(text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def parse_endpoints(text: str) -> tuple[str, ...]:
    """Parse each endpoint of udp://HOST:PORT[,...]. Raises ValueError."""
    found = tuple(each.strip() for each in text.split(","))
    for each in found:
        host, _, port = each.removeprefix("udp://").rpartition(":")
        if not (each.startswith("udp://") and host and port.isdecimal() and 0 < int(port) < 1 << 16):
            raise ValueError(f"'{each:.100}' is no address to send packets to, as udp://127.0.0.1:7148")
    return found


def parse_format(text: str) -> Format:
    """The name of a format. ValueError."""
    for known in _FORMATS:
        if known == text:
            return known
    raise ValueError(f"'{text:.40}' is none of {', '.join(_FORMATS)}")


def _host_and_port(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.removeprefix("udp://").rpartition(":")
    return host.strip("[]"), int(port)
