"""FIP's own stream over real sockets: what is lost on the way costs itself alone, and junk nothing that is good."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from fip.config import Receiver
from fip.data.errors import ConfigError, InputError, UsageError
from fip.receiver.datagrams.encoding import packets
from fip.receiver.datagrams.packet import HEADER, Reason
from fip.receiver.datagrams.sending import Sender
from fip.receiver.datagrams.stream import DatagramStream, open_stream
from fip.spool.setup import SETUP, Setup, read_setup
from support.made_streams import Kept, arrays_of, heard, small_setup
from support.relay import Harm, Relay
from support.repository import ROOT

TIME = 1.8e9
DUMPS = 10
WITHIN = 20  # s
JUNK = 3000


def opened(folder: Path, setup: Setup, ports: int = 1) -> DatagramStream:
    """A stream at free ports of this host."""
    path = folder / "setup.json"
    path.write_bytes(SETUP.dump_json(setup))
    return open_stream(Receiver(listen=("udp://127.0.0.1:0",) * ports, setup=str(path)))


def sender(stream: DatagramStream, port: int | None = None, size: int = 1400) -> Sender:
    """One that sends to a stream, or to a relay's port."""
    return Sender(f"udp://127.0.0.1:{port or stream.addresses[0][1]}", stream.setup, size)


def wait(kept: Kept, until: Callable[[], bool]) -> None:
    """Wait until something is so of what was heard, or passed on."""
    limit = monotonic() + WITHIN
    with kept.changed:
        while not until():
            kept.changed.wait(0.05)
            assert monotonic() < limit, (kept.ends, kept.packets, kept.refused, sorted(kept.dumps))


def test_packets_lost_cost_their_own_samples_and_swapped_or_doubled_ones_nothing(tmp_path: Path) -> None:
    setup = small_setup(antennas=12, channels=(64,), uvw=False)
    arrays = [arrays_of(setup, dump) for dump in range(DUMPS)]
    stream = opened(tmp_path, setup)
    harm = Harm(drop=0.01, swap=0.05, delay=0.02, duplicate=0.05, by=0.03, seed=3)
    with heard(stream) as kept:
        with Relay(stream.addresses[0], harm) as relay, sender(stream, relay.port) as out:
            sent = 0

            def passed_on() -> bool:
                return relay.done.came == sent and kept.packets >= relay.done.sent

            for dump, found in enumerate(arrays):  # one fits into the smallest buffers, so none finds them full
                sent += out.send(dump, TIME + dump, 0, found)
                wait(kept, passed_on)
        with sender(stream) as out:
            out.end()  # behind all that the relay has passed on
        wait(kept, lambda: kept.ends == 1)
    done = relay.done
    assert min(done.dropped, done.swapped, done.delayed, done.duplicated) > 0
    assert done.sent == sent - done.dropped + done.duplicated
    assert stream.buffers[0].overflowed == 0
    assert not kept.refused
    missing = 0
    for dump, found in enumerate(arrays):
        came = ~np.isnan(kept.dumps[dump]["0.visibility"])
        missing += int((~came).sum())
        for name in ("visibility", "flag", "weight"):
            assert np.array_equal(kept.dumps[dump][f"0.{name}"][came], found[f"0.{name}"][came]), name
    assert missing == (done.bytes_dropped - done.dropped * (HEADER.itemsize + 4)) / 10  # of a scale, and of a sample


def test_a_stream_has_ended_once_each_of_its_senders_has_said_so(tmp_path: Path) -> None:
    stream = opened(tmp_path, small_setup(), ports=2)
    with (
        heard(stream) as kept,
        Relay(stream.addresses[1], Harm(drop=0.5, seed=1)) as relay,
        sender(stream) as first,
        sender(stream, relay.port) as second,
    ):
        first.end(0, 2)
        first.send(4, TIME, 0, arrays_of(stream.setup))
        wait(kept, lambda: 4 in kept.dumps)
        assert kept.ends == 0
        second.end(1, 2)
        wait(kept, lambda: kept.ends > 0)
        first.send(5, TIME, 0, arrays_of(stream.setup))
        wait(kept, lambda: 5 in kept.dumps)
    assert relay.done.dropped > 0
    assert kept.ends == 1


