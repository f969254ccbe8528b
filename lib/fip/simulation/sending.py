"""The edge to the network: a simulated observation is sent as a stream, no faster than is asked for."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

from fip.data.errors import UsageError
from fip.receiver.datagrams.encoding import packets
from fip.receiver.datagrams.sending import Sender
from fip.simulation.observed import Observed
from fip.simulation.plan import Simulation
from fip.simulation.streamed import arrays_of, setup_of, time_of
from fip.spool.layout import file_size
from fip.spool.setup import SETUP

_SPREAD = 0.5  # of the time from one integration to the next in which its packets are sent, unless a rate is given


def stream_observation(
    simulation: Simulation,
    endpoints: Sequence[str],
    rate: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Sends all integrations, and the end; returns how often it was told that nobody listened.

    `endpoints`, as udp://HOST:PORT, get packets in turn. Each integration goes when it is over, counted from now, its
    packets spread over half the time to the next; or with a `rate` (bytes/s) at once, and no faster. UsageError for a
    host that is not known.
    """
    observed = Observed(simulation)
    setup, begun = setup_of(observed), time.monotonic()
    of_each = (rate or file_size(setup) / (_SPREAD * simulation.cadence)) / len(endpoints)
    with ExitStack() as stack:
        senders = [stack.enter_context(Sender(each, setup, rate=of_each)) for each in endpoints]
        for integration in range(simulation.integrations):
            found, middle = arrays_of(observed, integration), time_of(simulation, integration)
            if rate is None:
                time.sleep(max(0.0, begun + (integration + 1) * simulation.cadence - time.monotonic()))
            for packet, sender in zip(packets(setup, integration, middle, 0, found), cycle(senders), strict=False):
                sender.send_packet(packet)
            if progress:
                progress(integration + 1, simulation.integrations)
        for number, sender in enumerate(senders):
            sender.end(number, len(senders))
        return sum(sender.unheard for sender in senders)


def write_setup(path: Path, simulation: Simulation, *, overwrite: bool = False) -> None:
    """The set-up of the stream, as JSON. UsageError if it cannot be written, or another is there and is not to go."""
    text = SETUP.dump_json(setup_of(Observed(simulation)), indent=1) + b"\n"
    try:
        if path.exists() and not overwrite and path.read_bytes() != text:
            raise UsageError(f"{path} exists and is of another stream: choose another name, or --overwrite")
        path.write_bytes(text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def parse_endpoints(text: str) -> tuple[str, ...]:
    """Each of udp://HOST:PORT[,...]. ValueError."""
    found = tuple(each.strip() for each in text.split(","))
    for each in found:
        host, _, port = each.removeprefix("udp://").rpartition(":")
        if not (each.startswith("udp://") and host and port.isdecimal() and 0 < int(port) < 1 << 16):
            raise ValueError(f"'{each:.100}' is no address to send packets to, as udp://127.0.0.1:7148")
    return found
