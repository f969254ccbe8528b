"""Memory of every daemon is bounded, whoever stalls and whatever is sent: by the slices and images that may be out."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import zmq

from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.runtime.sockets import CONTROL_QUEUE, control_socket
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.wire.messages import PipelineStatus
from support.fip_command import images
from support.mesh import Mesh

SELECTION = asked(size=(512, 512), scale=5 * ARCSEC)
SLICES = 150
WORKERS = 2
SOME = 30  # images after which the daemons have what they need
IMAGE = 512 * 512 * 4 + 16 * 2880  # bytes of a file, at the most
SLACK = 8 << 20  # bytes that an allocator may keep; all slices of the run, and their images, are 40 times that
JUNK = 20_000  # bytes of a message


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet whose slices are of a megabyte."""
    path = tmp_path_factory.mktemp("large") / "large.ms"
    simulate(path, Simulation(antennas=32, channels=128, integrations=SLICES, cadence=2.0))
    return path


class Grown:
    """By how much daemons have grown since a run was under way."""

    def __init__(self, mesh: Mesh) -> None:
        self._daemons = {name: psutil.Process(daemon.pid) for name, daemon in mesh.daemons.items()}
        self._before = self._now()

    def _now(self) -> dict[str, int]:
        return {name: daemon.memory_info().rss for name, daemon in self._daemons.items()}

    def beyond(self, limit: int) -> dict[str, int]:
        """The daemons that have grown by more bytes than that."""
        grown = {name: rss - self._before[name] for name, rss in self._now().items()}
        return {name: size for name, size in grown.items() if size > limit}


@contextmanager
def _under_way(large: Path, folder: Path) -> Iterator[tuple[Mesh, str, Grown, int]]:
    """A mesh at work on a run: its job, how it grows, and the bytes of all slices and images that may be out."""
    with Mesh(folder, workers=WORKERS) as mesh:
        job = mesh.submit([large], SELECTION)
        mesh.wait(lambda status: mesh.job(status, job).runs[:1] != () and len(images(mesh.images / job)) >= SOME)
        with mesh.operator() as operator:
            counters = operator.status().ventilator.counters
        ventilator = mesh.config.ventilator
        window = ventilator.read_ahead + WORKERS * (ventilator.lane_depth + 1)
        yield mesh, job, Grown(mesh), window * (counters["bytes_out"] // counters["slices"] + IMAGE)


def _standing_still(mesh: Mesh) -> None:
    """Wait until nothing has been sent for some time."""
    seen: list[int] = []

    def still(status: PipelineStatus) -> bool:
        seen.append(status.ventilator.counters["slices"])
        return len(seen) >= 10 and len(set(seen[-10:])) == 1

    mesh.wait(still)


@pytest.mark.parametrize("who", ["sink", "cpu0"])
def test_a_stalled_daemon_makes_nobody_grow(who: str, large: Path, tmp_path: Path) -> None:
    """While the sink, or a worker, is stopped, the others hold no more than may be out; then all goes on."""
    with _under_way(large, tmp_path / "m") as (mesh, job, grown, out):
        mesh.kill(who, signal.SIGSTOP)
        if who == "sink":
            _standing_still(mesh)
        else:
            mesh.wait(lambda status: len(images(mesh.images / job)) >= SLICES - SOME)
        assert grown.beyond(out + SLACK) == {}
        mesh.kill(who, signal.SIGCONT)
        mesh.wait_for_job(job)
        assert grown.beyond(out + SLACK) == {}


def test_a_flood_of_bad_messages_makes_nobody_grow(large: Path, tmp_path: Path) -> None:
    """Junk that is sent as fast as it goes takes no more memory than the queue of a socket."""
    sent = 0
    with _under_way(large, tmp_path / "m") as (mesh, job, grown, out), zmq.Context() as context:
        dealer = control_socket(context, zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(mesh.config.ventilator.control)

        def flooded(status: PipelineStatus) -> bool:
            nonlocal sent
            while sent < 10 * CONTROL_QUEUE and dealer.poll(0, zmq.POLLOUT):
                dealer.send(bytes(JUNK))
                sent += 1
            return status.ventilator.counters["bad_messages"] >= 10 * CONTROL_QUEUE

        mesh.wait(flooded)
        assert grown.beyond(out + SLACK + CONTROL_QUEUE * JUNK) == {}
        mesh.wait_for_job(job)
        dealer.close()
        assert len(images(mesh.images / job)) == SLICES
