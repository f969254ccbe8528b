"""Stages of users that are not as they should be, and workers that do not have them, with real daemons."""

import math
import os
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from fip.data.errors import UserCodeError
from fip.data.imaged import Imaged
from fip.data.settings import asked
from fip.data.user_code import Code
from fip.data.values import Beam, Grid
from fip.fits.fitsfile import fits_bytes
from fip.imaging.kernels import make_kernel
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.wire.messages import JobStatus, PipelineStatus
from fip.worker.imager import Imager
from fip.worker.stages import pass_through
from fip.worker.user_code import Offered, Offers
from support.fip_command import FIP, fip, images
from support.mesh import SCRIPTS, Mesh
from support.synthetic import array_uvw, make_block, make_slice

SLICES = 4
SMALL = {"size": (64, 64), "scale": float(np.radians(40 / 3600)), "kernel": "wgridder"}
STAGES = '[worker]\nstages = {mine = "mine:stage"}\n'
MINE = "def stage(so_far):\n    return so_far\n"


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of some small slices."""
    path = tmp_path_factory.mktemp("some") / "some.ms"
    simulate(path, Simulation(antennas=8, channels=4, integrations=SLICES))
    return path


def with_code(folder: Path, code: str) -> list[str | Path]:
    """What is put before a worker's command line so that it has this module `mine`."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(code)
    return ["env", f"PYTHONPATH={os.pathsep.join([str(folder), os.environ.get('PYTHONPATH', '')])}"]


def code_in_headers(directory: Path) -> set[str]:
    """What the headers say of their stage."""
    return {fits.getheader(path)["FIPSTG1"] for path in images(directory)}


def rows(directory: Path, columns: str) -> list[tuple[object, ...]]:
    """Return the rows of the slices, as the ledger has them."""
    with sqlite3.connect(directory / "fip.sqlite") as ledger:
        return ledger.execute(f"SELECT {columns} FROM slices ORDER BY slice").fetchall()


def test_slices_go_only_to_workers_with_the_code_of_the_run(some: Path, tmp_path: Path) -> None:
    """Two workers have the NAME, and each its own code: one of them makes all images, at the first attempt."""
    launchers = {"cpu0": with_code(tmp_path / "a", MINE), "cpu1": with_code(tmp_path / "b", f"{MINE}# another\n")}
    with Mesh(tmp_path / "mesh", settings=STAGES, launchers=launchers) as mesh:
        mesh.wait(lambda status: len(status.workers) == 2)
        job = mesh.submit([some], asked(stages="mine", **SMALL))
        mesh.wait_for_job(job)
        assert len(set(rows(mesh.images / job, "worker, attempt"))) == 1
        assert len(code_in_headers(mesh.images / job)) == 1


def test_a_job_waits_for_a_worker_with_its_code(some: Path, tmp_path: Path) -> None:
    """It says for what; others go on; the code that it began with is that which it goes on with, whoever restarts."""
    one, other = with_code(tmp_path / "a", MINE), with_code(tmp_path / "b", f"{MINE}# another\n")
    with Mesh(tmp_path / "mesh", workers=1, settings="pace = 8\n") as mesh:
        job = mesh.submit([some], asked(stages="mine", **SMALL))
        mesh.wait(says(mesh, job, "no worker has stage mine"))
        mesh.wait_for_job(mesh.submit([some], asked(**SMALL)))
        assert "no worker has stage mine" in fip("jobs", "--ventilator", mesh.config.ventilator.control).stdout
        mesh.configuration.write_text(mesh.configuration.read_text() + STAGES)
        mesh.launchers["cpu1"] = one
        mesh.start("cpu1")
        mesh.wait(lambda status: any(run.stored for run in mesh.job(status, job).runs))
        mesh.kill("cpu1")
        mesh.kill("ventilator")
        mesh.launchers["cpu1"] = other
        mesh.start("cpu1")
        mesh.start("ventilator")
        mesh.wait(says(mesh, job, "/cpu1 has mine@"))
        mesh.kill("cpu1")
        mesh.launchers["cpu1"] = one
        mesh.start("cpu1")
        mesh.wait_for_job(job)
        assert mesh.job_now(job).reason == ""
        assert len(images(mesh.images / job)) == SLICES
        assert len(code_in_headers(mesh.images / job)) == 1


def says(mesh: Mesh, job: str, words: str) -> Callable[[PipelineStatus], bool]:
    """Whether a status says so of a job that is not over, and of all."""

    def seen(status: PipelineStatus) -> bool:
        found: JobStatus = mesh.job(status, job)
        return found.state in ("queued", "running") and words in found.reason and words in status.waits

    return seen


