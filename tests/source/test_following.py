"""`--follow`: a MeasurementSet is imaged while another program writes it."""

import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from astropy.io import fits

from fip.archive.file_names import LOG_FILE
from fip.data.errors import NotYetError
from fip.data.selection import Average
from fip.data.settings import Asked, asked
from fip.source.growing import Growing
from fip.source.tables.measurement_set import MeasurementSet
from fip.wire.messages import PipelineStatus
from support.fip_command import WITHIN, fip, images, started, totals, wait_for_images
from support.mesh import Mesh
from support.ms_writer import Writer

GRID = ("--size", "64", "--scale", "40arcsec")
END = """
[source]
follow_complete = {complete}
follow_end = {end}
"""


def config(folder: Path, complete: float = 4.0, end: float = 8.0) -> Path:
    """A configuration of when a MeasurementSet has come to its end, in seconds."""
    path = folder / f"end-{complete}-{end}.toml"
    path.write_text(END.format(complete=complete, end=end))
    return path


def test_a_measurement_set_is_imaged_while_it_is_written(tmp_path: Path) -> None:
    """All but the last integration come at once, the last when it is quiet; killed and resumed meanwhile, each once.

    In the end the images are those of the finished MeasurementSet.
    """
    ms, output, many = tmp_path / "live.ms", tmp_path / "out", 12
    endless = config(tmp_path, 1000, 1000)
    with Writer(ms, many) as writer:
        with started("run", ms, "--follow", "--output", output, *GRID, "--config", endless) as run:
            writer.write(3)
            wait_for_images(output, 3, run)
            writer.write(1)
            wait_for_images(output, 4, run)
            assert [image.name for image in images(output)] == [f"live-t{n:06d}-dirty.fits" for n in range(4)]
            assert totals(output) == (4, 4, False)
            run.kill()
            run.wait()
        before = {image: image.stat().st_ino for image in images(output)}
        writer.write(3)
        with started("run", ms, "--follow", "--output", output, *GRID, "--config", endless) as run:
            wait_for_images(output, 7, run)
            run.send_signal(signal.SIGINT)
            assert run.wait(WITHIN) == 130
        assert totals(output) == (7, 7, False)
        assert {image: image.stat().st_ino for image in images(output)}.items() >= before.items()
        with started("run", ms, "--follow", "--output", output, *GRID, "--config", config(tmp_path)) as run:
            writer.write(many - 8)
            wait_for_images(output, many, run)
            said, _ = run.communicate(timeout=WITHIN)
    assert run.returncode == 0, said
    assert f"{many} of {many} images" in said
    assert totals(output) == (many, many, True)
    assert fip("run", ms, "--output", tmp_path / "whole", *GRID).returncode == 0
    for followed, whole in zip(images(output), images(tmp_path / "whole"), strict=True):
        assert followed.name == whole.name
        differences = fits.FITSDiff(
            str(followed), str(whole), ignore_keywords=["FIPRUN", "CHECKSUM", "DATASUM", "DATE"]
        )
        assert differences.identical, differences.report()


