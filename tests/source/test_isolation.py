"""A child that reads for others: what it raises is raised here, its death is noticed, it knows old files from new."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fip.data.errors import InputError
from fip.data.settings import Asked
from fip.source.child import Child, in_child
from fip.source.growing import Whole
from fip.source.requests import look


def _die(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(path: Path, what: str) -> None:
    raise ValueError(what)


def test_what_a_child_raises_is_raised_here(tmp_path: Path) -> None:
    """Errors of FIP as they are; others as RuntimeError, with their origin; a crash names the file."""
    with Child.fork() as child:
        assert child.call(_named, tmp_path) == tmp_path.name
        with pytest.raises(InputError, match=r"no-such\.ms"):
            child.call(look, tmp_path / "no-such.ms", Asked())
        with pytest.raises(RuntimeError, match="ValueError: why") as told:
            child.call(_fail, tmp_path, "why")
        assert "in _fail" in told.value.__notes__[0]
        with pytest.raises(InputError, match="casacore crashes"):
            child.call(_die, tmp_path)
    assert not psutil.pid_exists(child.pid)
    assert in_child(_named, tmp_path) == tmp_path.name


def _named(path: Path) -> str:
    return path.name


def test_a_measurement_set_that_was_written_since_is_not_what_was_opened(simulated_ms: Path, tmp_path: Path) -> None:
    """`fip run` looks into it, and its ventilator a moment later by the same child; reading changes nothing."""
    path = shutil.copytree(simulated_ms, tmp_path / "copy.ms")
    opened = Whole(path, Asked())
    opened.look().read(0)
    before = opened.current
    os.utime(path / "table.dat", (1.0, 1.0))
    assert (before, opened.current) == (True, False)
    opened.close()


FORKS = """
import os, sys
from pathlib import Path
from subprocess import TimeoutExpired
import psutil
from fip.local.forks import Fork, import_daemons
import_daemons(["fip-sink"])
folder, opened = Path(sys.argv[1]), os.open(os.devnull, os.O_RDONLY)
wrong = Fork("fip-sink", ["--config", str(folder / "none.toml")], folder / "log", {"HOME": str(folder)})
right = Fork("fip-sink", ["--config", str(folder / "fip.toml")], folder / "log", {"HOME": str(folder)})
print(wrong.wait(60), wrong.poll())
while psutil.Process(right.pid).cmdline()[:1] != ["fip-sink"]:
    pass
try:
    right.wait(0.01)
except TimeoutExpired:
    print("runs", psutil.Process(right.pid).name(), os.getsid(right.pid) == right.pid)
while "storing in" not in (folder / "log").read_text():
    pass
print(any(each.fd == opened for each in psutil.Process(right.pid).open_files()))
right.terminate()
print(right.wait(60))
"""


def test_a_fork_is_a_daemon_of_its_own(tmp_path: Path) -> None:
    """Its code, its name, its session and its log; of the descriptors of the process that was forked it has none."""
    (tmp_path / "fip.toml").write_text(
        f'[ventilator]\ncontrol = "ipc://{tmp_path}/c"\n[sink]\ndirectory = "{tmp_path}/o"\nimages = "ipc://{tmp_path}/i"'
    )
    done = subprocess.run([sys.executable, "-c", FORKS, str(tmp_path)], capture_output=True, text=True, timeout=100)
    assert done.stdout.splitlines() == ["78 78", "runs fip-sink True", "False", "0"], done.stderr
    assert "none.toml" in (tmp_path / "log").read_text()