FAILS = """
def stage(so_far):
    if so_far.slice.index == 1:
        raise LookupError("no star is there")
    return so_far
"""
HANGS = """
import time
from pathlib import Path

def stage(so_far):
    while so_far.slice.index == 2 and not Path("{}").exists():
        time.sleep(0.1)
    return so_far
"""
IMPATIENT = """
import fip.runtime.time_limits
fip.runtime.time_limits.FIRST_IMAGE_WITHIN = fip.runtime.time_limits.IMAGE_WITHIN = 5.0
"""


def test_an_exception_fails_that_slice_with_a_reason(some: Path, tmp_path: Path) -> None:
    """The ledger has it in a line, the log the traceback; the other slices are stored, and fip says so by its code."""
    (tmp_path / "mine.py").write_text(FAILS)
    words = ("--size", 64, "--scale", "40arcsec", "--kernel", "wgridder", "--stage", "mine:stage")
    done = fip("run", some, "--output", "out", *words, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    found = rows(tmp_path / "out", "state, reason")
    assert [state for state, _ in found] == ["stored", "failed", "stored", "stored"]
    assert found[1][1] == "UserCodeError: stage mine:stage: LookupError: no star is there"
    assert 'raise LookupError("no star is there")' in (tmp_path / "out" / "fip.log").read_text()


def test_a_stage_that_hangs_is_a_hung_worker(some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named as one; when the stage goes on, so does the run."""
    goes_on, site = tmp_path / "goes-on", tmp_path / "site"
    launcher = with_code(site, HANGS.format(goes_on))
    (site / "sitecustomize.py").write_text(IMPATIENT)
    monkeypatch.setenv("PYTHONPATH", launcher[1].removeprefix("PYTHONPATH=") if isinstance(launcher[1], str) else "")
    with Mesh(tmp_path / "mesh", workers=1, settings=STAGES) as mesh:
        job = mesh.submit([some], asked(stages="mine", **SMALL))
        mesh.wait(lambda status: any(name.endswith("/cpu0") for name in status.hung))
        goes_on.touch()
        mesh.wait_for_job(job)
        assert len(images(mesh.images / job)) == SLICES


def test_code_that_cannot_be_imported_is_refused_before_anything_starts(some: Path, tmp_path: Path) -> None:
    """`fip run` refuses it, and leaves nothing behind; so does a worker, with its own configuration."""
    (tmp_path / "mine.py").write_text("import nothing_of_that_name\n")
    done = fip("run", some, "--output", "out", "--stage", "mine:stage", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "fip: stage mine:stage: mine:stage cannot be imported (ModuleNotFoundError: No module named "
        "'nothing_of_that_name'): name a function as package.module:function\n"
    )
    assert {path.name for path in tmp_path.iterdir()} <= {"mine.py", "__pycache__"}
    (tmp_path / "fip.toml").write_text('[worker.cpu0]\nstages = {mine = "nothing_of_that_name:stage"}\n')
    worker = subprocess.run(
        [SCRIPTS / "fip-worker", "--config", tmp_path / "fip.toml"], capture_output=True, text=True, check=False
    )
    assert worker.returncode == 78
    assert "worker cpu0: stage mine: nothing_of_that_name:stage cannot be imported" in worker.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--stage", "nothing"), "stage nothing is not known: there are"),
        (("--stage", "a:b", "--stage", "a:b"), "stage 'a:b' is named twice"),
        (("--stage", "os.path:join@0123456789abcdef"), "the one that is here is os.path:join@"),
        (("--kernel", "nothing"), "kernel nothing is not known: there are auto, slant, wgridder, ska-sdp-func"),
    ],
)
def test_names_that_are_none_are_refused_in_a_line(some: Path, words: tuple[str, ...], says: str) -> None:
    """The message has what was found, and what would work."""
    done = subprocess.run([FIP, "run", some, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


GRID = Grid(24, 16, 1e-4, 0.3, 0.2, "FK5")
Stage = Callable[[Imaged], Imaged]


def imaged(*stages: Stage) -> Imaged:
    """A small slice that has passed through FIP's stages and these."""
    block = make_block(array_uvw(1, 6, 300.0, 1.0), np.array([1.4e9]), [(0.0, 0.0, 1.0)])
    slice_ = make_slice([block], GRID)
    return pass_through(slice_, make_kernel(slice_.settings, GRID), [("mine", each) for each in stages])[0]


def changed(so_far: Imaged, **changes: Any) -> Imaged:
    """Return the same with another dirty image."""
    return so_far.with_image("dirty", replace(so_far.images["dirty"], **changes))


def test_noise_and_extremes_are_those_of_the_pixels_that_a_stage_returns() -> None:
    """This holds for an image that is changed and one that is added; what is left as it was keeps its own."""
    before = imaged()
    after = imaged(
        lambda so_far: so_far.with_image("copy", so_far.images["dirty"]),
        lambda so_far: changed(so_far, pixels=so_far.images["dirty"].pixels * np.float32(2)),
    )
    for kind, factor in (("dirty", 2.0), ("copy", 1.0)):
        one, other = before.images["dirty"].statistics, after.images[kind].statistics
        assert one and other
        assert np.allclose(factor * np.array([one.rms, one.maximum]), [other.rms, other.maximum])
    assert next(iter(after.images)) == "dirty"


def in_place(so_far: Imaged) -> Imaged:
    """A stage that is not pure."""
    so_far.images["dirty"].pixels[...] *= 2
    return so_far


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        (in_place, "ValueError: .* read-only"),
        (lambda so_far: None, "returned NoneType, and not what it was given"),
        (lambda so_far: replace(so_far, images={}), "has lost the image dirty"),
        (lambda so_far: changed(so_far, pixels=so_far.images["dirty"].pixels.astype(float)), "image dirty is float64"),
        (lambda so_far: so_far.with_image("Two-b", so_far.images["dirty"]), "'Two-b' is no kind of image"),
        (lambda so_far: changed(so_far, beam=Beam(1e-4, math.nan, 0.0)), "image dirty has a beam that is not finite"),
        (lambda so_far: so_far.with_number("zeros", 1.0), "number zeros is one of FIP's own"),
        (lambda so_far: so_far.with_number("data_x", 1.0), "number data_x is one of FIP's own"),
        (lambda so_far: so_far.with_number("x", float("nan")), "number x: nan is not finite"),
        (lambda so_far: so_far.with_card("dirty", "lower", 1), "card 'lower': a keyword is"),
        (lambda so_far: so_far.with_card("dirty", "NAXIS1", 1), "card 'NAXIS1': a keyword is"),
        (lambda so_far: so_far.with_card("dirty", "X", "\n"), "card X: .* printable"),
        (lambda so_far: so_far.with_card("dirty", "X", 1, "Jy\n"), "is no unit"),
        (lambda so_far: so_far.with_card("none", "X", 1), "there is no image 'none'"),
        (lambda so_far: so_far.with_table("dirty", "BEAMS", {"x": ([1], "")}), "'BEAMS' is no name for a table"),
        (lambda so_far: so_far.with_table("dirty", "T", {"x": ([1], ""), "y": ([1, 2], "")}), "all of one length"),
        (lambda so_far: so_far.with_table("dirty", "T", {"x": ([None], "")}), "column x: object"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_where_it_is_made(stage: Stage, says: str) -> None:
    """The message has the name of the stage, and what was found."""
    with pytest.raises(UserCodeError, match=f"^stage mine: .*{says}"):
        imaged(stage)


def test_what_cannot_be_sent_fails_in_the_worker() -> None:
    """A beam of other numbers than a message has: the worker lives, and nothing is sent that the sink would drop."""
    block = make_block(array_uvw(1, 6, 300.0, 1.0), np.array([1.4e9]), [(0.0, 0.0, 1.0)])
    slice_ = make_slice([block], GRID)
    width: Any = np.float32(1e-4)
    code = Code("stage", "mine", "", "0123456789abcdef")
    offers = Offers((Offered(code, lambda so_far: changed(so_far, beam=Beam(width, width, 0.0))),))
    asked_for = replace(slice_, settings=replace(slice_.settings, stages=(code.settled,)))
    with pytest.raises(UserCodeError, match=r"^stage mine: what it returned cannot be sent: "):
        Imager(offers)(asked_for, "cpu", "host/cpu0", 0.0)


def test_a_card_of_fip_is_not_written_twice() -> None:
    """Otherwise whoever reads it would take one of the two."""
    made = imaged(lambda so_far: so_far.with_card("dirty", "BMAJ", 1.0, "deg"))
    with pytest.raises(UserCodeError, match="card BMAJ of a stage is one of FIP's own"):
        fits_bytes(made.slice, made.images["dirty"])


def test_tables_of_all_types_are_read_as_they_were_made() -> None:
    """Numbers of each width, truth values, texts; none at all; rows whose bytes are no whole words."""
    columns = {name: (np.array([1, 0, 1]).astype(name), "") for name in ("?", "u1", "i1", "i2", "u4", "i8", "f4", "f8")}
    named = {f"c{number}": column for number, column in enumerate(columns.values())} | {"s": (["a", "bcd", ""], "")}
    made = imaged(
        lambda so_far: so_far.with_table("dirty", "ALL", named).with_table("dirty", "NONE", {"x": (np.empty(0), "deg")})
    )
    with fits.open(BytesIO(fits_bytes(made.slice, made.images["dirty"])), checksum=True) as file:
        for unit in file:
            unit.verify("exception")
        for name, (values, _) in named.items():
            assert file["ALL"].data[name].tolist() == list(values), name
        assert len(file["NONE"].data) == 0
        assert file["NONE"].columns["x"].unit == "deg"
