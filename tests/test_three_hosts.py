"""A head and two hosts with a worker each, one layout, keys on: both image; a cable, a stranger and a power cut."""

from __future__ import annotations

from pathlib import Path

from cluster import Cluster
from fip.messages import PipelineStatus
from many import SELECTION, assert_whole
from network import Network
from pipeline import images

HOSTS = {"ventilator": "head", "sink": "head", "left/cpu0": "left", "right/cpu0": "right"}
STRANGER = "10.0.0.4"
PACE = "pace = 30"  # 40 s for all, so that everything happens while there is work


def made(status: PipelineStatus) -> dict[str, int]:
    """How many images the worker of each host has made since it started."""
    return {worker.host: worker.status.counters["images"] for worker in status.workers}


def test_three_hosts(many: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Both hosts image, and in the end everything is stored once, whatever happened to them and beside them."""
    with (
        Network(["head", "left", "right", "outside"]) as network,
        Cluster(tmp_path / "m", network, HOSTS, PACE) as cluster,
    ):
        job = cluster.submit([many], SELECTION)
        cluster.wait(lambda status: set(made(status)) == {"left", "right"} and max(made(status).values()) > 3)
        with cluster.operator() as operator:
            counts = made(operator.status())
        first, other = sorted(counts, key=counts.__getitem__, reverse=True)  # one is enough for this pace

        cluster.start_worker("outside", "cpu0", keys=None)
        cluster.wait(lambda status: STRANGER in refused(status))

        network.pull(first)
        cluster.wait(lambda status: set(made(status)) == {other} and made(status)[other] > counts[other] + 3)
        network.plug(first)
        cluster.wait(lambda status: set(made(status)) == {"left", "right"})

        network.swallow(other)  # a host without power says no good-bye
        cluster.kill(f"{other}/cpu0")
        cluster.wait(lambda status: set(made(status)) == {first})
        mark = len(images(cluster.images / job))
        cluster.wait(lambda status: len(images(cluster.images / job)) > mark + 3)
        cluster.wait_for_job(job)
        assert_whole(cluster.images / job, undisturbed)
        assert "worker outside/cpu0 joins" not in cluster.log


def refused(status: PipelineStatus) -> str:
    """The addresses of those who were refused at the control socket."""
    events = [event for event in status.ventilator.events if event.event == "handshake failed"]
    return " ".join(event.peer for event in events if event.socket == "control")