def test_a_measurement_set_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """`fip run --follow` may begin before the telescope does; without data it ends, and says why."""
    ms, output = tmp_path / "late.ms", tmp_path / "out"
    asked_for = ("run", ms, "--follow", "--output", output, *GRID, "--config", config(tmp_path, end=60))
    with started(*asked_for) as run, Writer(ms, 3) as writer:
        writer.write(1)
        wait_for_images(output, 2, run)
    done = fip("run", tmp_path / "never.ms", "--follow", *GRID, "--config", config(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert "never.ms: no such file or folder" in done.stderr.splitlines()[-1]


def test_a_job_follows_whatever_is_killed(tmp_path: Path) -> None:
    """`fip submit --follow`: the ventilator is killed while it waits for data, and ends with all of them."""
    ms, many = tmp_path / "live.ms", 6
    with Mesh(tmp_path / "mesh", workers=1) as mesh, Writer(ms, many) as writer:
        mesh.wait(lambda status: True)
        address = ("--ventilator", mesh.config.ventilator.control)
        done = fip("submit", ms, "--follow", *GRID, *address, "--config", config(tmp_path, end=12))
        assert done.returncode == 0, done.stderr
        job = done.stdout.strip()
        writer.write(2)
        mesh.wait(lambda status: [(run.stored, run.final) for run in mesh.job(status, job).runs] == [(2, False)])
        mesh.kill("ventilator")
        writer.write(many - 3)
        mesh.start("ventilator")
        mesh.wait_for_job(job)
        assert len(images(mesh.images / job)) == many
        assert totals(mesh.images / job) == (many, many, True)


def test_a_reading_child_that_is_killed_again_and_again_ends_no_run(tmp_path: Path) -> None:
    """For a set that is whole, two deaths at one call mean damage; one that is being written is looked at again."""
    ms, many, kills = tmp_path / "live.ms", 4, 5
    with Mesh(tmp_path / "mesh", workers=1) as mesh, Writer(ms, many) as writer:
        mesh.wait(lambda status: True)
        address = ("--ventilator", mesh.config.ventilator.control)
        done = fip("submit", ms, "--follow", *GRID, *address, "--config", config(tmp_path, 1000, 1000))
        job = done.stdout.strip()
        writer.write(1)
        mesh.wait(lambda status: [run.stored for run in mesh.job(status, job).runs] == [1])
        killed: set[int] = set()

        def kill(status: PipelineStatus) -> bool:
            for child in psutil.Process(mesh.daemons["ventilator"].pid).children():
                if child.pid not in killed:
                    killed.add(child.pid)
                    child.kill()
            return len(killed) >= kills or mesh.job(status, job).state == "failed"

        mesh.wait(kill)
        assert "is damaged" not in mesh.log
        writer.write(many - 2)
        mesh.wait(lambda status: [run.stored for run in mesh.job(status, job).runs] == [many - 1])


class Torn:
    """A set that is being written, as it is on disk in the midst of a flush: files that do not fit each other."""

    def __init__(self, ms: Path, writer: Writer) -> None:
        """Written to its end now; the one file that casacore writes last is kept back."""
        self._file = ms / "table.lock"
        before = self._file.read_bytes()
        writer.write(1)
        self._after = self._file.read_bytes()
        self._file.write_bytes(before)

    def mend(self) -> None:
        """Write the file whole: the flush is over."""
        self._file.write_bytes(self._after)


def test_a_set_that_is_looked_at_in_the_midst_of_a_flush_is_looked_at_again(tmp_path: Path) -> None:
    """What does not fit is not there yet; a moment later all that is there is read as ever."""
    ms, many = tmp_path / "live.ms", 8
    with Writer(ms, many) as writer:
        writer.write(3)
        growing = Growing(ms, Asked())
        assert len(growing.look().slices) == 3
        torn = Torn(ms, writer)
        for _ in range(3):
            with pytest.raises(NotYetError, match=r"live\.ms: cannot read the rows that were added"):
                growing.look()
        with pytest.raises(NotYetError):
            growing.up_to(0)
        torn.mend()
        assert len(growing.look().slices) == 4
        assert [growing.up_to(0).read(index).index for index in (0, 3)] == [0, 3]
        writer.write(1)
        assert len(growing.look().slices) == 5
        growing.close()


def test_a_run_goes_on_over_a_look_in_the_midst_of_a_flush(tmp_path: Path) -> None:
    """It says so, and images what comes."""
    ms, output, many = tmp_path / "live.ms", tmp_path / "out", 6
    with Writer(ms, many) as writer:
        writer.write(2)
        with started("run", ms, "--follow", "--output", output, *GRID, "--config", config(tmp_path, 1, 4)) as run:
            wait_for_images(output, 2, run)
            torn = Torn(ms, writer)
            while "cannot be read now, which is tried again" not in (output / LOG_FILE).read_text():
                with suppress(subprocess.TimeoutExpired):
                    run.wait(timeout=0.05)
                    raise AssertionError(run.communicate()[0])
            torn.mend()
            writer.write(many - 4)
            said, _ = run.communicate(timeout=WITHIN)
    assert run.returncode == 0, said
    assert totals(output) == (many, many, True)


def test_a_look_at_nothing_new_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at one more integration reads the rows of that one alone, whatever came before."""
    ms, many = tmp_path / "live.ms", 9
    read: list[range] = []
    rows = MeasurementSet.rows

    def noted(self: MeasurementSet, numbers: range) -> Any:
        read.append(numbers)
        return rows(self, numbers)

    with Writer(ms, many) as writer:
        writer.write(5)
        growing = Growing(ms, Asked())
        growing.look()
        first = growing.look()
        monkeypatch.setattr(MeasurementSet, "rows", noted)
        assert growing.look() is first
        assert read == []
        before = growing.rows
        writer.write(1)
        assert len(growing.look().slices) == 6
        assert min(numbers[0] for numbers in read) >= before - (growing.rows - before)
        growing.close()


def test_a_run_that_grows_is_the_run_of_the_whole(tmp_path: Path) -> None:
    """Looked into at any time, it has the same id and the same slices; groups of averaged integrations are whole."""
    ms, many = tmp_path / "live.ms", 11
    averaged = asked(size=(64, 64), average=Average(3, "integrations"))
    with Writer(ms, many) as writer:
        plain, groups = Growing(ms, Asked()), Growing(ms, averaged)
        with pytest.raises(NotYetError, match="no integration is complete yet"):
            plain.look()
        ids, slices = set(), []
        for number in range(2, many + 1):
            writer.write(1)
            run = plain.look()
            assert [each.integrations for each in run.slices] == [(k,) for k in range(number - 1)]
            late = Growing(ms, Asked())
            assert [each.time for each in late.look().slices] == [each.time for each in run.slices]
            ids |= {run.id, late.look().id}
            late.close()
            slices.append([each.integrations for each in groups.look().slices])
    whole = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10)]
    assert len(ids) == 1
    assert all(found == whole[: len(found)] for found in slices)
    assert len(slices[-1]) == 3
    assert [each.integrations for each in groups.look(complete=True).slices] == whole[:3]
    assert [each.integrations for each in groups.look(complete=True, ended=True).slices] == whole
    plain.close()
    groups.close()
