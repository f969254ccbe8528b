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
MOST_BEHIND = 20  # times that have come and are no images yet
READER = "a reading child"
VICTIMS = ("ventilator", READER, "sink", "cpu0", "cpu1")


class Trial:
    """What happens meanwhile: call it often.

    Nothing is killed before there is a new image since the last kill: else a slow machine would only start daemons.
    """

    def __init__(self, mesh: Mesh, recorder: Recorder, stored: Path, seed: int) -> None:
        self._mesh, self._recorder, self._stored, self._chance = mesh, recorder, stored, random.Random(seed)
        self._begun = self._arrives = time.monotonic()
        self._kills, self._mark = self._begun + KILL_EVERY, 0
        self.arrived, self.killed = 0, Counter[str]()
        self.over = False

    def __call__(self) -> None:
        """Do everything that is due."""
        now, made = time.monotonic(), len(images(self._stored))
        self._revive()
        if now >= self._kills and made > self._mark:
            self._kills, self._mark = now + KILL_EVERY, made
            self._kill(self._chance.choice(VICTIMS))
        if now >= self._arrives and self.arrived < made + MOST_BEHIND:
            self._arrives = max(self._arrives + ARRIVES_EVERY, now)
            self._recorder.arrive(self.arrived, self._chance.sample(range(PARTS), PARTS))
            self.arrived += 1
        self.over = now > self._begun + SECONDS
        time.sleep(0.05)

    def _kill(self, name: str) -> None:
        if name != READER:
            self._mesh.kill(name)
        else:
            with suppress(psutil.Error):
                for child in psutil.Process(self._mesh.daemons["ventilator"].pid).children()[:1]:
                    child.kill()
        self.killed[name] += 1

    def _revive(self) -> None:
        """Start again what is gone, as systemd does."""
        for name in [name for name, daemon in self._mesh.daemons.items() if daemon.poll() is not None]:
            self._mesh.start(name)


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 300)
def test_what_arrives_is_imaged_once_whatever_is_killed(tmp_path: Path) -> None:
    """Ventilator, reading child, sink or a worker, drawn every five seconds: images = times that came, each whole."""
    recorder = Recorder(tmp_path / "night", tmp_path / "made")
    rules = ("--follow", "--follow-settle", "0.5s", "--follow-grace", "600s", "--follow-parts", f"{PARTS}")
    with Mesh(tmp_path / "mesh") as mesh:
        mesh.wait(lambda status: True)
        address = ("--ventilator", mesh.config.ventilator.control, "--follow-marker", "FINISHED")
        done = fip("submit", recorder.folder, *rules, *address, "--size", "64", "--scale", "40arcsec")
        assert done.returncode == 0, done.stderr
        job = done.stdout.strip()
        trial = Trial(mesh, recorder, mesh.images / job, seed=int(os.environ.get("FIP_TRIAL_SEED", "1")))
        while not trial.over:
            trial()
        (recorder.folder / "FINISHED").touch()
        mesh.wait_for_job(job)
        (order,) = (mesh.config.ventilator.queue.parent / "arrivals").glob("*.jsonl")
    count = trial.arrived
    print(f"{count} times x {PARTS} sets, killed {dict(trial.killed)}")  # noqa: T201 for who runs it at length
    assert trial.killed.total() >= 2
    groups = [json.loads(line)["group"][0] for line in order.read_text().splitlines() if line.startswith('{"group"')]
    came = sorted(each.name for each in recorder.folder.glob("*.ms"))
    assert sorted(part[0] for group in groups for part in group) == came
    headers = [fits.getheader(image) for image in images(mesh.images / job)]
    assert [header["FIPSLICE"] for header in headers] == list(range(count))
    begun = [header["MJD-BEG"] * 86400 - headers[0]["MJD-BEG"] * 86400 for header in headers]
    assert begun == pytest.approx([CADENCE * each for each in range(count)], abs=1e-3)
    assert {header["FIPNVIS"] for header in headers} == {headers[0]["FIPNVIS"]}
    assert totals(mesh.images / job) == (count, count, True)
