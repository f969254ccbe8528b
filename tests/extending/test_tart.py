"""examples/tart: a telescope's HTTP JSON as a stream, against a stub of its server; sources from astropy."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time

from fip.config import Receiver
from fip.data.errors import FipError
from fip.receiver.part import Part
from fip.source.spooled.uvw import antenna_uvw
from fip.spool.reading import Spool
from support.examples import example
from support.receivers import COMMAND
from support.recipes import install
from support.repository import ROOT

fip_tart = example("tart/fip_tart.py")

WAVELENGTH = 299792458.0 / 1575.42e6  # m
POSITIONS = [[1.5, 0.2, 0.0], [-0.7, 1.9, 0.1], [-1.1, -1.3, 0.0], [0.4, -0.6, -0.1]]  # m east, north, up
WHEN = Time("2026-06-12T04:25:46.15", scale="utc")
PLACE = EarthLocation.from_geodetic(170.5456, -45.85177, 270.0)
GAINS = {"gain": [1.0, 0.8, 1.2, 0.9], "phase_offset": [0.0, 0.3, -1.0, 2.0]}
PAIRS = [(i, j) for i in range(4) for j in range(i + 1, 4)]


def told(source: SkyCoord, when: Time = WHEN) -> dict[str, Any]:
    """What a telescope with these gains would see of a source: nothing but it is in the sky."""
    at = source.transform_to(AltAz(obstime=when, location=PLACE))
    seen = np.array([np.cos(at.alt) * np.sin(at.az), np.cos(at.alt) * np.cos(at.az), np.sin(at.alt)])
    phases = 2 * np.pi * np.array(POSITIONS) @ seen / WAVELENGTH
    gains = np.array(GAINS["gain"]) * np.exp(-1j * np.array(GAINS["phase_offset"]))
    values = {(i, j): np.exp(1j * (phases[i] - phases[j])) / (gains[i] * np.conj(gains[j])) for i, j in PAIRS}
    data = [{"i": i, "j": j, "re": value.real, "im": value.imag} for (i, j), value in values.items()]
    return {"timestamp": when.isot + "Z", "data": data}


class Stub(BaseHTTPRequestHandler):
    """The part of a TART's HTTP interface that is asked for; of an iterator, one answer after the other."""

    answers: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        """Answer, or say that it does not have it."""
        name = self.path.removeprefix("/tart/stub/api/v1/")
        self.send_response(200 if name in self.answers else 404)
        self.end_headers()
        answer = self.answers.get(name)
        self.wfile.write(json.dumps(next(answer) if isinstance(answer, Iterator) else answer).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing: requests are not logged."""


@contextmanager
def telescope(**changed: object) -> Iterator[Receiver]:
    """Serve, and give what `[receiver]` then has."""
    info = {
        "name": "A hill - south",
        "num_antenna": 4,
        "operating_frequency": 1575.42e6,
        "bandwidth": 2.5e6,
        "location": {"lat": -45.85177, "lon": 170.5456, "alt": 270.0},
    }
    answers = {"info": {"info": info}, "imaging/antenna_positions": POSITIONS, "calibration/gain": GAINS} | changed
    handler = type("Handler", (Stub,), {"answers": answers})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Receiver(format="tart", setup=f"http://127.0.0.1:{server.server_port}/tart/stub#0.05")
        finally:
            server.shutdown()
            thread.join()


class Heard:
    """What a stream passed on; `news` is set by a refusal, or by so many parts."""

    def __init__(self, parts: int) -> None:
        self._enough = parts
        self.parts: list[Part] = []
        self.refused: list[str] = []
        self.news = threading.Event()

    def put(self, part: Part) -> None:
        """Keep the part, and set `news` if there are enough."""
        self.parts.append(part)
        if len(self.parts) == self._enough:
            self.news.set()

    def refuse(self, why: str, count: int = 1, found: str = "") -> None:
        """Keep the reason and what was found."""
        self.refused.append(f"{why}: {found}")
        self.news.set()

    def end(self) -> None:
        """Do nothing: the end never comes."""


@contextmanager
def listening(receiver: Receiver, parts: int = 1) -> Iterator[tuple[Any, Heard]]:
    """Yield a stream that has passed on so many parts, or refused one."""
    stream, heard = fip_tart.open_stream(receiver), Heard(parts)
    thread = threading.Thread(target=stream.listen, args=(heard,))
    thread.start()
    try:
        assert heard.news.wait(30)
        yield stream, heard
    finally:
        stream.close()
        thread.join()


def test_a_source_is_where_it_is_in_the_sky() -> None:
    """Phases that the telescope sends, with gains applied, are those of the source about the target of the hour."""
    source = SkyCoord(120 * units.deg, -30 * units.deg, frame="icrs")
    with telescope(**{"imaging/vis": told(source)}) as receiver, listening(receiver) as (stream, heard):
        (part, setup) = heard.parts[0], stream.setup
    assert part.time == pytest.approx(WHEN.unix, abs=1e-3)
    assert part.dump == int(WHEN.unix // 0.05)
    target = setup.targets[part.field]
    centre = SkyCoord(target.ra * units.rad, target.dec * units.rad, frame="icrs")
    zenith = SkyCoord(AltAz(alt=90 * units.deg, az=0 * units.deg, obstime=WHEN, location=PLACE)).icrs
    assert centre.separation(zenith).deg < 8
    away, turn = centre.separation(source).rad, centre.position_angle(source).rad
    seen = np.array([np.sin(away) * np.sin(turn), np.sin(away) * np.cos(turn), np.cos(away) - 1])
    positions = np.array([each.position for each in setup.antennas])
    uvw = antenna_uvw(part.time, target.ra, target.dec, positions)
    first, second = np.array([each[:2] for each in setup.products]).T
    expected = np.exp(2j * np.pi * (uvw[first] - uvw[second]) @ seen / WAVELENGTH)
    assert part.visibility.shape == (1, len(PAIRS))
    np.testing.assert_allclose(part.visibility[0], expected, atol=0.02)


def test_an_answer_is_taken_once_and_antennas_are_where_they_are() -> None:
    """The same answer again is nothing new; positions are turned, not stretched, and are at the array."""
    source = SkyCoord(120 * units.deg, -30 * units.deg, frame="icrs")
    later = WHEN + 0.05 * units.s
    answers = chain([told(source)] * 3, repeat(told(source, later)))
    with telescope(**{"imaging/vis": answers}) as receiver, listening(receiver, parts=2) as (stream, heard):
        first, second = heard.parts[:2]
    assert second.time - first.time == pytest.approx(0.05, abs=1e-3)
    assert second.dump - first.dump == 1
    at = np.array(POSITIONS)
    centre = np.array([each.to_value("m") for each in PLACE.to_geocentric()])
    itrf = np.array([each.position for each in stream.setup.antennas])
    np.testing.assert_allclose(np.linalg.norm(itrf - centre, axis=1), np.linalg.norm(at, axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ({"timestamp": WHEN.isot, "data": [{"i": 0, "j": 9, "re": 1.0, "im": 0.0}]}, "antennas 0 and 9 are no pair"),
        ({"timestamp": WHEN.isot, "data": [{"i": 0, "j": 1, "re": 1e300, "im": 0.0}]}, "data.0.re: "),
        ({"timestamp": "soon", "data": []}, "timestamp: "),
        ([], "Input should be"),
    ],
)
def test_an_answer_that_is_none_is_refused_with_its_reason(answers: object, what: str) -> None:
    """It costs that integration, and is said in a line."""
    with telescope(**{"imaging/vis": answers}) as receiver, listening(receiver) as (_, heard):
        assert not heard.parts
    assert what in heard.refused[0]
    assert "\n" not in heard.refused[0]


def test_a_telescope_that_does_not_answer_is_refused_in_a_line() -> None:
    """An address that is none is refused, too, and so are positions of other antennas."""
    with telescope(**{"imaging/antenna_positions": POSITIONS[:3]}) as receiver:
        with pytest.raises(FipError, match="4 antennas are told of, and 3 positions"):
            fip_tart.open_stream(receiver)
        answered = receiver.setup
    with pytest.raises(FipError, match=r"no TART that answers: info: .*refused"):
        fip_tart.open_stream(Receiver(format="tart", setup=answered))
    with pytest.raises(FipError, match="a telescope's address is asked for"):
        fip_tart.open_stream(Receiver(format="tart", setup="/etc/passwd"))


def test_a_receiver_finds_it_by_its_name_and_writes_a_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed as pip does: the integrations that were answered are there, in order."""
    code, entry = (ROOT / "examples" / "tart" / name for name in ("fip_tart.py", "pyproject.toml"))
    install(tmp_path / "site", monkeypatch, {code.name: code.read_text()}, entry.read_text())
    source = SkyCoord(120 * units.deg, -30 * units.deg, frame="icrs")
    answers = (told(source, WHEN + number * 0.05 * units.s) for number in count())
    with telescope(**{"imaging/vis": answers}) as receiver:
        configuration = tmp_path / "fip.toml"
        configuration.write_text(
            f'[receiver]\nformat = "tart"\nsetup = "{receiver.setup}"\nspool = "{tmp_path}/spools"\n'
            f'[ventilator]\ncontrol = "ipc://{tmp_path}/control"\n'
        )
        with (
            (tmp_path / "log").open("wb") as log,
            subprocess.Popen([*COMMAND, "--config", str(configuration)], stdout=log, stderr=log) as process,
        ):
            give_up = time.monotonic() + 60
            while not (spools := list(tmp_path.glob("spools/A_hill_-_south-*.live"))) or len(Spool(spools[0])) < 3:
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < give_up, (tmp_path / "log").read_text()
                time.sleep(0.02)
            process.terminate()
    spool = Spool(spools[0])
    assert np.diff(spool.records["dump"])[:2].tolist() == [1, 1]
    assert spool.records["received"][:3].tolist() == [1.0, 1.0, 1.0]
    assert np.abs(spool.integration(0)["0.visibility"]) == pytest.approx(1.0, abs=1e-5)
