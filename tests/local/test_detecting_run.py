"""`fip run --detect`: the real command, with its detector beside the sink."""

import json
import signal
import time
from pathlib import Path

import pytest

from support.fip_command import WITHIN, fip, images, started

OPTIONS = ("--size", "256", "--workers", "1", "--subtract-model", "--detect", "--false-alarms", "1/day")
FOUND = "transients/events.ecsv"


def test_a_run_that_was_interrupted_goes_on_and_ends_with_its_event(simulated_ms: Path, tmp_path: Path) -> None:
    """One, in the slices in which it is on, as in a run that nobody disturbed; given again, it says the same."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = fip("run", simulated_ms, "--output", whole, *OPTIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slices 4 to 5, S/N" in done.stdout
    assert "10 images searched: 1 event, " in done.stdout
    with started("run", simulated_ms, "--output", cut, *OPTIONS, "--pace", "40") as process:
        give_up = time.monotonic() + WITHIN
        while len(images(cut)) < 6:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=WITHIN)[0]
    assert (process.returncode, "searched" in said) == (130, False)
    again = fip("run", simulated_ms, "--output", cut, *OPTIONS)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (cut / FOUND).read_bytes() == (whole / FOUND).read_bytes()
    (event,) = [each for each in json.loads(fip("events", cut, "--json").stdout) if not each["labels"]]
    assert (event["first"], event["last"]) == (4, 5)
    last = fip("run", simulated_ms, "--output", cut, *OPTIONS)
    assert "nothing was left to do" in last.stdout
    assert "10 images searched: 1 event, " in last.stdout
    other = fip("run", simulated_ms, "--output", cut, *OPTIONS[:-1], "1/week")
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr.startswith(f"fip: {cut}/transients holds what fip detect --false-alarms 1/86400s")
    assert other.stderr.endswith(": ask for the same, or move that folder away\n")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--also-average", "32"), "--also-average is for --detect, which is not given: give it, too"),
        (("--detect", "--watch", "nowhere"), "--watch nowhere: there is no such file; give a list of names and places"),
        (("--detect", "--false-alarms", "few"), "command line: detector.false_alarms: 'few' is not a rate of false"),
    ],
)
def test_what_cannot_be_detected_is_refused_before_anything_begins(
    options: tuple[str, ...], says: str, simulated_ms: Path, tmp_path: Path
) -> None:
    """In one line; nothing is written."""
    done = fip("run", simulated_ms, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"fip: {says}")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
