"""Sends FIP's own stream: one integration's packets again and again, encoded once, with its number and time anew.

    python -m benchmarks.stream_sender SETUP PORT [--dumps 60] [--spread 0.5] [--loss 1e-3] [--swaps 0.01] [--log FILE]
        [--kinds 1]   integrations that differ in their noise, which take turns

An integration is sent when it is over, by the clock, spread over a share of its cadence; some packets are not sent, as
if they were lost, and some change places with the next, by a seed. The log has a line of each integration: its number,
the Unix time at which its last packet was sent, how many were lost, of how many, and what share of its bytes they had.
In the end it says that no more comes.
"""

import argparse
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.receiver.datagrams.encoding import end_packet, packets
from fip.receiver.datagrams.packet import HEADER, SIZE
from fip.spool.layout import sections
from fip.spool.setup import Setup, read_setup

BURST = 32  # packets that are sent without a look at the clock
FILL: Mapping[str, float] = {"flag": 0, "weight": 1, "scale": 1.0}


def arrays_of(setup: Setup, seed: int = 1) -> dict[str, NDArray[Any]]:
    """The arrays of an integration: noise, and 1 Jy in the phase centre, which all parallel hands have."""
    source = np.random.default_rng(seed)
    parallel = np.array([each.correlation[0] == each.correlation[1] for each in setup.products], np.float32)
    found: dict[str, NDArray[Any]] = {}
    for name, section in sections(setup).items():
        what = name.rpartition(".")[2]
        if what == "visibility":
            parts = source.standard_normal((*section.shape, 2), np.float32)
            found[name] = parts.view(np.complex64)[..., 0] + parallel
        elif what in FILL:
            found[name] = np.full(section.shape, FILL[what], section.dtype)
    return found


class Encoded:
    """The packets of an integration, whose number and time can be changed."""

    def __init__(self, setup: Setup, size: int = SIZE, seed: int = 1) -> None:
        made = [bytes(each) for each in packets(setup, 0, 0.0, 0, arrays_of(setup, seed), size)]
        self._memory = np.frombuffer(bytearray(b"".join(made)), np.uint8)
        ends = np.cumsum([len(each) for each in made])
        begins = ends - [len(each) for each in made]
        offset = HEADER.fields["dump"][1] if HEADER.fields else 0
        self._places = begins[:, np.newaxis] + offset + np.arange(16)  # of number and time, which are side by side
        view = self._memory.data
        self.packets = [view[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        self.sizes = ends - begins - HEADER.itemsize  # of what they bring

    def number(self, dump: int, middle: float) -> None:
        """They are now of this integration, with its middle in s UTC, Unix."""
        self._memory[self._places] = np.frombuffer(struct.pack("<Qd", dump, middle), np.uint8)


class Trouble:
    """What becomes of packets on their way."""

    def __init__(self, loss: float, swaps: float, seed: int) -> None:
        self._loss, self._swaps, self._random = loss, swaps, np.random.default_rng(seed)

    def order(self, count: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the order in which packets come, without those that are lost; and [packet] which are lost."""
        order = np.arange(count)
        for at in np.flatnonzero(self._random.random(count - 1) < self._swaps):
            order[at], order[at + 1] = order[at + 1], order[at]
        lost = self._random.random(count) < self._loss
        return order[~lost[order]], lost


def send(packets: Sequence[memoryview], to: tuple[str, int], begin: float, lasting: float) -> float:
    """Send packets, evenly over so many seconds from `begin` on, Unix time; return when the last one was sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        for first in range(0, len(packets), BURST):
            time.sleep(max(0.0, begin + lasting * first / len(packets) - time.time()))
            for packet in packets[first : first + BURST]:
                out.sendto(packet, to)
    return time.time()


def main() -> None:
    """Send as it was asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("setup", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--dumps", type=int, default=60)
    parser.add_argument("--spread", type=float, default=0.5, help="share of the cadence in which its packets are sent")
    parser.add_argument("--size", type=int, default=SIZE, help="bytes of a packet")
    parser.add_argument("--loss", type=float, default=0.0, help="share of packets that are lost")
    parser.add_argument("--swaps", type=float, default=0.0, help="share of packets that come after the next one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ends", type=int, default=5, help="times that the end is said, ten a second")
    parser.add_argument("--kinds", type=int, default=1, help="integrations that differ in their noise")
    parser.add_argument("--log", type=Path)
    given = parser.parse_args()
    setup, to = read_setup(given.setup), ("127.0.0.1", given.port)
    kinds, cadence = [Encoded(setup, given.size, 1 + each) for each in range(given.kinds)], setup.cadence
    trouble = Trouble(given.loss, given.swaps, given.seed)
    begun = time.time()
    with (given.log or Path("/dev/null")).open("a", buffering=1) as log:
        for dump in range(given.dumps):
            middle = begun + (dump + 0.5) * cadence
            encoded = kinds[dump % len(kinds)]
            encoded.number(dump, middle)
            order, lost = trouble.order(len(encoded.packets))
            sent = send([encoded.packets[each] for each in order], to, middle + cadence / 2, cadence * given.spread)
            share = encoded.sizes[lost].sum() / encoded.sizes.sum()
            log.write(f"{dump} {sent:.6f} {lost.sum()} {lost.size} {share:.6f}\n")
    time.sleep(cadence)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(given.ends):
            out.sendto(end_packet(setup), to)
            time.sleep(0.1)


if __name__ == "__main__":
    main()
