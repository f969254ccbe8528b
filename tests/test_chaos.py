"""Nothing lost, nothing twice: daemons are killed, stopped and continued at random while a run is under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from bare import WORKERS, Bare
from chaos import Chaos
from many import SELECTION, assert_whole
from mesh import WITHIN, Mesh
from pipeline import images


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_slice_is_stored_once_whatever_is_killed(
    seed: int, many: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """After kills at random: exactly the expected files, bit for bit, the ledger agrees, no temporary is left."""
    with Mesh(tmp_path / "m", settings="pace = 60") as mesh:  # 20 s, were it left alone
        job = mesh.submit([many], SELECTION)
        directory = mesh.images / job
        chaos = Chaos(mesh, mesh.names, directory, seed)
        mesh.wait_for_job(job, chaos)
        chaos.end()
        assert_whole(directory, undisturbed)
        assert chaos.kills.total() >= 5


def test_without_leases_slices_are_lost(many: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Bare PUSH/PULL sockets lose slices when a worker is killed: without that the test above would prove nothing."""
    with Bare(tmp_path / "bare", many) as bare:
        chaos = Chaos(bare, WORKERS, bare.images, seed=1, every=(15, 30))
        while not bare.sent:
            chaos()
        chaos.end()
        bare.wait_for_sink(WITHIN)
        made = {image.name: image.read_bytes() for image in images(bare.images)}
        assert made.items() < undisturbed.items()
        assert chaos.kills.total() >= 1
