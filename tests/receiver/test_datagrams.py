"""FIP's own stream, as bytes: what is sent is what is read, and nothing that is wrong is believed."""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fip.data.errors import UsageError
from fip.receiver.datagrams.decoding import Decoder, Ended, Read, Refused
from fip.receiver.datagrams.encoding import end_packet, packets, split
from fip.receiver.datagrams.pace import Pace
from fip.receiver.datagrams.packet import HEADER, LARGEST, Kind, Reason
from fip.receiver.part import Part
from fip.spool.setup import SETUP, Setup
from support.made_streams import Kept, arrays_of, batch_of, small_setup
from support.repository import ROOT

TIME = 1.8e9
DOCS = (ROOT / "docs" / "streams.md").read_text()

setups = st.builds(
    small_setup,
    antennas=st.integers(2, 10),
    channels=st.lists(st.integers(1, 20), min_size=1, max_size=3).map(tuple),
    correlations=st.integers(1, 4),
    extras=st.booleans(),
    uvw=st.booleans(),
)


def read(setup: Setup, *some: bytes | bytearray | memoryview) -> list[Read]:
    """What a batch of packets is read as."""
    return list(Decoder(setup).read(batch_of(some)))


def rows(found: list[Read], why: Reason) -> list[int]:
    """The packets that are refused for this reason."""
    return [row for each in found if isinstance(each, Refused) and each.why == why for row in each.rows]


@given(setup=setups, size=st.integers(512, 2000), data=st.data())
@settings(max_examples=30, deadline=None)
def test_what_is_sent_is_read_in_any_order_however_often_it_comes(setup: Setup, size: int, data: st.DataObject) -> None:
    arrays, kept = arrays_of(setup), Kept(setup)
    sent = [bytes(each) for each in packets(setup, 7, TIME, 1, arrays, size)]
    assert max(map(len, sent)) <= size
    some = data.draw(st.lists(st.sampled_from(range(len(sent))), max_size=5))
    order = data.draw(st.permutations([*range(len(sent)), *some]))
    cut = data.draw(st.integers(0, len(order)))
    for part in (order[:cut], order[cut:]):
        for each in read(setup, *(sent[number] for number in part)):
            assert isinstance(each, Part)
            channels = np.arange(1 << 20)[each.channels]
            assert len(set(channels.tolist())) == len(channels) == len(each.visibility)
            kept.put(each)
    assert kept.places == {7: (TIME, 1)}
    for name, values in arrays.items():
        assert np.array_equal(kept.dumps[7][name], values), name


@given(setup=setups, data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_packet_is_refused_once_or_fits_the_set_up(setup: Setup, data: st.DataObject) -> None:
    sent = [bytearray(each) for each in packets(setup, 7, TIME, 1, arrays_of(setup), 700)]
    sent.append(bytearray(end_packet(setup)))
    for each in sent:
        for _ in range(data.draw(st.integers(0, 2))):
            at = data.draw(st.integers(0, min(len(each), HEADER.itemsize) - 1))
            each[at] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):
            del each[data.draw(st.integers(0, len(each) - 1)) :]
    check(setup, sent)


@given(some=st.lists(st.binary(max_size=200), max_size=20))
@settings(max_examples=30, deadline=None)
def test_any_bytes_at_all_are_refused_each_once(some: list[bytes]) -> None:
    setup = small_setup()
    found = read(setup, *some)
    assert sorted(row for each in found if isinstance(each, Refused) for row in each.rows) == list(range(len(some)))


def check(setup: Setup, sent: list[bytearray]) -> None:
    """Check that what is read fits, and that no packet is refused twice."""
    found = read(setup, *sent)
    refused = [row for each in found if isinstance(each, Refused) for row in each.rows]
    assert len(set(refused)) == len(refused) <= len(sent)
    kept = Kept(setup)
    for each in found:
        if isinstance(each, Part):
            assert 0 <= each.dump < 1 << 63
            assert 0 <= each.time < 1e11
            assert each.field < len(setup.targets)
            kept.put(each)  # an array that does not fit is an error of numpy
        elif isinstance(each, Ended):
            assert 0 <= each.sender < each.senders <= 4096


def changed(packet: bytes | memoryview, **values: Any) -> bytes:
    """A packet whose header says something else."""
    header = np.frombuffer(bytes(packet)[: HEADER.itemsize], HEADER).copy()
    for name, value in values.items():
        header[name] = value
    return header.tobytes() + bytes(packet)[HEADER.itemsize :]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"magic": b"SPEA"}, Reason.MAGIC),
        ({"version": 2}, Reason.VERSION),
        ({"digest": 1}, Reason.DIGEST),
        ({"kind": 0}, Reason.KIND),
        ({"kind": 4}, Reason.KIND),
        ({"dump": 1 << 63}, Reason.DUMP),
        ({"time": np.nan}, Reason.TIME),
        ({"time": np.inf}, Reason.TIME),
        ({"time": -1.0}, Reason.TIME),
        ({"field": 2}, Reason.FIELD),
        ({"band": 2}, Reason.BAND),
        ({"count": 0}, Reason.PRODUCTS),
        ({"first": 1}, Reason.PRODUCTS),
        ({"first": 0xFFFFFFFF}, Reason.PRODUCTS),
        ({"count": 0xFFFFFFFF}, Reason.PRODUCTS),
        ({"channels": 0}, Reason.CHANNELS),
        ({"channels": 0xFFFFFFFF}, Reason.CHANNELS),
        ({"channel": 5}, Reason.CHANNELS),
        ({"channel": 0xFFFFFFFF}, Reason.CHANNELS),
        ({"count": 23}, Reason.SIZE),
        ({"kind": Kind.UVW}, Reason.BASELINES),
        ({"kind": Kind.UVW, "count": 6}, Reason.SIZE),
        ({"kind": Kind.END}, Reason.SIZE),
        ({"kind": Kind.END, "first": 24}, Reason.SENDERS),
    ],
)
def test_each_number_of_a_header_is_held_against_the_set_up(values: Mapping[str, Any], why: Reason) -> None:
    setup = small_setup(channels=(5, 3))
    good = list(packets(setup, 7, TIME, 1, arrays_of(setup)))[1]
    assert np.frombuffer(bytes(good)[: HEADER.itemsize], HEADER)["channels"] == 5
    assert not rows(read(setup, good), why)
    assert rows(read(setup, good, changed(good, **values), good), why) == [1]


