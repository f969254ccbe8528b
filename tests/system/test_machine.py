"""The machine that tests of systemd units boot: it is real, keeps what a disk keeps, and leaves nothing behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine import Machine, why_not
from support.repository import TESTS

UNIT = """[Service]
Type=notify
NotifyAccess=all
ExecStart=/bin/sh -c 'systemd-notify --ready --status="listens"; exec sleep infinity'
[Install]
WantedBy=multi-user.target
"""
CRASHES = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from support.machine import Machine
with Machine("crash") as machine:
    machine.start("sleep", "3333")
    print(machine.path("").parent.name, machine.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine that has a folder of the host."""
    if reason := why_not():
        pytest.skip(reason)
    with Machine("box", {"/tests": Path(__file__).parent}) as booted:
        yield booted


def test_a_machine_is_apart_from_its_host(machine: Machine) -> None:
    """It has its name, its processes, its network and its files; what it is shown it cannot change."""
    assert machine.run("hostname").stdout.strip() == "box"
    assert machine.run("cat", "/proc/1/comm").stdout.strip() == "systemd"
    assert [line.split()[1] for line in machine.run("ip", "-o", "link").stdout.splitlines()] == ["lo:"]
    machine.run("sh", "-c", "echo inside >/etc/of-the-machine; echo 1 >/run/of-the-machine")
    assert machine.path("/etc/of-the-machine").read_text() == "inside\n"
    assert not Path("/etc/of-the-machine").exists()
    assert machine.run("cat", f"/tests/{Path(__file__).name}").stdout == Path(__file__).read_text()
    assert machine.run("touch", "/tests/test_machine.py", check=False).returncode != 0
    assert machine.systemctl("--failed", "--plain", "--no-legend") == ""


def test_units_run_and_come_back(machine: Machine) -> None:
    """A unit that is enabled is there after a reboot and after a power cut, and so is what was written."""
    machine.path("/etc/systemd/system/listens.service").write_text(UNIT)
    machine.systemctl("enable", "--now", "listens")
    itself = machine.path("/etc/machine-id").read_text()
    machine.path("/var/tmp/kept").write_text("kept")
    machine.reboot()
    assert machine.show("listens", "StatusText") == "listens"
    machine.power_cut()
    machine.boot()
    assert machine.show("listens", "StatusText") == "listens"
    assert machine.path("/var/tmp/kept").read_text() == "kept"
    assert machine.path("/etc/machine-id").read_text() == itself


@pytest.mark.usefixtures("machine")
def test_a_copied_folder_is_the_machines_own(tmp_path: Path) -> None:
    """The machine changes its copy and keeps that through a power cut; on the host the folder stays as it was."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "changed").write_text("host")
    (folder / "removed").write_text("host")
    os.chown(folder, 123, 123)
    with Machine("box", copied={"/srv/copy": folder}) as box:
        box.run("sh", "-ec", "cd /srv/copy; echo box >changed; echo box >new; rm removed; sync")
        box.power_cut()
        box.boot()
        assert box.run("stat", "--format=%u", "/srv/copy").stdout == "123\n"
        assert {path.name: path.read_text() for path in box.path("/srv/copy").iterdir()} == {
            "changed": "box\n", "new": "box\n",
        }  # fmt: skip
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"changed": "host", "removed": "host"}


def test_nothing_is_left_when_tests_are_killed(machine: Machine) -> None:
    """Tests killed -9 take their machine with them: processes, cgroups, files."""
    crash = subprocess.run([sys.executable, "-c", CRASHES, TESTS], capture_output=True, text=True, check=False)
    first, folder = crash.stdout.split()
    machine.wait(lambda: not Path(folder).exists(), "see the other machine's files go")
    assert not Path(f"/proc/{first}").exists()
    assert not list(Path("/sys/fs/cgroup").glob("**/fip-crash-*"))
