"""`fip simulate --stream`: what comes over the network is what would be written, and what is wrong is said."""

import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.cli import main
from fip.data.errors import UsageError
from fip.receiver.datagrams.port import Port
from fip.receiver.datagrams.stream import DatagramStream
from fip.receiver.meerkat.stream import MeerkatStream
from fip.receiver.meerkat.telstate import observation_of, open_telstate
from fip.receiver.part import Part, Stream
from fip.simulation.observed import Observed
from fip.simulation.plan import Simulation
from fip.simulation.sending import stream_observation, write_setup
from fip.simulation.streamed import arrays_of, dump_of, setup_of, time_of
from fip.spool.layout import sections
from fip.spool.setup import read_setup

SENT = Simulation(antennas=6, channels=5, integrations=3, cadence=0.2)


class Gathered:
    """Integrations as they come, by the number of their dump."""

    def __init__(self, channels: int) -> None:
        setup = setup_of(Observed(replace(SENT, channels=channels)))
        self._blank = {name: (each.shape, each.dtype) for name, each in sections(setup).items()}
        self.arrays = dict[int, dict[str, NDArray[Any]]]()
        self.times = dict[int, float]()
        self.refused = list[str]()
        self.ended = threading.Event()

    def put(self, part: Part) -> None:
        """Take a part to its place."""
        blank = {name: np.zeros(*each) for name, each in self._blank.items()}
        arrays, self.times[part.dump] = self.arrays.setdefault(part.dump, blank), part.time
        products = slice(part.product, part.product + part.visibility.shape[1])
        for name, values in (("visibility", part.visibility), ("flag", part.flag), ("weight", part.weight)):
            if values is not None and values.size:
                arrays[f"{part.band}.{name}"][part.channels, products] = values
        if part.scale is not None and part.visibility.size:
            arrays[f"{part.band}.scale"][part.channels] = part.scale
        if part.uvw is not None:
            arrays["uvw"][part.baseline : part.baseline + len(part.uvw)] = part.uvw

    def refuse(self, why: str, count: int = 1, found: str = "") -> None:
        """Note what was not believed."""
        self.refused.append(f"{why}: {found}")

    def end(self) -> None:
        """Note that no more comes."""
        self.ended.set()


@contextmanager
def hearing(stream: Stream, channels: int) -> Iterator[Gathered]:
    """What a stream passes on, until it has said its end."""
    heard = Gathered(channels)
    listening = threading.Thread(target=stream.listen, args=(heard,))
    listening.start()
    try:
        yield heard
        assert heard.ended.wait(30)
    finally:
        stream.close()
        listening.join(30)
    assert heard.refused == []


def check(heard: Gathered, sent: Simulation, names: tuple[str, ...]) -> None:
    """All integrations came as they are."""
    observed = Observed(sent)
    assert sorted(heard.arrays) == [dump_of(sent, each) for each in range(sent.integrations)]
    for integration, (dump, arrays) in enumerate(sorted(heard.arrays.items())):
        assert heard.times[dump] == time_of(sent, integration)
        found = arrays_of(observed, integration)
        for name in names:
            np.testing.assert_array_equal(arrays[name], found[name])


SAMPLES = ("0.visibility", "0.flag", "0.weight", "0.scale")


@pytest.mark.parametrize("rate", [None, 20_000_000])
def test_what_is_received_is_what_would_be_written(tmp_path: Path, rate: int | None) -> None:
    """Over two ports, in real time or as fast as the rate allows; and the end is announced."""
    setup = tmp_path / "setup.json"
    write_setup(setup, SENT)
    ports = tuple(Port("udp://127.0.0.1:0", 4_000_000) for _ in range(2))
    stream = DatagramStream(read_setup(setup), ports)
    with hearing(stream, SENT.channels) as heard:
        assert stream_observation(SENT, [f"udp://{host}:{port}" for host, port in stream.addresses], rate) == 0
    check(heard, SENT, (*SAMPLES, "uvw"))


