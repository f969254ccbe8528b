"""Nodes of a layout for tests: machines on which install.sh was run, and what an operator does with them."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fip.events.words import FOLDER
from support.fip_command import images
from support.machine import Machine
from support.many_slices import assert_whole
from support.repository import ROOT

LAYOUT = "/etc/fip/fip.toml"
SLOW = ("/opt/fip/versions", "/var/cache/fip")  # what install.sh takes long to make: an environment, compiled kernels


DEADLY = """
import os
import fip.worker.stages

image_file = fip.worker.stages.image_file

def deadly(values, *rest):
    if values.observation.measurement_set == "deadly.ms":
        os.kill(os.getpid(), 9)
    return image_file(values, *rest)

fip.worker.stages.image_file = deadly
"""
"""A sitecustomize.py that ends each worker at a slice of deadly.ms."""


def pip_wheel(wheels: Path, folder: Path, *options: str, version: str = "") -> None:
    """Add wheels of FIP, perhaps as another version, for the system's Python; from a copy, as a build leaves files."""
    source, python = folder / "source", folder / "venv" / "bin" / "python"
    subprocess.run(["/usr/bin/python3", "-m", "venv", folder / "venv"], check=True)
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "*.fip", "*.ms", "shared"))
    if version:
        project = source / "pyproject.toml"
        project.write_text(re.sub('^version = ".*"', f'version = "{version}"', project.read_text(), flags=re.MULTILINE))
    command: list[str | Path] = [python, "-m", "pip", "wheel", "--quiet", "--wheel-dir", wheels, *options, source]
    subprocess.run(command, check=True, capture_output=True)


def install_on(machine: Machine, copies: Path) -> "Installed":
    """Make a machine that has the checkout as /src and wheels as /wheels a node of the default layout."""
    dry = machine.run("/src/install.sh", "node", "--dry-run", "--offline", "/wheels").stdout
    before = [path for path in (machine.path("/opt/fip"), machine.path("/etc/fip")) if path.exists()]
    said = machine.run("/src/install.sh", "node", "--offline", "/wheels", timeout=800).stdout
    kept = {folder: copies / Path(folder).name for folder in SLOW}
    for folder, copy in kept.items():
        subprocess.run(["cp", "-a", machine.path(folder), copy], check=True)
    return Installed(machine, dry, before, said, kept)


@dataclass
class Installed:
    """A machine on which install.sh has just made a node, with nothing started yet, and what became of that."""

    machine: Machine
    dry: str  # what install.sh said that it would do
    before: list[Path]  # what was there of FIP after it had said so
    said: str  # what it said that it did
    copies: dict[str, Path]  # the folders that took long to make, for other machines, which then need not


@dataclass
class Node:
    """A machine that is a node, or is to become one."""

    machine: Machine
    whole: dict[str, bytes]  # the images of a run that nobody disturbed

    def install(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run install.sh of the checkout, which the machine has as /src."""
        return self.machine.run("/src/install.sh", *words, check=check, timeout=800)

    def submit(self, *words: str, under: str = "/var/lib/fip") -> Path:
        """Submit a job, as a user does; return the directory of its images, within the machine."""
        return Path(under) / self.machine.run("fip", "submit", *words).stdout.strip()

    def state_of_job(self, directory: Path) -> tuple[str, str]:
        """The state of the job whose images are in a directory, and why it failed."""
        jobs = json.loads(self.machine.run("fip", "jobs", "--json").stdout)
        return next((job["state"], job["reason"]) for job in jobs if job["job"] == directory.name)

    def stored(self, directory: Path) -> int:
        """How many images are there."""
        return len(images(self.machine.path(str(directory))))

    def wait_for(self, number: int, directory: Path) -> None:
        """Wait until so many images are there."""
        self.machine.wait(lambda: self.stored(directory) >= number, f"store {number} images in {directory}")

    def wait_for_the_end(self, directory: Path) -> None:
        """Wait until the run is over."""
        self.wait_for(len(self.whole), directory)
        self.wait_to_say("fip-ventilator", "no job is under way")

    def assert_whole(self, directory: Path) -> None:
        """Wait for the end of the run, and check that nothing is lost and nothing is there twice."""
        self.wait_for_the_end(directory)
        with tempfile.TemporaryDirectory() as copy:  # SQLite does not find its way through /proc/PID/root
            to = Path(copy) / "job"
            self.machine.wait(lambda: self._copied(directory, to), f"leave {directory} as it is while it is copied")
            assert_whole(to, self.whole)

    def _copied(self, directory: Path, to: Path) -> bool:
        """Copy images and ledger; return False if a file went meanwhile: the sink closes its ledger after the end."""
        still_written = shutil.ignore_patterns(FOLDER)  # a detector goes on after the run's end
        shutil.rmtree(to, ignore_errors=True)
        try:
            shutil.copytree(self.machine.path(str(directory)), to, ignore=still_written)
        except shutil.Error:
            return False
        return True

    def wait_to_say(self, unit: str, line: str) -> None:
        """Wait until the status line of a unit has a match of `line` in it."""
        self.machine.wait(lambda: bool(re.search(line, self.machine.show(unit, "StatusText"))), f"say {line} by {unit}")

    def wait_until(self, unit: str, state: str) -> None:
        """Wait until a unit is "active", "inactive" or "failed"."""
        self.machine.wait(lambda: self.machine.show(unit, "ActiveState") == state, f"have {unit} {state}")

    def restarted(self, unit: str, pid: str) -> None:
        """Wait until systemd has started a unit again."""
        self.machine.wait(lambda: self.machine.show(unit, "MainPID") not in (pid, "0"), f"start {unit} again")
        self.wait_until(unit, "active")

    def enabled(self) -> list[str]:
        """The units that start with fip.target."""
        return self.machine.run("ls", "/etc/systemd/system/fip.target.wants").stdout.split()
