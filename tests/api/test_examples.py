"""What stands in examples/ does what it says."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import fip
from support.repository import ROOT

EXAMPLES = ROOT / "examples"


def test_the_test_bed_makes_the_files_of_the_command(tmp_path: Path) -> None:
    """Source, encode, decode, stages, encode, store in one process: each file bit for bit, and the same ledger."""
    simulate(tmp_path / "obs.ms", Simulation(antennas=8, channels=8, integrations=3))
    options = {"size": "128", "scale": "20arcsec", "stokes": "I,V", "make_psf": "true"}
    program = [sys.executable, str(EXAMPLES / "pipeline.py"), "obs.ms", "bed"]
    words = [*program, *(f"{name}={text}" for name, text in options.items())]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=100)
    typed = [word for name, text in options.items() if name != "make_psf" for word in (f"--{name}", text)]
    assert fip("run", "obs.ms", "--output", "run", "--make-psf", *typed, cwd=tmp_path).returncode == 0
    made, expected = (
        {path.name: path.read_bytes() for path in (tmp_path / at).glob("*.fits")} for at in ("bed", "run")
    )
    assert len(made) == 6
    assert made == expected
    assert fip("verify", "bed", "--digests", cwd=tmp_path).returncode == 0
    wrong = subprocess.run([*program, "sise=3"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("pipeline: there is no option sise")


@pytest.fixture
def undrawn() -> Any:
    """Figures that are drawn on nothing, and forgotten in the end."""
    before = mpl.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


@pytest.mark.usefixtures("undrawn")
def test_the_notebook_finds_the_transient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell runs in turn; the brightest change is at the place of the simulated transient, while it is on."""
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "first_images.ipynb").read_text())
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "clear the outputs before it is committed"
            exec(compile(ast.parse("".join(cell["source"])), cell["id"], "exec"), names)
    truth = Table.read("first.truth.ecsv")
    transient = truth[truth["end"] - truth["first"] < 12][0]
    place = SkyCoord(transient["ra"], transient["dec"], unit="deg", frame=names["place"].frame.name)
    assert names["place"].separation(place).arcsec < 8  # a pixel
    flux = names["curve"]["flux_I"].value
    assert flux[4:8].min() > flux[:4].max() + 0.5
    assert len(plt.get_fignums()) == 2