@pytest.mark.parametrize("endpoints", [1, 2])
def test_l0_has_the_same_samples(tmp_path: Path, endpoints: int) -> None:
    """Its set-up by telstate is that of FIP's own stream, except for UVW, which L0 has not."""
    sent, setup = replace(SENT, channels=8), tmp_path / "telstate.json"
    write_setup(setup, sent, "meerkat-l0")
    observation = observation_of(open_telstate(str(setup)))
    stream = MeerkatStream(observation, ["udp://127.0.0.1:0"] * endpoints, 4_000_000)
    with hearing(stream, sent.channels) as heard:
        addresses = [f"udp://{host}:{port}" for host, port in stream.addresses]
        stream_observation(sent, addresses, 20_000_000, "meerkat-l0")
    check(heard, sent, SAMPLES)
    own = setup_of(Observed(sent))
    found, there = (np.array([each.position for each in one.antennas]) for one in (stream.setup, own))
    np.testing.assert_allclose(found, there, rtol=0, atol=1e-6)
    (target,), (wanted,) = stream.setup.targets, own.targets
    assert (target.ra, target.dec) == pytest.approx((wanted.ra, wanted.dec), abs=1e-12)
    same = replace(own, antennas=stream.setup.antennas, targets=stream.setup.targets, uvw=False, raw=True)
    assert stream.setup == same


def test_that_nobody_listens_is_told() -> None:
    """This works as far as the network says so, as this host's does."""
    free = Port("udp://127.0.0.1:0", 4096)
    host, port = free.address
    free.close()
    assert stream_observation(SENT, [f"udp://{host}:{port}"], 1_000_000_000) > 0


def test_a_set_up_of_another_stream_is_kept_unless_told(tmp_path: Path) -> None:
    """The same one may be written again."""
    path = tmp_path / "setup.json"
    write_setup(path, SENT)
    write_setup(path, SENT)
    other = Simulation(antennas=5, channels=5, integrations=3)
    with pytest.raises(UsageError, match="of another stream: choose another name, or --overwrite"):
        write_setup(path, other)
    write_setup(path, other, overwrite=True)
    assert read_setup(path) == setup_of(Observed(other))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--stream", "udp://h:1,udp://h:2,udp://h:3", "--stream-format", "meerkat-l0"), "--stream names 3 addresses"),
        (("--stream", "udp://127.0.0.1:7148", "--stream-format", "vdif"), "--stream-format: 'vdif' is none of fip"),
        ((), "give OUT.ms, the MeasurementSet to write, or --stream udp://HOST:PORT"),
        (("out.ms", "--stream", "udp://127.0.0.1:7148"), "out.ms: --stream and --setup write no MeasurementSet"),
        (("--stream", "tcp://127.0.0.1:7148"), "--stream: 'tcp://127.0.0.1:7148' is no address to send packets to"),
        (("--stream", "udp://127.0.0.1:7148,udp://[::1]:0"), "--stream: 'udp://[::1]:0' is no address"),
        (("--stream", "udp://127.0.0.1:7148", "--rate", "fast"), "--rate: 'fast' is not a number of bytes"),
        (("out.ms", "--rate", "1MB"), "--rate: is of what --stream sends"),
        (("--stream", "udp://127.0.0.1:7148", "--live"), "--live: is of a MeasurementSet"),
        (("--setup", "/nowhere/setup.json"), "/nowhere/setup.json: cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_sent_is_said_in_a_line(
    options: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No file is written either."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fip", "simulate", *options])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert said.startswith(f"fip: {says}")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_stream_of_now_is_always_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes the set-up and sends."""
    port = Port("udp://127.0.0.1:0", 4_000_000)
    where = f"udp://127.0.0.1:{port.address[1]}"
    options = ("--antennas", "4", "--channels", "4", "--integrations", "2", "--start", "now", "--rate", "50MB")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fip", "simulate", "--stream", where, "--setup", "setup.json", *options])
    try:
        with pytest.raises(SystemExit) as left:
            main()
    finally:
        port.close()
    said = capsys.readouterr().out
    assert left.value.code == 0
    assert "setup.json says what the stream is" in said
    assert f"on were sent to {where}" in said
    assert "nobody" not in said
    assert math.degrees(read_setup(tmp_path / "setup.json").targets[0].dec) == pytest.approx(-80)
