"""What daemons report to systemd, and what SIGHUP changes: real daemons, and a socket in the place of systemd's."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from fip.config import Config, load
from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.runtime.service import changes
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.ventilator.pacing import Pace
from support.fip_command import WITHIN, images
from support.mesh import Mesh


class Listener:
    """Hears what daemons report to systemd, all the time, as systemd does."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._heard: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def wait(self, word: str, seen: Callable[[str], bool] = bool) -> set[str]:
        """Wait until a word is said with a value for which `seen` holds; return the words before it."""
        before: set[str] = set()
        while True:
            name, value = self._heard.get(timeout=WITHIN)
            if name == word and seen(value):
                return before
            before.add(name)

    def close(self) -> None:
        """Hear nothing any more, and close."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while said := self._socket.recv(4096):
            for line in said.decode().splitlines():
                name, _, value = line.partition("=")
                self._heard.put((name, value))


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A socket that daemons started from now on believe to be systemd's."""
    path = tmp_path / "notify"
    listener = Listener(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    yield listener
    listener.close()


def told(line: str) -> Callable[[str], bool]:
    """Whether a text has `line` in it."""
    return lambda text: line in text


def test_a_daemon_tells_what_it_does(systemd: Listener, tmp_path: Path) -> None:
    """It is ready once it has started, then says in one line what it waits for, does and did, and that it lives."""
    simulate(tmp_path / "few.ms", Simulation(antennas=8, channels=4, integrations=4))
    mesh = Mesh(tmp_path / "m", workers=1)
    with mesh:  # all three report to the one listener
        systemd.wait("READY")
        systemd.wait("STATUS", told("waits for slices; 0 imaged"))
        systemd.wait("WATCHDOG")
        job = mesh.submit([tmp_path / "few.ms"], asked(size=(64, 64), scale=40 * ARCSEC))
        mesh.wait_for_job(job)
        systemd.wait("STATUS", told("waits for slices; 4 imaged"))
        mesh.kill("sink", signal.SIGTERM)
        systemd.wait("STOPPING")
        systemd.wait("STATUS", told("waits for a sink"))
        mesh.daemons["sink"].wait()
        mesh.kill("ventilator")
        systemd.wait("STATUS", told(f"waits for the ventilator at {mesh.config.ventilator.control}; 4 imaged"))
        mesh.start("sink")
        systemd.wait("STATUS", told("waits for the ventilator at ipc://"))


def test_settings_change_while_a_daemon_runs(systemd: Listener, tmp_path: Path) -> None:
    """SIGHUP: pace and log level are in force at once, an address needs a restart, a broken file changes nothing."""
    simulate(tmp_path / "few.ms", Simulation(antennas=8, channels=4, integrations=20))  # 8 s apart
    with Mesh(tmp_path / "m", workers=1, settings='pace = "realtime"') as mesh:
        systemd.wait("READY")
        job = mesh.submit([tmp_path / "few.ms"], asked(size=(64, 64), scale=40 * ARCSEC))
        mesh.wait(lambda status: bool(images(mesh.images / job)))
        file = tmp_path / "m" / "fip.toml"
        settings = file.read_text()

        file.write_text(settings.replace("realtime", "quickly"))
        mesh.kill("ventilator", signal.SIGHUP)
        systemd.wait("RELOADING")
        systemd.wait("READY")
        assert "ventilator.pace: 'quickly'" in mesh.log
        assert "nothing has changed" in mesh.log

        changed = settings.replace('"realtime"', '"max"\nlog_level = "debug"\nmax_attempts = 5')
        file.write_text(changed)
        mesh.kill("ventilator", signal.SIGHUP)
        systemd.wait("RELOADING")
        systemd.wait("READY")
        mesh.wait_for_job(job)  # at the pace that it began with this would take 160 s
        assert "ventilator.pace = 'max' (was 'realtime'): in force" in mesh.log
        assert "ventilator.max_attempts = 5 (was 3): needs a restart" in mesh.log
        assert "DEBUG slice 19 of run" in mesh.log


def test_changes_are_those_of_the_settings_that_a_daemon_reads(tmp_path: Path) -> None:
    """Whole tables, single keys, and tables that are new; not what others read."""
    file = tmp_path / "fip.toml"
    file.write_text(
        '[ventilator]\npace = 2\nlane_depth = 4\n[sink]\ndirectory = "/x"\n[worker.cpu0]\nlog_level = "debug"'
    )
    old, new = Config(), load(file).config
    assert list(changes(old, new, ("ventilator",))) == ["ventilator.lane_depth", "ventilator.pace"]
    assert list(changes(old, new, ("ventilator",), apart_from=("ventilator.pace",))) == ["ventilator.lane_depth"]
    assert "worker.cpu0.log_level = 'debug'" in changes(old, new, ("worker.cpu0",))["worker.cpu0.log_level"]
    assert changes(old, old, ("ventilator", "sink", "worker")) == {}


def test_another_pace_goes_on_from_where_it_is() -> None:
    """What comes next comes after its interval at the new pace; at "max" nothing is due, and from there it is now."""
    pace = Pace(1.0, [100.0, 101.0, 102.0, 103.0])
    pace.start(0, now=10.0)
    assert pace.due(2) == 12.0
    pace.change(2.0, now=11.5)
    assert [pace.due(index) for index in (2, 3)] == [11.75, 12.25]
    pace.change(0.0, now=11.6)
    assert pace.due(3) is None
    pace.change(1.0, now=20.0)
    pace.start(3, now=20.5)
    assert pace.due(3) == 20.5


def test_deadlines_that_are_missed_are_counted() -> None:
    """Two intervals after a slice is due, or a second if that is longer; without a pace nothing is late."""
    slow, first, fast = (Pace(rate, [100.0, 108.0]) for rate in (1.0, 1.0, 100.0))
    alone = Pace(1.0, [100.0])
    for pace, index, in_time, late in (
        (slow, 1, 34.0, 34.1), (first, 0, 26.0, 26.1), (fast, 1, 11.08, 11.09), (alone, 0, 11.0, 11.1)
    ):  # fmt: skip
        pace.start(0, now=10.0)
        pace.stored(index, in_time)
        assert pace.missed == 0
        pace.stored(index, late)
        assert pace.missed == 1
    hurried = Pace(0.0, [100.0, 108.0])
    hurried.start(0, now=10.0)
    hurried.stored(1, 1e6)
    assert hurried.missed == 0


HANGS = """
import time
import fip.runtime.time_limits, fip.worker.stages

fip.runtime.time_limits.FIRST_IMAGE_WITHIN = fip.runtime.time_limits.IMAGE_WITHIN = 2.0
image_file = fip.worker.stages.image_file

def hangs(values, *rest):
    while values.index == 2:
        time.sleep(0.1)
    return image_file(values, *rest)

fip.worker.stages.image_file = hangs
"""


def test_a_worker_that_hangs_does_not_say_that_it_lives(
    systemd: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loop turns and reports what it is on; systemd hears no more of life once that takes too long."""
    simulate(tmp_path / "few.ms", Simulation(antennas=8, channels=4, integrations=4))
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "sitecustomize.py").write_text(HANGS)
    with Mesh(tmp_path / "m", workers=1) as mesh:
        systemd.wait("READY")
        mesh.kill("cpu0")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fault"))
        mesh.start("cpu0")
        mesh.submit([tmp_path / "few.ms"], asked(size=(64, 64), scale=40 * ARCSEC))
        systemd.wait("STATUS", told("images slice 2 of run"))
        mesh.kill("sink", signal.SIGSTOP)  # it and the ventilator report to the same listener
        mesh.kill("ventilator", signal.SIGSTOP)
        systemd.wait("STATUS", told(", for 4 s"))
        assert "WATCHDOG" not in systemd.wait("STATUS", told(", for 6 s"))