def test_a_flood_of_junk_is_counted_by_reason_said_once_and_stops_nothing_good(tmp_path: Path) -> None:
    setup, other = small_setup(), small_setup(antennas=5)
    arrays = arrays_of(setup)
    stream = opened(tmp_path, setup)
    good, foreign = (list(map(bytes, packets(each, 3, TIME, 1, arrays_of(each)))) for each in (setup, other))
    junk = [b"", b"x" * 40, b"y" * 100, foreign[1], good[1][:-1], good[1] + b"z"]
    with heard(stream) as kept, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for number in range(JUNK):
            out.sendto(junk[number % len(junk)], stream.addresses[0])
            if number % 100 == 99:  # as many fit into the smallest buffer
                wait(kept, lambda number=number: kept.refused.total() == number + 1)  # type: ignore[misc]
        for each in good:
            out.sendto(each, stream.addresses[0])
        wait(kept, lambda: 3 in kept.dumps and not np.isnan(kept.dumps[3]["0.visibility"]).any())
    assert all(np.array_equal(kept.dumps[3][name], values) for name, values in arrays.items())
    assert kept.refused.total() == JUNK
    assert set(kept.refused) == {Reason.SHORT, Reason.MAGIC, Reason.DIGEST, Reason.SIZE}
    said = dict(kept.said)
    assert len(kept.said) == len(said) == 4
    assert re.fullmatch(r"127\.0\.0\.1:\d+: 0 bytes", said[Reason.SHORT])
    assert said[Reason.MAGIC].endswith(": 100 bytes that begin with 79 79 79 79 79 79 79 79")
    assert f"digest {other.digest}, version 1, kind 1, dump 3, time {TIME}" in said[Reason.DIGEST]


def test_what_the_kernel_gave_is_said_and_what_found_it_full_is_counted(tmp_path: Path) -> None:
    stream = opened(tmp_path, small_setup())
    (before,) = stream.buffers
    assert before.asked == 64_000_000
    assert 0 < before.got <= before.asked
    assert before.overflowed == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        sent = before.got // 10000  # of each it needs more than 65,000
        for _ in range(sent):
            out.sendto(bytes(65000), stream.addresses[0])
    overflowed = stream.buffers[0].overflowed
    assert overflowed > 0
    with heard(stream) as kept:
        wait(kept, lambda: kept.refused.total() == sent - overflowed)
    assert stream.buffers[0].overflowed == overflowed  # it is closed, and still said
    stream.close()
    stream.listen(kept)  # it has ended


def test_packets_come_over_ip_6_too(tmp_path: Path) -> None:
    path = tmp_path / "setup.json"
    path.write_bytes(SETUP.dump_json(small_setup()))
    stream = open_stream(Receiver(listen=("udp://[::1]:0",), setup=str(path)))
    with heard(stream) as kept, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as out:
        out.sendto(b"junk", stream.addresses[0])
        wait(kept, lambda: kept.refused.total() == 1)
    assert kept.said[0][1].startswith("[::1]:")


def test_what_cannot_be_heard_is_said_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "setup.json"
    with pytest.raises(InputError, match=r"setup\.json: no set-up of a stream: No such file"):
        open_stream(Receiver(listen=("udp://127.0.0.1:0",), setup=str(path)))
    stream = opened(tmp_path, small_setup())
    taken = f"udp://127.0.0.1:{stream.addresses[0][1]}"
    for listen, setup, why in (
        ((taken,), path, f"receiver.listen: {taken}: Address already in use; give an address of this host"),
        (("udp://192.0.2.1:7148",), path, "receiver.listen: udp://192.0.2.1:7148: Cannot assign requested address"),
        (("udp://no-such.invalid:7148",), path, "receiver.listen: udp://no-such.invalid:7148: "),
        (("udp://127.0.0.1:99999",), path, "receiver.listen: udp://127.0.0.1:99999: an address is written as"),
        (("udp://239.1.2.3:7148",), path, "receiver.listen: udp://239.1.2.3:7148: is of a group"),
        ((), path, "receiver.listen: has no address"),
        ((taken,), "", "receiver.setup: is not given"),
    ):
        with pytest.raises(ConfigError, match=re.escape(why)) as caught:
            open_stream(Receiver(listen=listen, setup=str(setup)))
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"udp://no-such\.invalid:1: "):
        Sender("udp://no-such.invalid:1", small_setup())
    stream.close()


def test_the_example_sends_what_its_set_up_says(tmp_path: Path) -> None:
    path, program = tmp_path / "small.json", ROOT / "examples" / "send_stream.py"
    subprocess.run([sys.executable, program, path], check=True, timeout=60)
    stream = open_stream(Receiver(listen=("udp://127.0.0.1:0",), setup=str(path)))
    expected = SETUP.dump_python(read_setup(path), mode="json")
    assert not expected.pop("raw")  # what is not raw need not say so
    assert json.loads(path.read_text()) == expected
    short = program.read_text().replace(
        "CADENCE, INTEGRATIONS = 16, 64, 0.5, 20", "CADENCE, INTEGRATIONS = 16, 64, 0.1, 4"
    )
    with heard(stream) as kept:
        command = [sys.executable, "-c", short, str(path), "127.0.0.1", str(stream.addresses[0][1])]
        subprocess.run(command, check=True, timeout=60)
        wait(kept, lambda: kept.ends == 1)
    assert len(kept.dumps) == 4
    assert all(round((at[0] - 0.05) / 0.1) == dump for dump, at in kept.places.items())
    assert not kept.refused
    means = [found["0.visibility"].mean() for found in kept.dumps.values()]
    assert np.allclose(means, [1, 1, 10, 1], atol=0.1)
