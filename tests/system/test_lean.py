"""What the daemons' processes hold when they have done their work: start-up is paid by each of them."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from fip.data.settings import asked
from support.mesh import Mesh

HEAVY = (
    "scipy",
    "astropy",
    "casacore",
    "matplotlib",
    "numba",
    "llvmlite",
)  # libraries that take longer to import than all the rest


COMPILER = {"numba", "llvmlite", "scipy"}  # which comes with it: compiled code has its matrix products


def loaded(pid: int) -> set[str]:
    """Return the heavy packages that have compiled code loaded in a process."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {package for package in HEAVY if f"/site-packages/{package}/" in maps}


def test_daemons_load_no_heavy_library(simulated_ms: Path, tmp_path: Path) -> None:
    """But for who compiles: a worker, and the ventilator's child, which reads."""
    with Mesh(tmp_path / "mesh", workers=1) as mesh:
        job = mesh.submit([simulated_ms], asked(size=(64, 64), scale=2e-5, kernel="wgridder"))
        mesh.wait_for_job(job)
        found = {name: loaded(daemon.pid) for name, daemon in mesh.daemons.items()}
        for child in psutil.Process(mesh.daemons["ventilator"].pid).children():  # it reads
            found["reader"] = loaded(child.pid)
        assert found == {"ventilator": set(), "reader": {"casacore"} | COMPILER, "sink": set(), "cpu0": COMPILER}


def test_only_what_draws_imports_matplotlib() -> None:
    """Neither the monitor, whose browser draws, nor the detector, which has a process apart for it, nor a command."""
    modules = ("fip_daemons.monitor", "fip_daemons.detector", "fip.cli.run", "fip.cli.watch", "fip.cli.images")
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "fip.monitor.app" in ended.stdout.split()
    assert not {"matplotlib", "PIL"} & set(ended.stdout.split())


def test_the_monitor_imports_nothing_that_compiles() -> None:
    """Its unit may not write memory that it runs."""
    program = "import sys, fip_daemons.monitor; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "fip.monitor.app" in ended.stdout.split()
    assert not {"numba", "llvmlite"} & set(ended.stdout.split())


def test_arithmetic_has_one_thread() -> None:
    """Whatever process: more cores are more workers. numpy's own threads begin when it is imported."""
    program = "import fip.cli, os, numpy; a = numpy.ones((500, 500)); a @ a; print(len(os.listdir('/proc/self/task')))"
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    ended = subprocess.run([sys.executable, "-c", program], env=plain, capture_output=True, text=True, check=True)
    assert int(ended.stdout) == 1
