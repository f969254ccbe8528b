"""The recipes of a stage and of a kernel, as docs/extending has them: the code is taken from there, and run."""

import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from fip.archive.verify import verify
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import fip, images
from support.mesh import Mesh
from support.recipes import code_of, install, toml_of

SIZE = 64
GRID = ("--size", str(SIZE), "--scale", "40arcsec")
SLICES = 4
LONGEST = 60  # lines


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of some small slices."""
    path = tmp_path_factory.mktemp("some") / "some.ms"
    simulate(path, Simulation(antennas=8, channels=4, integrations=SLICES))
    return path


def numbers(directory: Path, name: str) -> dict[int, tuple[float, str]]:
    """A number of each slice as the ledger has it, with its unit."""
    with sqlite3.connect(directory / "fip.sqlite") as ledger:
        rows = ledger.execute("SELECT slice, value, unit FROM numbers WHERE name = ?", (name,)).fetchall()
    return {index: (value, unit) for index, value, unit in rows}


def submitted(mesh: Mesh, *arguments: object) -> Path:
    """Submit a job and wait for its images; return their folder."""
    done = fip("submit", *arguments, "--wait", "--ventilator", mesh.config.ventilator.control)
    assert done.returncode == 0, done.stdout + done.stderr + mesh.log
    return mesh.images / done.stdout.split()[0]


def check_stage(directory: Path) -> None:
    """The images, cards, tables and numbers that the recipe's stage makes, all of one digest."""
    digests = set()
    found = sorted(directory.glob("*-inner.fits"))
    assert [path.name for path in found] == [path.name.replace("dirty", "inner") for path in images(directory)]
    assert len(found) == SLICES
    peaks = numbers(directory, "inner_peak")
    for index, path in enumerate(found):
        with (
            fits.open(path, checksum=True) as inner,
            fits.open(path.with_name(path.name.replace("inner", "dirty"))) as all_,
        ):
            pixels, dirty = inner[0].data[0, 0], all_[0].data[0, 0]
            there = np.isfinite(pixels)
            assert 0.15 < there.mean() < 0.25
            assert np.array_equal(pixels[there], dirty[there])
            header = inner[0].header
            assert (header["FIPKIND"], header["BUNIT"], header.comments["PEAK"]) == (
                "inner",
                "Jy/beam",
                "[Jy/beam] brightest pixel",
            )
            assert header["PEAK"] == header["DATAMAX"] == pixels[there].max() == inner["PEAKS"].data["flux"][0]
            row = inner["PEAKS"].data[0]
            assert pixels[row["y"], row["x"]] == header["PEAK"]
            assert inner["PEAKS"].columns["x"].unit == "pix"
            assert peaks[index] == (header["PEAK"], "Jy/beam")
            digests |= {header["FIPSTG1"], all_[0].header["FIPSTG1"]}
    assert len(digests) == 1
    assert re.fullmatch("(rings:)?inner@[0-9a-f]{16}", digests.pop())
    assert set((directory / "images.txt").read_text().split()) == {path.name for path in images(directory)}
    assert verify(directory, digests=True) == 0


def test_the_stage_of_the_recipe_runs_under_fip_run(some: Path, tmp_path: Path) -> None:
    """One file in the folder that fip is run in, and no more; run again, there is nothing to do."""
    (tmp_path / "rings.py").write_text(code_of("stage"))
    assert len(code_of("stage").splitlines()) <= LONGEST
    words = ("run", some, "--output", "out", *GRID, "--stage", "rings:inner")
    done = fip(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    check_stage(tmp_path / "out")
    assert "nothing was left to do" in fip(*words, cwd=tmp_path).stdout
    with sqlite3.connect(tmp_path / "out" / "fip.sqlite") as ledger:
        (seconds,) = ledger.execute("SELECT seconds FROM slices").fetchone()
    assert '"rings:inner": ' in seconds
    with (tmp_path / "rings.py").open("a") as code:
        code.write("# another\n")
    done = fip(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "out holds images made with stages rings:inner@" in done.stderr


def test_the_stage_of_the_recipe_runs_on_nodes(some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job has the NAME, the workers' configuration the function; the ventilator and the sink import nothing of it."""
    install(tmp_path / "site", monkeypatch, {"rings.py": code_of("stage") + "\nprint('imported', __name__)\n"})
    with Mesh(tmp_path / "mesh", settings=toml_of("stage", "[worker]")) as mesh:
        check_stage(submitted(mesh, some, *GRID, "--stage", "inner"))
        assert mesh.log.count("imported rings") == 2  # once in each worker
        mesh.wait(lambda status: any("inner" in worker.status.latencies for worker in status.workers))


def test_the_kernel_of_the_recipe_runs_under_fip_run(some: Path, tmp_path: Path) -> None:
    """It makes the images that FIP's own make, to their accuracy."""
    assert len(code_of("kernel").splitlines()) <= LONGEST
    (tmp_path / "plain.py").write_text(code_of("kernel"))
    for output, kernel in (("theirs", "plain:FourierSum"), ("ours", "wgridder")):
        done = fip("run", some, "--output", output, *GRID, "--kernel", kernel, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    check_kernel(tmp_path / "theirs", tmp_path / "ours", "plain:FourierSum")


def check_kernel(theirs: Path, ours: Path, name: str) -> None:
    """The images of the recipe's kernel beside those of FIP's."""
    assert len(images(theirs)) == SLICES
    for one, other in zip(images(theirs), images(ours), strict=True):
        header, exact, pixels = fits.getheader(one), fits.getdata(one), fits.getdata(other)
        assert np.linalg.norm(pixels - exact) <= 1e-5 * np.linalg.norm(exact)
        assert header["FIPKERN"] == name
        assert re.fullmatch(f"{name}@[0-9a-f]{{16}}", header["FIPKCODE"])


def test_installed_stages_and_kernels_have_names(some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are entry points of a package beside FIP; `auto` does not choose the kernel."""
    points = toml_of("kernel", "[project.entry-points") + toml_of("stage", "[project.entry-points")
    install(tmp_path / "site", monkeypatch, {"plain.py": code_of("kernel"), "rings.py": code_of("stage")}, points)
    with Mesh(tmp_path / "mesh") as mesh:
        theirs = submitted(mesh, some, *GRID, "--kernel", "fourier-sum")
        ours = submitted(mesh, some, *GRID, "--stage", "inner")
        check_kernel(theirs, ours, "fourier-sum")
        check_stage(ours)
