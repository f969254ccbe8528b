"""A disk that is full, read-only or gone: the sink says so and waits; what it has said is stored is there, whole."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fip.archive.ledger import Ledger
from fip.data import ranges
from fip.sink.sink import EXPIRE_EVERY
from fip.wire.messages import PipelineStatus
from support.fip_command import images
from support.many_slices import SELECTION, SLICES, assert_whole
from support.mesh import Mesh
from support.small_disk import Disk

SOME = 15  # images after which something happens


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk for the sink, with room for all images."""
    with Disk(tmp_path / "m" / "images", "50m") as disk:
        yield disk


def _stalled(status: PipelineStatus) -> bool:
    return bool(status.sink and status.sink.brief.stalled and status.sink.status.state == "stalled")


def _stored(status: PipelineStatus) -> int:
    return sum(ranges.count(run.stored) for run in status.sink.brief.runs) if status.sink else 0


def _assert_nothing_harmed(directory: Path, said: int, undisturbed: dict[str, bytes]) -> None:
    """What is there is whole, and what was said to be stored is there and in the ledger."""
    assert {image.name: image.read_bytes() for image in images(directory)}.items() <= undisturbed.items()
    ledger = Ledger(directory, read_only=True)
    listed = set(ledger.files())
    ledger.close()
    assert listed <= {image.name for image in images(directory)}
    assert len(listed) >= said


def _wait_until_stalled(mesh: Mesh, directory: Path, undisturbed: dict[str, bytes]) -> None:
    said = 0

    def seen(status: PipelineStatus) -> bool:
        nonlocal said
        said = _stored(status)
        return _stalled(status)

    mesh.wait(seen)
    _assert_nothing_harmed(directory, said, undisturbed)


def test_a_full_disk_is_waited_for_also_by_a_sink_that_is_started_again(
    disk: Disk, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """It stores what there is room for and says that it stalls; given room, it goes on."""
    disk.resize("2m")  # a third of the images, and the ledger
    with Mesh(tmp_path / "m") as mesh:
        job = mesh.submit([many_ms], SELECTION)
        directory = mesh.images / job
        _wait_until_stalled(mesh, directory, undisturbed)
        assert 0 < len(images(directory)) < len(undisturbed)
        mesh.kill("sink")
        mesh.wait(lambda status: status.sink is None)
        mesh.start("sink")
        _wait_until_stalled(mesh, directory, undisturbed)
        disk.resize("50m")
        mesh.wait_for_job(job)
        assert_whole(directory, undisturbed)
        assert "No space left on device" in mesh.log


def test_a_disk_that_is_gone_is_waited_for(
    disk: Disk, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Nothing is stored meanwhile, not in the former mount point either; when it is back, the sink goes on."""
    with Mesh(tmp_path / "m", settings="pace = 120") as mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: _stored(status) >= SOME)
        disk.vanish()
        _wait_until_stalled(mesh, disk.spare / job, undisturbed)
        assert not list(mesh.images.iterdir())
        assert "No such file or directory" in mesh.log
        disk.come_back()
        mesh.wait_for_job(job)
        assert_whole(mesh.images / job, undisturbed)


def test_a_disk_that_is_read_only_when_the_sink_starts_is_waited_for(
    disk: Disk, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """The job does not fail for it: it goes on when the disk can be written."""
    with Mesh(tmp_path / "m", settings="pace = 120") as mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: _stored(status) >= SOME)
        mesh.kill("sink")
        disk.turn_read_only()
        mesh.start("sink")
        mesh.wait(_stalled)
        assert "Read-only file system" in mesh.log
        disk.turn_writable()
        mesh.wait_for_job(job)
        assert_whole(mesh.images / job, undisturbed)


def test_a_ring_whose_disk_is_gone_for_a_while_loses_track_of_no_file(
    disk: Disk, many_ms: Path, tmp_path: Path
) -> None:
    """What expires meanwhile is not said to be gone: in the end the files are those that the ledger has as stored."""
    mesh = Mesh(tmp_path / "m", settings="pace = 120")
    mesh.configuration.write_text(f'{mesh.configuration.read_text()}keep = "1s"\n')
    with mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: _stored(status) >= SOME)
        disk.vanish()
        looked = time.monotonic() + 3 * EXPIRE_EVERY
        mesh.wait(lambda status: _stalled(status) and time.monotonic() > looked)
        assert not list(mesh.images.iterdir())
        disk.come_back()
        mesh.wait_for_job(job)
        mesh.wait(lambda status: bool(status.sink and not status.sink.brief.runs))
        ledger = Ledger(mesh.images / job, read_only=True)
        assert sorted(ledger.files()) == [image.name for image in images(mesh.images / job)]
        (totals,) = ledger.totals()
        ledger.close()
        assert (totals.stored, totals.failed) == (SLICES, ())
        assert totals.expired > 0
