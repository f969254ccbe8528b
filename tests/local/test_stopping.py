"""What is killed, interrupted or started again ends with the same images, each stored once."""

import signal
from pathlib import Path

import psutil
import pytest

from fip.archive.ledger import Ledger
from fip.client.run_file import FILE_NAME, read_run_file
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import WITHIN, daemons, fip, images, started
from support.many_slices import SLICES

GRID = ("--size", "256", "--scale", "10arcsec")
UNHURRIED = ("--pace", "100")  # 12 s for all, so that there is something to interrupt


@pytest.fixture(scope="module")
def undisturbed(many_ms: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The images of a run that nobody disturbed."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    assert fip("run", many_ms, "--output", output, *GRID).returncode == 0
    return {image.name: image.read_bytes() for image in images(output)}


def wait_for_images(output: Path, number: int, process: psutil.Process) -> None:
    """Wait until the ledger has so many images of a run that is under way."""
    while len(images(output)) < number:
        with pytest.raises(psutil.TimeoutExpired):
            process.wait(timeout=0.02)


def assert_whole(output: Path, undisturbed: dict[str, bytes]) -> None:
    """All images are there, bit for bit, the ledger agrees, and no temporary is left."""
    assert {image.name: image.read_bytes() for image in images(output)} == undisturbed
    ledger = Ledger(output, read_only=True)
    (totals,) = ledger.totals()
    assert sorted(ledger.files()) == sorted(undisturbed)
    ledger.close()
    assert (totals.stored, totals.failed) == (SLICES, ())
    assert not list(output.glob(".fip-*.tmp"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_resumes(
    how: signal.Signals, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Ctrl-C ends a run with exit 130 and no process left; the same command finishes it and rewrites nothing."""
    output = tmp_path / "out"
    with started("run", many_ms, "--output", output, *GRID, *UNHURRIED) as process:
        wait_for_images(output, 5, psutil.Process(process.pid))
        children = daemons(process.pid)
        process.send_signal(how)
        said, _ = process.communicate(timeout=WITHIN)
        assert process.returncode == 130, said
        assert "run it again to resume" in said
        assert not [child for child in children if child.is_running()]
    first = {image.name: image.stat().st_ino for image in images(output)}
    assert 5 <= len(first) < SLICES
    again = fip("run", many_ms, "--output", output, *GRID)
    assert again.returncode == 0, again.stdout + again.stderr
    assert {image.name: image.stat().st_ino for image in images(output)}.items() >= first.items()
    assert_whole(output, undisturbed)
    once_more = fip("run", many_ms, "--output", output, *GRID)
    assert once_more.returncode == 0
    assert "nothing was left to do" in once_more.stdout


@pytest.mark.parametrize("victim", ["fip-ventilator", "fip-worker", "fip-sink"])
def test_a_daemon_killed_ends_the_run_which_resumes(
    victim: str, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """When a daemon is killed, `fip run` says which, ends with exit 1 and leaves no process; run again, it finishes."""
    output = tmp_path / "out"
    with started("run", many_ms, "--output", output, *GRID, *UNHURRIED) as process:
        wait_for_images(output, 5, psutil.Process(process.pid))
        children = daemons(process.pid)
        next(child for child in children if any(victim in word for word in child.cmdline())).kill()
        said, _ = process.communicate(timeout=WITHIN)
        assert process.returncode == 1, said
        assert "was killed by SIGKILL" in said
        assert not [child for child in children if child.is_running()]
    assert fip("run", many_ms, "--output", output, *GRID).returncode == 0
    assert_whole(output, undisturbed)


def test_daemons_do_not_outlive_a_run_that_was_killed(
    many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """`fip run` killed -9 takes its daemons with it, and nobody takes its file for a run; again, it finishes."""
    output = tmp_path / "out"
    with started("run", many_ms, "--output", output, *GRID, *UNHURRIED) as process:
        wait_for_images(output, 5, psutil.Process(process.pid))
        children = daemons(process.pid)
        said = read_run_file(output)
        assert said is not None
        assert said.pid == process.pid
        assert (output / FILE_NAME).stat().st_mode & 0o777 == 0o600
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=WITHIN)
        assert not alive
    assert (output / FILE_NAME).exists()
    assert read_run_file(output) is None
    assert fip("run", many_ms, "--output", output, *GRID).returncode == 0
    assert not (output / FILE_NAME).exists()
    assert_whole(output, undisturbed)


def test_memory_of_every_daemon_stays_flat(tmp_path: Path) -> None:
    """Over a run of 500 slices no daemon grows, after the first fifth, by more than a few slices."""
    simulate(tmp_path / "long.ms", Simulation(antennas=24, channels=16, integrations=500, cadence=2.0))
    output = tmp_path / "out"
    with started("run", tmp_path / "long.ms", "--output", output, "--size", "128", "--scale", "20arcsec") as process:
        known = psutil.Process(process.pid)
        wait_for_images(output, 100, known)
        early = {child: child.memory_info().rss for child in daemons(process.pid)}
        wait_for_images(output, 480, known)
        late = {child: child.memory_info().rss for child in early}
        assert process.wait(timeout=WITHIN) == 0
    megabyte = 1 << 20
    assert {child.pid: late[child] - early[child] for child in early if late[child] - early[child] > 4 * megabyte} == {}
