"""Nothing lost, nothing twice: daemons are killed, stopped and continued at random while a run is under way."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from many import SELECTION, assert_whole
from mesh import Mesh
from pipeline import images


class Chaos:
    """Kills, stops and continues daemons, each time the run has got on by a random number of images.

    So the same happens on a slow machine as on a fast one, and there is always something under way.
    """

    def __init__(self, mesh: Mesh, directory: Path, seed: int) -> None:
        self._mesh, self._directory, self._random = mesh, directory, random.Random(seed)
        self._stopped: dict[str, float] = {}  # name -> when it is continued
        self._mark = 3
        self.kills = self.stops = 0

    def __call__(self) -> None:
        """Does what is due."""
        now = time.monotonic()
        for name in [name for name, until in self._stopped.items() if now > until]:
            del self._stopped[name]
            self._mesh.kill(name, signal.SIGCONT)
        if len(images(self._directory)) < self._mark:
            return
        self._mark += self._random.randint(4, 14)
        name = self._random.choice([name for name in self._mesh.names if name not in self._stopped])
        if self._random.random() < 0.25:
            self._stopped[name] = now + self._random.uniform(0.2, 4.0)
            self._mesh.kill(name, signal.SIGSTOP)
            self.stops += 1
        else:
            self._mesh.kill(name)
            self._mesh.start(name)
            self.kills += 1

    def end(self) -> None:
        """Continues whoever is stopped."""
        for name in self._stopped:
            self._mesh.kill(name, signal.SIGCONT)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_slice_is_stored_once_whatever_is_killed(
    seed: int, many: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """After kills at random: exactly the expected files, bit for bit, the ledger agrees, no temporary is left."""
    with Mesh(tmp_path / "m", settings="pace = 60") as mesh:  # 20 s, were it left alone
        job = mesh.submit([many], SELECTION)
        directory = mesh.images / job
        chaos = Chaos(mesh, directory, seed)
        mesh.wait_for_job(job, chaos)
        chaos.end()
        assert_whole(directory, undisturbed)
        assert chaos.kills >= 5
