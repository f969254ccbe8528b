"""What surrounds a run: no home, folders with long names, a full disk, a directory that is taken away."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from fip.config import load
from fip.data.errors import ConfigError, UsageError
from fip.local import launch
from fip.local.launch import STOP_WITHIN, private_folder
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import FIP, WITHIN, images, started
from support.small_disk import Disk

SMALL = ("--size", "64", "--scale", "40arcsec", "--workers", "1")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of two slices."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.ms"
    simulate(path, Simulation(antennas=8, channels=4, integrations=2))
    return path


def with_environment(changes: dict[str, str], without: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command with another environment."""
    environment = {name: value for name, value in os.environ.items() if name != without} | changes
    command = [str(FIP), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN, check=False)


@pytest.mark.parametrize("home", [{}, {"HOME": ""}])
def test_nobody_needs_a_home(tiny: Path, home: dict[str, str]) -> None:
    """systemd and containers give none: a MeasurementSet is imaged all the same."""
    done = with_environment(home, "HOME", "info", tiny)
    assert done.returncode == 0, done.stderr
    assert "MeerKAT" in done.stdout


def test_a_folder_for_temporary_files_may_have_a_long_name(tiny: Path, tmp_path: Path) -> None:
    """The sockets are then elsewhere, and the run is as any."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    done = with_environment({"TMPDIR": str(long)}, "", "run", tiny, "--output", tmp_path / "out", *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(images(tmp_path / "out")) == 2


def test_where_there_is_no_place_for_sockets_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names TMPDIR and what would work."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    monkeypatch.setattr(launch, "SHORT_PLACES", ())
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    with pytest.raises(UsageError, match=r"^TMPDIR .*xxx: sockets cannot be made in it.*set TMPDIR to a folder of at"):
        private_folder()


def test_an_address_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    """The message has its key, and comes before anything is opened."""
    for key in ("ventilator.control", "sink.images"):
        with pytest.raises(ConfigError, match=rf"{key}: .*is too long: the path of a socket has at most 107"):
            load(None, {key: f"ipc://{tmp_path}/{'x' * 100}"})


def run_until_it_stalls(process: subprocess.Popen[str], *reasons: str) -> list[str]:
    """What a run prints until it says that it cannot store, for one of these reasons."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "cannot store" in line:
            assert any(reason in line for reason in reasons), line
            return lines
    raise AssertionError("".join(lines))


def test_a_full_disk_is_told_at_once_and_ctrl_c_is_quick(many_ms: Path, tmp_path: Path) -> None:
    """Nobody waits for what cannot be stored: the run ends without killing a bar, resumable, in seconds."""
    with (
        Disk(tmp_path / "disk", "2m"),
        started("run", many_ms, "--output", tmp_path / "disk" / "out", "--size", 256, "--scale", "10arcsec") as process,
    ):
        run_until_it_stalls(process, "No space left on device")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=STOP_WITHIN)  # a run that waits for two daemons, one by one, takes longer
        assert process.returncode == 130, said
        assert "run it again to resume" in said
        assert "Traceback" not in said


def test_a_directory_that_is_removed_is_told(many_ms: Path, tmp_path: Path) -> None:
    """Under a run: it says that it cannot store there, and why."""
    output = tmp_path / "out"
    with started("run", many_ms, "--output", output, "--size", 256, "--scale", "10arcsec", "--pace", 100) as process:
        known = psutil.Process(process.pid)
        while len(images(output)) < 5:
            with pytest.raises(psutil.TimeoutExpired):
                known.wait(timeout=0.02)
        output.rename(tmp_path / "gone")
        while (tmp_path / "gone").exists():
            shutil.rmtree(tmp_path / "gone", ignore_errors=True)  # the sink is in it, and makes and renames files
        run_until_it_stalls(process, "No such file or directory", "fip.sqlite is another file now, or gone")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=WITHIN)
        assert "Traceback" not in said
        assert process.returncode != 0
