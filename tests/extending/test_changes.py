"""The recipes of an option and of a metric: what they show is done to a copy of FIP, and is there in every view."""

import json
from pathlib import Path

import pytest
from astropy.io import fits

from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.patched import Patched
from support.repository import ROOT

SMALL = ("--size", "64", "--scale", "40arcsec", "--kernel", "wgridder", "--workers", "1")

WATCH = """
import json, sys
from pathlib import Path
from rich.console import Console
from fip.data.settings import asked
from fip.monitor.metrics import exposition
from fip.state.panels import panels, state_json
from fip.state.pipeline import pipeline_state
from fip.state.trends import remember
from fip.terminal.drawing import whole
from support.mesh import Mesh

with Mesh(Path("mesh"), workers=1) as mesh:
    job = mesh.submit([Path("obs.ms")], asked(size=(64, 64), scale=2e-4, kernel="wgridder", make_psf=True))
    mesh.wait_for_job(job)
    seen = []
    mesh.wait(lambda status: not seen.append(status) and status.sink.status.counters["images"] == 2)
state = pipeline_state(remember(None, seen[-1], seen[-1].time), seen[-1].time)
console = Console(file=open("top.txt", "w"), width=200)
console.print(whole(panels(state), 200))
console.file.close()
print(json.dumps({
    "status": json.loads(state_json(state)),
    "top": Path("top.txt").read_text(),
    "metrics": exposition(state).decode(),
}))
"""


@pytest.fixture(scope="module")
def observation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of two slices."""
    path = tmp_path_factory.mktemp("observation") / "obs.ms"
    simulate(path, Simulation(antennas=8, channels=4, integrations=2))
    return path


def test_an_option_is_one_declaration_and_what_heeds_it(observation: Path, tmp_path: Path) -> None:
    """Command line, help, Python, configuration, header and ledger have it; at its default nothing has changed."""
    patched = Patched(tmp_path, "option")
    patched.fip("run", observation, *SMALL, "--output", "with", "--inner-taper", "10arcmin")
    patched.fip("run", observation, *SMALL, "--output", "without")
    with_, without = (fits.open(tmp_path / name / "obs-t000000-dirty.fits") for name in ("with", "without"))
    with with_, without:
        assert with_[0].header["FIPINTPR"] == pytest.approx(10 / 60)
        assert "FIPINTPR" not in without[0].header
        assert with_[0].header["BMAJ"] < without[0].header["BMAJ"]  # short baselines count for less
    refused = patched.fip("run", observation, *SMALL, "--output", "with", check=False)
    assert refused.returncode == 2
    assert "inner_taper 10arcmin (now default)" in refused.stderr
    program = """if True:
        import fip, sys
        print("inner_taper:" in fip.open.__doc__)
        print(*(fip.open(sys.argv[1], inner_taper=taper).facts.run for taper in (None, "10arcmin")))
        fip.open(sys.argv[1], inner_taper=10)
    """
    asked = patched.python("-c", program, observation, check=False)
    listed, without_it, with_it = asked.stdout.split()
    assert listed == "True"
    assert without_it != with_it
    assert "fip.open: imaging.inner_taper: '10' is not an angle with its unit" in asked.stderr


def test_a_metric_is_counted_once_and_shown_in_every_view(observation: Path, tmp_path: Path) -> None:
    """The files of two slices, an image and a point spread function each: status, top, page and Prometheus say 4."""
    patched = Patched(tmp_path, "metric")
    (tmp_path / "obs.ms").symlink_to(observation)
    told = json.loads(patched.python("-c", WATCH).stdout)
    assert told["status"]["sink"]["status"]["counters"]["files"] == 4
    line = next(line for line in told["metrics"].splitlines() if line.startswith("fip_files_total") and "sink" in line)
    assert float(line.split()[-1]) == 4
    assert "files 4" in " ".join(told["top"].split())
    assert "files 4" in json.dumps(told["status"]["panels"])  # the page is made from these


def test_each_recipe_that_is_listed_is_there() -> None:
    """Each recipe that is there is listed, too."""
    index = (ROOT / "docs" / "extending" / "README.md").read_text()
    there = {path.name for path in (ROOT / "docs" / "extending").glob("*.md")} - {"README.md"}
    listed = {word.split(")")[0] for word in index.split("](")[1:]}
    assert there <= listed
