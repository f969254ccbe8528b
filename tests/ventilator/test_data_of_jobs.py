"""A job that goes on after a restart is of one state of the data: what is stored is compared if files have changed."""

import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fip.archive.ledger import Ledger
from fip.wire.messages import PipelineStatus
from support import small_ms
from support.fip_command import images
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh

WITHIN = 90.0  # s, for anything that a test waits for
PACED = "pace = 120"  # 10 s for all, so that there is something to interrupt


@pytest.fixture
def copied(many_ms: Path, tmp_path: Path) -> Path:
    """The set with many integrations, to be changed."""
    return small_ms.copy(many_ms, tmp_path / "many.ms")


def stop_in_the_midst(mesh: Mesh, job: str) -> int:
    """Kill ventilator and sink when some images are stored; return how many are."""

    def some(status: PipelineStatus) -> bool:
        return any(run.stored >= 20 for run in mesh.job(status, job).runs)

    mesh.wait(some)
    for name in ("ventilator", "sink"):
        mesh.kill(name)
    return len(images(mesh.images / job))


def start_again(mesh: Mesh) -> None:
    """Start both again, as after a reboot."""
    for name in ("ventilator", "sink"):
        mesh.start(name)


def test_a_job_whose_data_were_changed_meanwhile_fails_and_the_next_is_done(copied: Path, tmp_path: Path) -> None:
    """The reason says how many slices differ, and what would work; what is stored stays as it is."""
    other = small_ms.write(tmp_path / "other.ms", small_ms.rows())
    with Mesh(tmp_path / "m", settings=PACED, within=WITHIN) as mesh:
        first, second = mesh.submit([copied], SELECTION), mesh.submit([other], SELECTION)
        stop_in_the_midst(mesh, first)

        def first_rows(flags: np.ndarray) -> np.ndarray:
            flags[:5] = True
            return flags

        small_ms.change(copied, "FLAG", first_rows)
        start_again(mesh)
        mesh.wait_for_job(second)
        failed = mesh.job_now(first)
        assert failed.state == "failed"
        with closing(Ledger(mesh.images / first, read_only=True)) as ledger:
            (totals,) = ledger.totals()
        stored = totals.stored  # a file whose sink was killed before it entered it is not one of them
        assert 20 <= stored < 150
        assert f"1 of {stored} stored slices that were compared differ, the first is slice 0" in failed.reason
        assert len(images(mesh.images / second)) == 3


def test_a_job_whose_files_were_only_touched_goes_on(
    copied: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Once what is stored was compared."""
    with Mesh(tmp_path / "m", settings=PACED, within=WITHIN) as mesh:
        job = mesh.submit([copied], SELECTION)
        stop_in_the_midst(mesh, job)
        for file in copied.iterdir():
            os.utime(file)
        start_again(mesh)
        mesh.wait_for_job(job)
        assert "stored slices were compared and are of the same data" in mesh.log
        assert_whole(mesh.images / job, undisturbed)
