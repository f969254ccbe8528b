"""Sets arrive while a daemon drawn at random is killed every few seconds: each is imaged, and none twice."""

import json
import os
import random
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from astropy.io import fits

from support.arriving_sets import CADENCE, PARTS, Recorder
from support.fip_command import fip, images, totals
from support.mesh import Mesh

SECONDS = float(os.environ.get("FIP_TRIAL_SECONDS", "25"))  # for which sets arrive: 600 in docs/reliability.md
KILL_EVERY = 5.0  # s
ARRIVES_EVERY = 1.0  # s, a set of each sub-band
READER = "a reading child"
VICTIMS = ("ventilator", READER, "sink", "cpu0", "cpu1")


class Trial:
    """What happens meanwhile: call it often."""

    def __init__(self, mesh: Mesh, recorder: Recorder, seed: int) -> None:
        self._mesh, self._recorder, self._chance = mesh, recorder, random.Random(seed)
        self._begun = self._arrives = time.monotonic()
        self._kills = self._begun + KILL_EVERY
        self.arrived, self.killed = 0, Counter[str]()

    def __call__(self) -> None:
        """Does what is due."""
        now = time.monotonic()
        over = now > self._begun + SECONDS
        if not over and now >= self._kills:
            self._kills += KILL_EVERY
            self._kill(self._chance.choice(VICTIMS))
        if not over and now >= self._arrives:
            self._arrives = max(self._arrives + ARRIVES_EVERY, now)
            parts = self._chance.sample(range(PARTS), PARTS)
            self._recorder.arrive(self.arrived, parts)
            self.arrived += 1
        if over:
            (self._recorder.folder / "FINISHED").touch()

    def _kill(self, name: str) -> None:
        if name == READER:
            with suppress(psutil.Error):
                for child in psutil.Process(self._mesh.daemons["ventilator"].pid).children()[:1]:
                    child.kill()
                    self.killed[name] += 1
            return
        self._mesh.kill(name)
        self._mesh.start(name)
        self.killed[name] += 1


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 300)
def test_what_arrives_is_imaged_once_whatever_is_killed(tmp_path: Path) -> None:
    """Ventilator, reading child, sink or a worker, drawn every five seconds: images = times that came, each whole."""
    recorder = Recorder(tmp_path / "night", tmp_path / "made")
    rules = ("--follow", "--follow-settle", "0.5s", "--follow-grace", "120s", "--follow-parts", f"{PARTS}")
    with Mesh(tmp_path / "mesh", settings="dead_after = 1.5", within=SECONDS + 240) as mesh:
        mesh.wait(lambda status: True)
        address = ("--ventilator", mesh.config.ventilator.control, "--follow-marker", "FINISHED")
        done = fip("submit", recorder.folder, *rules, *address, "--size", "64", "--scale", "40arcsec")
        assert done.returncode == 0, done.stderr
        trial = Trial(mesh, recorder, seed=int(os.environ.get("FIP_TRIAL_SEED", "1")))
        mesh.wait_for_job(job := done.stdout.strip(), trial)
        (order,) = (mesh.config.ventilator.queue.parent / "arrivals").glob("*.jsonl")
    count = trial.arrived
    print(f"{count} times x {PARTS} sets, killed {dict(trial.killed)}")  # noqa: T201 for who runs it at length
    assert trial.killed.total() >= SECONDS / KILL_EVERY - 2
    groups = [json.loads(line)["group"][0] for line in order.read_text().splitlines() if line.startswith('{"group"')]
    assert sorted(part[0] for group in groups for part in group) == sorted(
        each.name for each in recorder.folder.glob("*.ms")
    )
    headers = [fits.getheader(image) for image in images(mesh.images / job)]
    assert [header["FIPSLICE"] for header in headers] == list(range(count))
    begun = [header["MJD-BEG"] * 86400 - headers[0]["MJD-BEG"] * 86400 for header in headers]
    assert begun == pytest.approx([CADENCE * each for each in range(count)], abs=1e-3)
    assert {header["FIPNVIS"] for header in headers} == {headers[0]["FIPNVIS"]}
    assert totals(mesh.images / job) == (count, count, True)
