"""A follower of somebody's own, by the words of docs/extending/follower.md alone, beside real daemons."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fip.archive.ledger import Ledger
from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.simulation.plan import Simulation
from fip.wire.messages import PipelineStatus
from support.fip_command import fip
from support.mesh import Mesh
from support.repository import ROOT

RECIPE = ROOT / "docs" / "extending" / "follower.md"
LONGEST = 60  # lines of the file


def recipe() -> str:
    """The file that the recipe has."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", RECIPE.read_text(), re.MULTILINE | re.DOTALL)
    return str(code)


def findings(folder: Path) -> dict[int, Any]:
    """What was found, by slice."""
    with closing(sqlite3.connect(f"file:{folder / 'follower.sqlite'}?mode=ro", uri=True)) as database:
        return {index: json.loads(text) for index, text in database.execute("SELECT slice, finding FROM findings")}


def decided(folder: Path) -> int:
    """Return the number of slices with a known outcome."""
    with closing(sqlite3.connect(f"file:{folder / 'follower.sqlite'}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT COUNT(*) FROM decisions").fetchone()[0])


def known(directory: Path) -> list[str]:
    """The folders of followers that the ledger names."""
    with closing(Ledger(directory, read_only=True)) as ledger:
        return [each.folder for each in ledger.followers.all()]


def next_of(status: PipelineStatus) -> list[int]:
    """How far the followers are, as they say."""
    return [run.next for follower in status.followers for run in follower.runs]


@pytest.mark.timeout(120)
def test_the_recipe_runs_beside_real_daemons_and_finds_the_transient(
    simulated_ms: Path, simulation: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds it in the slices in which it is on, whether killed meanwhile or not, and says how far it is.

    Over the same directory afterwards, by a command, it finds the same.
    """
    assert len(recipe().splitlines()) <= LONGEST
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "flares.py").write_text(recipe())
    monkeypatch.setenv("PYTHONPATH", str(outside), prepend=":")
    table = f'pace = "16"\n[follower.flares]\nstep = "flares:step"\nfolder = "{tmp_path}/found"\ncheckpoint = 2\n'
    with Mesh(tmp_path / "m", workers=1, settings=table) as mesh:
        mesh.start("follower.flares")
        mesh.wait(lambda status: bool(status.followers))
        job = mesh.submit([simulated_ms], asked(size=(512, 512), scale=4 * ARCSEC))
        folder = tmp_path / "found" / job
        mesh.wait(lambda status: max(next_of(status), default=0) >= 3 and known(mesh.images / job) == [str(folder)])
        mesh.kill("follower.flares")
        mesh.wait_for_job(job)
        mesh.start("follower.flares")
        mesh.wait(lambda status: decided(folder) == simulation.integrations)
        shutil.copytree(mesh.images / job, tmp_path / "copy")
    found = findings(folder)
    assert sorted(found) == list(range(*simulation.transient_integrations))
    assert all(0.5 < each["flux"] < 1.5 and each["snr"] > 8 for each in found.values())
    offline = fip("follow", tmp_path / "copy", "flares:step", cwd=outside)
    assert offline.returncode == 0, offline.stderr
    assert f"{simulation.integrations} images seen, {len(found)} findings" in offline.stdout
    assert findings(tmp_path / "copy" / "followers" / "flares") == found
