"""`fip run FOLDER --follow`: sets that arrive in a folder, in sub-bands, are imaged as one recording that grows."""

from pathlib import Path

import pytest
from astropy.io import fits

from fip.archive.file_names import LOG_FILE
from fip.wire.messages import PipelineStatus
from support.arriving_sets import CADENCE, PARTS, Recorder
from support.fip_command import WITHIN, fip, images, started, totals, wait_for_images
from support.mesh import Mesh

GRID = ("--size", "64", "--scale", "40arcsec")
RULES = ("--follow", "--follow-settle", "0.3s", "--follow-grace", "3s", "--follow-marker", "FINISHED")


def test_sets_that_arrive_in_parts_are_imaged_together(tmp_path: Path) -> None:
    """Sub-bands of one time are one image; killed and resumed meanwhile, each is made once; the marker ends it.

    Of one time a sub-band does not come until its grace is over: it is imaged without it, and what comes late is said.
    """
    recorder, output = Recorder(tmp_path / "night", tmp_path / "made"), tmp_path / "out"
    with started("run", recorder.folder, *RULES, "--output", output, *GRID) as run:
        for time in range(3):
            recorder.arrive(time)
        wait_for_images(output, 3, run)
        run.kill()
        run.wait()
    (order,) = (output / "arrivals").iterdir()
    written = order.read_text()
    before = {image: image.stat().st_ino for image in images(output)}
    recorder.arrive(3, (0, 2, 3))
    recorder.arrive(4)
    with started("run", recorder.folder, *RULES, "--output", output, *GRID) as run:
        wait_for_images(output, 5, run)
        recorder.arrive(3, (1,))
        recorder.arrive(5)
        (recorder.folder / "FINISHED").touch()
        said, _ = run.communicate(timeout=WITHIN)
    assert run.returncode == 0, said
    assert "of what arrived 1 missing, 1 late (fip.log)" in said
    assert totals(output) == (6, 6, True)
    assert order.read_text().startswith(written)
    assert {image: image.stat().st_ino for image in images(output)}.items() >= before.items()
    headers = [fits.getheader(image) for image in images(output)]
    begun = [header["MJD-BEG"] * 86400 - headers[0]["MJD-BEG"] * 86400 for header in headers]
    assert begun == pytest.approx([CADENCE * time for time in range(6)], abs=1e-3)
    alone = headers[0]["FIPNVIS"] // PARTS
    assert [header["FIPNVIS"] // alone for header in headers] == [PARTS, PARTS, PARTS, PARTS - 1, PARTS, PARTS]
    assert "0003_1.ms: late" in (output / LOG_FILE).read_text()


def test_a_folder_of_sets_is_followed_or_named_set_by_set(tmp_path: Path) -> None:
    """Without --follow it is no MeasurementSet, and the one line says what would work."""
    recorder = Recorder(tmp_path / "night", tmp_path / "made")
    recorder.arrive(0, (0,))
    done = fip("run", recorder.folder, *GRID, cwd=tmp_path)
    assert done.returncode == 2
    assert "0000_0.ms: name those, or give --follow" in done.stderr.splitlines()[-1]
    wrong = fip("run", recorder.folder, "--follow", "--follow-marker", "../x", cwd=tmp_path)
    assert "'../x' is not the name of a file in the folder" in wrong.stderr.splitlines()[-1]


def test_a_job_of_arriving_sets_goes_on_whatever_is_killed(tmp_path: Path) -> None:
    """The ventilator is killed while sets arrive: the same order, each once. What is odd and waited for is shown.

    If the order cannot be written the run does not grow, and says so; later it goes on by itself. `fip cancel` ends it.
    """
    recorder, folder = Recorder(tmp_path / "night", tmp_path / "made"), tmp_path / "mesh"
    rules = ("--follow", "--follow-settle", "0.3s", "--follow-grace", "2s", "--follow-parts", f"{PARTS}")
    with Mesh(folder, workers=1) as mesh:

        def stored(number: int, status: PipelineStatus) -> bool:
            return [run.stored for run in mesh.job(status, job).runs] == [number]

        def told(status: PipelineStatus) -> tuple[dict[str, int], str]:
            (run,) = mesh.job(status, job).runs
            return run.oddities, run.waits

        mesh.wait(lambda status: True)
        done = fip("submit", recorder.folder, *rules, *GRID, "--ventilator", mesh.config.ventilator.control)
        assert done.returncode == 0, done.stderr
        job = done.stdout.strip()
        recorder.arrive(0)
        recorder.arrive(1)
        mesh.wait(lambda status: stored(2, status))
        mesh.kill("ventilator")
        (order,) = (mesh.config.ventilator.queue.parent / "arrivals").iterdir()
        with order.open("a") as file:
            file.write('{"group": [["half')  # as power fails
        recorder.arrive(2, (1, 2, 3))
        recorder.arrive(1, (0,), "again")
        mesh.start("ventilator")
        mesh.wait(lambda status: stored(2, status) and "sub-band 4 of 4" in told(status)[1])
        mesh.wait(lambda status: stored(3, status) and told(status) == ({"missing": 1, "late": 1}, ""))
        aside = order.parent.rename(folder / "aside")
        order.parent.touch()
        mesh.kill("ventilator")
        mesh.start("ventilator")
        recorder.arrive(3)
        mesh.wait(lambda status: "the order in which sets arrive cannot be written" in status.unsaved)
        order.parent.unlink()
        aside.rename(order.parent)
        mesh.wait(lambda status: stored(4, status) and not status.unsaved)
        assert fip("cancel", job, "--ventilator", mesh.config.ventilator.control).returncode == 0
    assert [fits.getheader(image)["FIPSLICE"] for image in images(mesh.images / job)] == [0, 1, 2, 3]
    assert mesh.log.count("late") == 1