def test_a_packet_that_is_cut_short_or_has_more_is_not_believed() -> None:
    setup = small_setup()
    for good in map(bytes, packets(setup, 7, TIME, 1, arrays_of(setup))):
        assert rows(read(setup, good, good[:-1], good + b"\0"), Reason.SIZE) == [1, 2]
        assert rows(read(setup, good[:55]), Reason.SHORT) == [0]


def test_uvw_are_refused_if_the_set_up_has_none_or_they_are_no_numbers() -> None:
    setup, without = small_setup(), small_setup(uvw=False)
    (uvw, *_) = packets(setup, 7, TIME, 1, arrays_of(setup))
    other = changed(uvw, digest=int.from_bytes(bytes.fromhex(without.digest), "little"))
    assert rows(read(without, other), Reason.UVW) == [0]
    assert rows(read(setup, bytes(uvw[:-8]) + struct.pack("<d", np.nan)), Reason.INFINITE) == [0]
    assert rows(read(setup, bytes(uvw[:-8]) + struct.pack("<d", 1e10)), Reason.INFINITE) == [0]


def test_packets_of_two_integrations_that_come_mixed_are_told_apart() -> None:
    setup, kept = small_setup(), Kept(small_setup())
    both = [arrays_of(setup, seed) for seed in (1, 2)]
    sent = [list(map(bytes, packets(setup, 8 + k, TIME + k, k, arrays, 600))) for k, arrays in enumerate(both)]
    for each in read(setup, *(packet for pair in zip(*sent, strict=True) for packet in pair)):
        assert isinstance(each, Part)
        kept.put(each)
    assert kept.places == {8: (TIME, 0), 9: (TIME + 1, 1)}
    for dump, arrays in zip((8, 9), both, strict=True):
        assert all(np.array_equal(kept.dumps[dump][name], values) for name, values in arrays.items())


def test_packets_are_as_full_as_they_may_be() -> None:
    setup = small_setup(antennas=20, channels=(64,))
    assert split(setup, LARGEST) == (8, 760)
    assert split(setup, 8192) == (1, 760)
    assert split(setup, 1472) == (1, 127)
    with pytest.raises(UsageError, match="packets of 100000 bytes: they may have 512 to 65507"):
        split(setup, 100000)


@pytest.mark.parametrize(("buffer", "rate"), [(64_000_000, 43e6), (4_000_000, 43e6), (208_000, 43e6), (208_000, 1e6)])
def test_packets_gather_for_as_long_as_a_quarter_of_the_buffer_holds_them(buffer: int, rate: float) -> None:
    pace, now = Pace(buffer, 2.0, 0.0), 0.0
    assert pace.pause <= 1 + 1000 * buffer / 4 / 1.25e9  # at first it may be a burst
    for _ in range(200):
        step = max(pace.pause / 1000, 0.001)
        now += step
        pace.took(round(rate * step), now)
    assert pace.pause == pytest.approx(1000 * min(0.02, buffer / 4 / rate), abs=0.6)
    pace.took(round(0.001 * 20 * rate), now + 0.001)
    assert pace.pause <= 1 + 1000 * buffer / 4 / (20 * rate)  # faster than before, it is read sooner at once


def test_packets_gather_for_no_more_than_a_fiftieth_of_an_integration() -> None:
    pace = Pace(64_000_000, 0.25, 0.0)
    for number in range(200):
        pace.took(1000, 0.01 * number)
    assert pace.pause == 5


def table() -> Iterator[tuple[str, int, str]]:
    """(name, offset, type) of the header's fields, as the page has them."""
    for offset, kind, name in re.findall(r"^\| (\d+) \| `(\w+)` \| `(\w+)` \|", DOCS, re.MULTILINE):
        yield name, int(offset), kind


def test_the_page_has_the_header_byte_by_byte() -> None:
    types = {"S4": "char4", "<u2": "u16", "<u4": "u32", "<u8": "u64", "<f8": "f64"}
    assert HEADER.fields is not None
    there = [(name, at, types[kind.str.lstrip("|")]) for name, (kind, at, *_) in HEADER.fields.items()]
    assert list(table()) == there
    assert f"a header of {HEADER.itemsize} bytes" in DOCS


def test_the_pages_set_up_is_one_and_has_the_digest_that_is_said() -> None:
    (text,) = re.findall(r"^```json\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    setup = SETUP.validate_json(text)
    assert f"`{setup.digest}`" in DOCS
    assert {each.name for each in fields(Setup)} <= set(re.findall(r"^\| `(\w+)` \|", DOCS, re.MULTILINE))


def test_the_page_names_each_reason_for_which_a_packet_is_refused() -> None:
    assert [why for why in Reason if why.partition(" than")[0] not in DOCS] == []
