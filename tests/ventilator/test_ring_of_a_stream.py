"""A stream goes on while no worker, no sink and for a moment no ventilator is there: what came becomes images."""

from contextlib import closing
from pathlib import Path

import numpy as np
from astropy.io import fits

from fip.archive.ledger import Ledger
from fip.client.operator import new_job
from fip.data.settings import asked
from fip.wire.messages import Follow, PipelineStatus, RunStatus
from support.fip_command import images
from support.mesh import Mesh
from support.spools import put, spool, writer

SMALL = asked(size=(32, 32), scale=float(np.radians(40 / 3600)))
STAY, AT_A_TIME, MANY = 7, 6, 19  # integrations that are in the spool, come at a time, and come in all


def test_all_that_came_is_imaged_though_it_had_left_the_spool(tmp_path: Path) -> None:
    """But for one, whose slice was damaged meanwhile: it failed, and says why. One that is still there is cut again."""
    mesh = Mesh(tmp_path / "mesh", workers=0, settings="dead_after = 1.0")
    with closing(writer(tmp_path / "spools", keep=STAY)) as writing, mesh:
        put(writing, [0])
        mesh.wait(lambda status: True)
        with mesh.operator() as operator:
            job = operator.submit(new_job([writing.path], SMALL, follow=Follow(0.5, 600.0))).job
        mesh.wait(lambda status: is_safe(status, 1))
        mesh.kill("sink")
        mesh.wait(lambda status: status.sink is None)
        for end in range(AT_A_TIME, MANY, AT_A_TIME):
            put(writing, range(writing.committed, end))
            mesh.wait(lambda status, end=end: is_safe(status, end))  # type: ignore[misc]
        mesh.kill("ventilator")
        put(writing, range(writing.committed, MANY))
        kept = sorted((tmp_path / "mesh" / "arrivals" / "ring").iterdir())
        assert writing.oldest == MANY - STAY
        for number in (3, MANY - AT_A_TIME - 1):
            content = bytearray(kept[number].read_bytes())
            content[-1] ^= 1
            kept[number].write_bytes(content)
        mesh.start("ventilator")
        mesh.wait(lambda status: is_safe(status, MANY))
        mesh.start("sink")
        mesh.start("cpu0")
        mesh.wait(lambda status: any(run.stored == MANY - 1 for run in runs(status)))
        writing.end()
        mesh.wait(lambda status: mesh.job(status, job).state != "running")
        whole = mesh.submit([spool(tmp_path / "whole", range(MANY))], SMALL)
        mesh.wait_for_job(whole)
        assert mesh.log.count("is damaged in the ring of cut slices") == 2
    assert list((tmp_path / "mesh" / "arrivals" / "ring").iterdir()) == []
    with closing(Ledger(mesh.images / job, read_only=True)) as ledger:
        (failed,) = ledger.failures(10)
    assert failed.index == 3
    assert "left the ring" in failed.reason
    assert failed.reason.count("left the ring") == 1
    found, expected = ({each.name: pixels(each) for each in images(mesh.images / name)} for name in (job, whole))
    assert len(found) == MANY - 1
    for name, image in found.items():
        np.testing.assert_array_equal(image, expected[name])


def runs(status: PipelineStatus) -> list[RunStatus]:
    """Return all runs of all jobs."""
    return [run for job in status.jobs for run in job.runs]


def is_safe(status: PipelineStatus, number: int) -> bool:
    """Whether so many slices are known of, and each is stored or kept."""
    return any(run.total == number and run.unsafe is None for run in runs(status))


def pixels(path: Path) -> np.ndarray:
    """Return the pixels of the image."""
    return np.asarray(fits.getdata(path))
