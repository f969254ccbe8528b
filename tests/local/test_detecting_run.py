"""`fip run --detect`: the real command, with its detector beside the sink."""

import re
import signal
import time
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fip.archive.pins import Pin, read_pins
from fip.cli.app import app
from fip.data.errors import FipError
from fip.events.listing import listed
from fip.events.measuring import WINDOW
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import WITHIN, fip, images, started
from support.repository import ROOT

ON = (24, 35)  # slices, the last included
OF_THE_DEMO = re.findall(r"how=\(--pace 8 (.*)\)\n", (ROOT / "install.sh").read_text())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's observation, of fewer antennas and channels."""
    assert "fip simulate demo.ms --integrations 60\n" in (ROOT / "install.sh").read_text()
    path = tmp_path_factory.mktemp("demo") / "demo.ms"
    simulate(path, Simulation(antennas=24, channels=8, integrations=60))
    return path


def test_the_demo_interrupted_and_resumed_ends_with_its_event(demo: Path, tmp_path: Path) -> None:
    """One, in the slices in which the transient is on; what was asked of a search is not changed in its directory."""
    directory = tmp_path / "demo.fip"
    (told,) = OF_THE_DEMO
    options = (*told.split(), "--output", directory, "--size", "512", "--workers", "1")
    with started("run", demo, *options, "--pace", "160") as process:
        give_up = time.monotonic() + WITHIN
        while len(images(directory)) < 30:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=WITHIN)[0]
    assert (process.returncode, "searched" in said) == (130, False)
    done = fip("run", demo, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"slices {ON[0]} to {ON[1]}, S/N" in done.stdout
    assert "60 images searched: 1 event, " in done.stdout
    (event,) = [each for each in listed([directory]) if not each["labels"]]
    assert (event["first"], event["last"]) == ON
    (pin,) = read_pins(directory)  # its images are not to expire
    assert pin == Pin(event["id"], event["run"], "", ON[0], ON[1] + 1, WINDOW)
    assert refused(demo, *options, "--false-alarms", "1/day") == (
        f"{directory}/transients holds what fip detect --false-alarms '1/week' --widths 64 found, not fip detect "
        "--false-alarms '1/day' --widths 64: ask for the same, or move that folder away"
    )


def refused(*words: object) -> str:
    """Why `fip run` refuses these."""
    import_module("fip.cli")  # which has all commands
    error = CliRunner().invoke(app, ["run", *map(str, words)]).exception
    assert isinstance(error, FipError)
    return str(error)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--also-average", "32"), "--also-average is for --detect, which is not given: give it, too"),
        (("--detect", "--watch", "nowhere"), "--watch nowhere: cannot be read: No such file or directory"),
        (
            ("--detect", "--false-alarms", "few"),
            "command line: detector.false_alarms: 'few' is not a rate of false events, as 1/week or 1/10 min (units: "
            "s, min, h, hour, d, day, week, month, year)",
        ),
    ],
)
def test_what_cannot_be_detected_is_refused_before_anything_begins(
    options: tuple[str, ...], says: str, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is one line; nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert refused(demo, *options) == says
    assert not list(tmp_path.iterdir())
