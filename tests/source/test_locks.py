"""Reading waits for no lock: a set is read while another program has it open for writing, and without file locks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import no_locks
from support.fip_command import FIP, WITHIN, fip, images

HOLDS = """
import sys
from casacore import tables
path = sys.argv[1]
main = tables.table(path, readonly=False, ack=False)
main.putcol("DATA", main.getcol("DATA"))
held = [tables.table(f"{path}/{name}", readonly=False, ack=False, lockoptions="permanent") for name in sys.argv[2:]]
for each in held:
    each.putkeyword("HELD", 1)
print("held", flush=True)
sys.stdin.read()
"""
SUBTABLES = ("ANTENNA", "FIELD", "SPECTRAL_WINDOW", "DATA_DESCRIPTION", "POLARIZATION", "OBSERVATION")


@pytest.fixture
def locked(ms: Path) -> Iterator[Path]:
    """The small set as a notebook leaves it that has written to it, and to its subtables, and is still open."""
    command = [sys.executable, "-c", HOLDS, str(ms), *SUBTABLES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield ms
        holder.kill()


def test_a_set_that_another_program_writes_is_read(locked: Path, tmp_path: Path) -> None:
    """Both `fip info` and `fip run` read it, whole and followed: none waits for a lock."""
    described = fip("info", locked)
    assert described.returncode == 0, described.stderr
    assert "10" in described.stdout
    grid = ("--size", "32", "--scale", "40arcsec")
    made = fip("run", locked, "--output", tmp_path / "out", *grid)
    assert made.returncode == 0, made.stdout + made.stderr
    assert len(images(tmp_path / "out")) == 3


def test_a_file_system_without_locks_is_read_from(ms: Path) -> None:
    """One that says that it has none, as some network file systems do: its sets are MeasurementSets all the same."""
    command = [sys.executable, no_locks.__file__, str(FIP), "info", str(ms)]
    described = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert described.returncode == 0, described.stderr
    assert "3, every 10 s" in described.stdout
