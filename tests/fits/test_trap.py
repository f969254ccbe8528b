"""What TraP and PySE read of a directory of FIP's, with all that it can have in it; run with --long."""

import subprocess
import sys
from pathlib import Path

import pytest

from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import fip
from support.repository import ROOT


def read(directory: Path, most: int) -> tuple[int, str]:
    """Exit code and output of `python -m benchmarks.trap`."""
    command = [sys.executable, "-m", "benchmarks.trap", str(directory), "--most", str(most)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.timeout(600)  # PySE compiles itself for minutes
def test_pyse_finds_sources_in_a_directory_with_all_that_it_can_have(tmp_path: Path) -> None:
    """Means, -pbcor, point spread functions and transients/ are there; images.txt names the dirty images alone."""
    simulation = Simulation(antennas=16, channels=4, integrations=34, transient=1.5, transient_on=(0, 34), seed=3)
    simulate(tmp_path / "obs.ms", simulation)
    done = fip(
        "run", tmp_path / "obs.ms", "--output", tmp_path / "obs.fip", "--size", "192", "--scale", "5arcsec",
        "--weight", "briggs", "--primary-beam", "airy", "--make-psf", "--subtract-model", "--detect",
        "--also-average", "32",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    code, said = read(tmp_path / "obs.fip", most=2)
    assert code == 0, said
    assert "PySE opens 34 images; in 2 of them" in said
    assert "PySE opens 35 images beside" in said
    listed = (tmp_path / "obs.fip" / "images.txt").read_text().split()
    (tmp_path / "obs.fip" / "images.txt").write_text("\n".join([listed[1], listed[0], "obs-t000000-psf.fits"]))
    code, said = read(tmp_path / "obs.fip", most=1)
    assert code == 1, said
    assert "images.txt is not in order of time" in said
    assert "psf.fits, which is no dirty" in said
