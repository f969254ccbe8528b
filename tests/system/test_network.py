"""Cables pulled, links that swallow, hosts kept apart: work goes on if it can; nothing is lost or stored twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fip.wire.messages import PipelineStatus
from support.fip_command import images
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh
from support.network import Network

HOSTS = {"ventilator": "head", "sink": "store", "cpu0": "left", "cpu1": "right"}
SETTINGS = "pace = 120\n[security]\ninsecure = true"  # 10 s, were it left alone
SOME = 15  # images after which something happens, and after which it has been seen that work goes on


@pytest.fixture
def network() -> Iterator[Network]:
    """Make a network of four hosts."""
    with Network(list(HOSTS.values())) as network:
        yield network


class Run:
    """A run under way on four hosts."""

    def __init__(self, mesh: Mesh, many_ms: Path) -> None:
        self.mesh = mesh
        self.job = mesh.submit([many_ms], SELECTION)
        self.directory = mesh.images / self.job
        self.goes_on()

    def goes_on(self) -> None:
        """Wait until there are some images more."""
        mark = len(images(self.directory)) + SOME
        self.mesh.wait(lambda status: len(images(self.directory)) >= mark)

    def wait_for_workers(self, *hosts: str) -> None:
        """Wait until the ventilator hears these workers and no others."""
        self.mesh.wait(lambda status: _workers(status) == set(hosts))


def _workers(status: PipelineStatus) -> set[str]:
    return {worker.brief.host for worker in status.workers}


@pytest.mark.parametrize("how", ["cable out", "black hole"])
def test_a_worker_that_is_cut_off_is_replaced_and_comes_back(
    how: str, network: Network, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """The other worker goes on without it; when it can be reached again it gets slices again."""
    cut, mend = (network.pull, network.plug) if how == "cable out" else (network.swallow, network.forward)
    with Mesh(tmp_path / "m", settings=SETTINGS, network=network, hosts=HOSTS) as mesh:
        run = Run(mesh, many_ms)
        cut("left")
        run.wait_for_workers("right")
        run.goes_on()
        mend("left")
        run.wait_for_workers("left", "right")
        mesh.wait_for_job(run.job)
        assert_whole(run.directory, undisturbed)
        assert "worker left/cpu0 is silent" in mesh.log


@pytest.mark.parametrize("who", ["head", "store"])
def test_ventilator_or_sink_cut_off_is_waited_for(
    who: str, network: Network, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Without them nothing can go on; when they can be reached again it does."""
    with Mesh(tmp_path / "m", settings=SETTINGS, network=network, hosts=HOSTS) as mesh:
        run = Run(mesh, many_ms)
        network.swallow(who)
        mesh.wait(lambda status: status.sink is None)
        network.forward(who)
        run.goes_on()
        mesh.wait_for_job(run.job)
        assert_whole(run.directory, undisturbed)
        assert "the sink is silent" in mesh.log


def test_a_worker_that_cannot_reach_the_sink_holds_nobody_up(
    network: Network, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """It is heard and gets slices, but its images go nowhere: the other makes them, and the run ends without it."""
    with Mesh(tmp_path / "m", settings=SETTINGS, network=network, hosts=HOSTS) as mesh:
        run = Run(mesh, many_ms)
        network.separate("left", "store")
        mesh.wait_for_job(run.job)
        assert_whole(run.directory, undisturbed)
        network.join("left", "store")
        mesh.wait(lambda status: not any(worker.brief.holds for worker in status.workers))
        assert_whole(run.directory, undisturbed)
