"""MeerKAT's L0: what is sent is what comes, also if packets are lost, change places, or are somebody else's."""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from fip.data.errors import ConfigError
from fip.receiver.meerkat.heap import Shape
from fip.receiver.meerkat.observation import Observation
from fip.receiver.meerkat.sending import Sender
from fip.receiver.meerkat.stream import MeerkatStream
from receiver.l0_support import FIRST, HOST, SYNC, Hearing, Sent, send, setup_of
from support.relay import Done, Harm, Relay

ENDPOINTS = 2
SETUP = setup_of()


def observation() -> Observation:
    """Return an observation of 4 heaps an integration."""
    return Observation(SETUP, SYNC, 16, first=FIRST)


@pytest.fixture
def hearing() -> Iterator[Hearing]:
    """A stream that is heard."""
    with Hearing(observation(), ENDPOINTS) as each:
        yield each


def through(hearing: Hearing, dumps: int, drop: float, swap: float) -> tuple[Done, Sent]:
    """Send integrations in small packets; some are lost or change places. Return what was done to them."""
    sent, done = Sent(SETUP), Done()
    with ExitStack() as stack:
        relays = [
            stack.enter_context(Relay(to, Harm(drop=drop, swap=swap, seed=seed)))
            for seed, to in enumerate(hearing.stream.addresses)
        ]
        shape, to = observation().shape(ENDPOINTS), [(HOST, each.port) for each in relays]
        sender = Sender(shape, to, packet=1024)
        for dump in range(dumps):
            send(sender, sent, dump)
            hearing.until_parts(4 * (dump - 2))
        hearing.until_parts(4 * dumps)
    for each in relays:
        done.came, done.dropped = done.came + each.done.came, done.dropped + each.done.dropped
        done.swapped += each.done.swapped
    return done, sent


def lost_of(hearing: Hearing, sent: Sent, others: float = 0.0) -> int:
    """How many samples did not come; all others are as they were sent, and those counted as missing are NaN.

    Flags are as sent, or say that they did not come. Weights and their scale are as sent, but for a share, `others`,
    that is as in a heap before.
    """
    lost, differing, all_of = 0, 0, 0
    for part in hearing.listener.parts:
        visibility, flag, weight, scale = sent(part.dump)
        gone = np.isnan(part.visibility)
        here = part.channels
        assert np.array_equal(part.visibility[~gone], visibility[here][~gone])
        assert part.missing == np.count_nonzero(gone)
        assert part.time == SYNC + FIRST + part.dump * SETUP.cadence
        assert part.flag is not None
        assert ((part.flag == flag[here]) | (part.flag == 0xFF) | gone).all()
        for name, whole in (("weight", weight), ("scale", scale)):
            there = getattr(part, name)
            same = (there == whole[here]) | gone if there.ndim == 2 else there == whole[here]
            differing, all_of = differing + int(np.count_nonzero(~same)), all_of + same.size
        lost += part.missing
    assert differing <= others * all_of
    return lost


def heaps_of(hearing: Hearing) -> list[tuple[int, int]]:
    """(dump, first channel) of each part."""
    found = [(each.dump, each.channels.start) for each in hearing.listener.parts if isinstance(each.channels, slice)]
    assert len(set(found)) == len(found), "a heap was told twice"
    return sorted(found)


def test_what_is_sent_is_what_comes(hearing: Hearing) -> None:
    sent, sender = Sent(SETUP), Sender(observation().shape(ENDPOINTS), hearing.stream.addresses)
    for dump in range(5):
        send(sender, sent, dump)
    sender.stop()
    hearing.until_ended()
    assert heaps_of(hearing) == [(dump, channel) for dump in range(5) for channel in range(0, 64, 16)]
    assert lost_of(hearing, sent) == 0
    assert not hearing.listener.refused


