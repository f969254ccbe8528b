"""Nothing lost, nothing twice: daemons are killed, stopped and continued at random while a run is under way."""

from pathlib import Path

import pytest

from support.chaos import Chaos
from support.fip_command import images
from support.many_slices import SELECTION, assert_whole
from support.mesh import WITHIN, Mesh
from support.unleased_pipeline import WORKERS, UnleasedPipeline


def disturb(many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path, seed: int, every: tuple[int, int]) -> int:
    """Do so to a run, once in so many images, and find it whole; return how often something was killed.

    With an even seed workers write the images into files of the sink's, with an odd one they send their bytes.
    """
    sink = "" if seed % 2 else 'written_from = "1kB"'
    with Mesh(tmp_path / "m", settings="pace = 60", sink=sink) as mesh:  # 20 s, were it left alone
        job = mesh.submit([many_ms], SELECTION)
        directory = mesh.images / job
        chaos = Chaos(mesh, mesh.names, directory, seed, every)
        mesh.wait_for_job(job, chaos)
        chaos.end()
        assert_whole(directory, undisturbed)
        assert ("are written into files of the sink" in mesh.log) == bool(sink)
        return chaos.kills.total()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_slice_is_stored_once_whatever_is_killed(
    seed: int, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """After kills at random: exactly the expected files, bit for bit, the ledger agrees, no temporary is left."""
    assert disturb(many_ms, undisturbed, tmp_path, seed, every=(4, 14)) >= 5


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3, 7))
def test_every_slice_is_stored_once_however_much_is_killed(
    seed: int, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """The same with other seeds, and two to three times as many kills."""
    assert disturb(many_ms, undisturbed, tmp_path, seed, every=(2, 5)) >= 20


def test_without_leases_slices_are_lost(many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Bare PUSH/PULL sockets lose slices when a worker is killed: without that the test above would prove nothing."""
    with UnleasedPipeline(tmp_path / "unleased", many_ms) as unleased:
        chaos = Chaos(unleased, WORKERS, unleased.images, seed=1, every=(15, 30))
        while not unleased.sent:
            chaos()
        chaos.end()
        unleased.wait_for_sink(WITHIN)
        made = {image.name: image.read_bytes() for image in images(unleased.images)}
        assert made.items() < undisturbed.items()
        assert chaos.kills.total() >= 1
