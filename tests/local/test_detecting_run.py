"""`fip run --detect`: the real command, with its detector beside the sink."""

import signal
import time
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fip.cli.app import app
from fip.data.errors import FipError
from fip.events.listing import listed
from support.fip_command import WITHIN, fip, images, started

OPTIONS = ("--size", "256", "--workers", "1", "--subtract-model", "--detect", "--false-alarms", "1/day")


def test_a_run_that_was_interrupted_goes_on_and_ends_with_its_event(simulated_ms: Path, tmp_path: Path) -> None:
    """One, in the slices in which it is on; what was asked of a search is not changed in its directory."""
    directory = tmp_path / "sim.fip"
    with started("run", simulated_ms, "--output", directory, *OPTIONS, "--pace", "40") as process:
        give_up = time.monotonic() + WITHIN
        while len(images(directory)) < 6:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=WITHIN)[0]
    assert (process.returncode, "searched" in said) == (130, False)
    done = fip("run", simulated_ms, "--output", directory, *OPTIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slices 4 to 5, S/N" in done.stdout
    assert "10 images searched: 1 event, " in done.stdout
    (event,) = [each for each in listed([directory]) if not each["labels"]]
    assert (event["first"], event["last"]) == (4, 5)
    assert refused(simulated_ms, "--output", directory, *OPTIONS[:-1], "1/week") == (
        f"{directory}/transients holds what fip detect --false-alarms 1/86400s --widths 64 found, not fip detect "
        "--false-alarms 1/604800s --widths 64: ask for the same, or move that folder away"
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
        (("--detect", "--watch", "nowhere"), "--watch nowhere: there is no such file; give a list of names and places"),
        (
            ("--detect", "--false-alarms", "few"),
            "command line: detector.false_alarms: 'few' is not a rate of false events, as 1/week or 1/10 min (units: "
            "s, min, h, hour, d, day, week, month, year)",
        ),
    ],
)
def test_what_cannot_be_detected_is_refused_before_anything_begins(
    options: tuple[str, ...], says: str, simulated_ms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line; nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert refused(simulated_ms, *options) == says
    assert not list(tmp_path.iterdir())
