"""The pipeline as bare PUSH/PULL sockets, without leases.

`python -m support.unleased_pipeline ventilator|NAME|sink FOLDER MS` is one of its processes. It sends the messages that
FIP sends and images them as FIP does. Once all slices are sent, the ventilator sends ends; a worker passes the first
that it gets on to the sink, behind its images, and ends; the sink ends with the last worker.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import zmq

from fip.imaging.compression import compress
from fip.imaging.kernels import make_kernel
from fip.runtime.sockets import data_socket
from fip.source.open_run import open_run
from fip.wire.codec import decode_image, decode_slice, encode_image, encode_slice
from fip.worker.stages import image_file
from support.many_slices import SELECTION

WORKERS = ("cpu0", "cpu1")
SENT = "sent"  # a file that is there once all slices are sent
END = b""


class UnleasedPipeline:
    """The processes; in the end it kills what is left of them."""

    def __init__(self, folder: Path, measurement_set: Path) -> None:
        self.folder, self.images = folder, folder / "images"
        self.images.mkdir(parents=True)
        self._measurement_set = measurement_set
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "UnleasedPipeline":
        for name in ("sink", *WORKERS, "ventilator"):
            self.start(name)
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def start(self, name: str) -> None:
        """Start a process, again or for the first time."""
        program = [sys.executable, "-m", "support.unleased_pipeline"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        self._processes[name] = subprocess.Popen([*program, name, self.folder, self._measurement_set], env=environment)

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a process; one that is killed is waited for."""
        self._processes[name].send_signal(how)
        if how == signal.SIGKILL:
            self._processes[name].wait()

    @property
    def sent(self) -> bool:
        """Whether all slices are sent."""
        return (self.folder / SENT).exists()

    def wait_for_sink(self, within: float) -> None:
        """Return once the sink has stored what there was to store."""
        self._processes["sink"].wait(within)


def _ventilator(context: zmq.Context[zmq.Socket[bytes]], folder: Path, measurement_set: Path) -> None:
    slices = data_socket(context, zmq.PUSH)
    slices.bind(f"ipc://{folder}/slices")
    run = open_run(measurement_set, SELECTION)
    for index in range(len(run.slices)):
        slices.send_multipart(encode_slice(compress(run.read(index))), copy=False)
    (folder / SENT).touch()
    while True:
        slices.send(END)


def _worker(context: zmq.Context[zmq.Socket[bytes]], folder: Path, name: str) -> None:
    slices, images = data_socket(context, zmq.PULL), data_socket(context, zmq.PUSH, linger=-1)
    slices.connect(f"ipc://{folder}/slices")
    images.connect(f"ipc://{folder}/images-in")
    while (frames := slices.recv_multipart(copy=True)) != [END]:
        values = decode_slice(frames)
        image = image_file(values, make_kernel(values.settings, values.grid), name, 0.0)
        images.send_multipart(encode_image(image), copy=False)
    images.send(name.encode())


def _sink(context: zmq.Context[zmq.Socket[bytes]], folder: Path) -> None:
    images = data_socket(context, zmq.PULL)
    images.bind(f"ipc://{folder}/images-in")
    ended: set[bytes] = set()
    while len(ended) < len(WORKERS):
        frames = images.recv_multipart(copy=True)
        if len(frames) == 1:
            ended.add(frames[0])
            continue
        image = decode_image(frames)
        (folder / "images" / f"many-t{image.integration:06d}-dirty.fits").write_bytes(image.files[0].content)


if __name__ == "__main__":
    name, folder, measurement_set = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    with zmq.Context() as context:
        if name == "ventilator":
            _ventilator(context, folder, measurement_set)
        elif name == "sink":
            _sink(context, folder)
        else:
            _worker(context, folder, name)