def test_of_lost_packets_no_more_samples_are_lost_than_they_had_and_no_integration_is(hearing: Hearing) -> None:
    dumps = 60
    done, sent = through(hearing, dumps, drop=0.01, swap=0.01)
    assert done.dropped > 30 and done.swapped > 30
    lost = lost_of(hearing, sent, others=0.02)
    share = lost / (dumps * SETUP.bands[0].channels * len(SETUP.products))
    assert 0 < share <= 1.2 * done.dropped / done.came
    assert heaps_of(hearing) == [(dump, channel) for dump in range(dumps) for channel in range(0, 64, 16)]


def test_packets_that_change_places_cost_nothing(hearing: Hearing) -> None:
    done, sent = through(hearing, 10, drop=0.0, swap=0.1)
    assert done.swapped > 40
    assert lost_of(hearing, sent) == 0
    assert len(heaps_of(hearing)) == 40


def test_a_flood_of_what_is_no_l0_costs_nothing_of_what_is(hearing: Hearing) -> None:
    sent, sender = Sent(SETUP), Sender(observation().shape(ENDPOINTS), hearing.stream.addresses)
    size = observation().shape(1).size + 700
    draw = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as junk:
        for dump in range(6):
            for each in hearing.stream.addresses * (50 if dump else 0):
                far = draw.randrange(1 << 40) * SETUP.bands[0].channels
                for counter, length in ((far, size), (far, 10), (far + 1, size), (far + 16, 1 << 47)):
                    junk.sendto(_packet(counter, length, draw.randbytes(300)), each)
                junk.sendto(draw.randbytes(200), each)
                junk.sendto(b"", each)
            send(sender, sent, dump)
            hearing.until_parts(4 * dump)
    sender.stop()
    hearing.until_ended()
    assert heaps_of(hearing) == [(dump, channel) for dump in range(6) for channel in range(0, 64, 16)]
    assert lost_of(hearing, sent) == 0
    assert len(hearing.listener.refused) == 3 and min(hearing.listener.refused.values()) > 50


def _packet(counter: int, length: int, payload: bytes) -> bytes:
    """A packet of SPEAD of a heap of some number and size."""
    items = [1 << 63 | each << 48 | value for each, value in enumerate((counter, length, 0, len(payload)), 1)]
    return b"".join(each.to_bytes(8, "big") for each in (0x5304020600000000 | len(items), *items)) + payload


def test_a_sender_that_begins_anew_is_believed_after_three_heaps(hearing: Hearing) -> None:
    sent, shape = Sent(SETUP), observation().shape(ENDPOINTS)
    first = Sender(shape, hearing.stream.addresses)
    for dump in range(40):
        send(first, sent, dump)
        hearing.until_parts(4 * dump)
    again = Sender(shape, hearing.stream.addresses)
    for dump in range(50, 56):
        send(again, sent, dump)
        hearing.until_parts(4 * (dump - 12))
    again.stop()
    hearing.until_ended()
    assert lost_of(hearing, sent) == 0
    assert {dump for dump, _ in heaps_of(hearing)} >= {*range(40), *range(52, 56)}


def test_an_endpoint_in_use_is_one_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        endpoint = f"udp://{HOST}:{other.getsockname()[1]}"
        with pytest.raises(ConfigError, match=rf"^receiver.listen: {endpoint}: Address already in use; give [^\n]+$"):
            MeerkatStream(observation(), ["udp://127.0.0.1:0", endpoint], 1 << 20)


def test_endpoints_that_do_not_divide_the_heaps_are_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^receiver.listen: names 3 endpoints, and each integration"):
        MeerkatStream(observation(), ["udp://127.0.0.1:0"] * 3, 1 << 20)


def test_heaps_of_another_shape_are_refused_and_counted(hearing: Hearing) -> None:
    other = Shape(64, 16, len(SETUP.products) + 1)
    sender, cell = Sender(other, hearing.stream.addresses), (64, len(SETUP.products) + 1)
    for dump in range(3):
        visibility, count = np.zeros(cell, np.complex64), np.zeros(cell, np.uint8)
        sender.send(dump, FIRST, visibility, count, count, np.ones(64, np.float32))
    hearing.until(lambda: hearing.listener.refused["heaps that are not of this stream"] == 12, "refusals")
    assert not hearing.listener.parts
