"""The messages of slices and images without a protocol: PUSH and PULL between a source, two workers and a sink.

What FIP's daemons take beyond this is what leases, states, timers, logs and metrics cost.
"""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import zmq

from fip.runtime.sockets import data_socket
from fip.wire.codec import decode_image, decode_slice, encode_image, encode_slice
from support.made_values import make_image, make_slice

WORKERS = 2
WARM = 100  # slices that are not counted
END = b""


def cost_of_messages(folder: Path, slices: int, seconds: float) -> float:
    """CPU milliseconds of a slice and its image in all processes, each worker sleeping so long for an image."""
    folder.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "benchmarks.bare", str(folder), str(WARM + slices), str(seconds)]
    names = ["sink", *["worker"] * WORKERS, "source"]
    started = [subprocess.Popen([*words, name], stdout=subprocess.PIPE, text=True) for name in names]
    try:
        used = [float(process.stdout.readline()) for process in started if process.stdout]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return 1e3 * sum(used) / slices


def _source(context: zmq.Context[zmq.Socket[bytes]], folder: Path, slices: int) -> None:
    lane = data_socket(context, zmq.PUSH)
    lane.bind(f"ipc://{folder}/slices")
    values = make_slice((3,), ("I",))
    for index in range(slices):
        if index == WARM:
            before = time.process_time()
        lane.send_multipart(encode_slice(replace(values, index=index)), copy=False)
    print(time.process_time() - before, flush=True)
    while True:
        lane.send(END)


def _worker(context: zmq.Context[zmq.Socket[bytes]], folder: Path, seconds: float) -> None:
    lane, images = data_socket(context, zmq.PULL), data_socket(context, zmq.PUSH, linger=-1)
    lane.connect(f"ipc://{folder}/slices")
    images.connect(f"ipc://{folder}/images")
    made, done = make_image(), 0
    while (frames := lane.recv_multipart(copy=False))[0].buffer != END:
        values = decode_slice([frame.buffer for frame in frames])
        time.sleep(seconds)
        images.send_multipart(encode_image(replace(made, index=values.index)), copy=False)
        done += 1
        if done == WARM // WORKERS:
            before = time.process_time()
    print(time.process_time() - before, flush=True)
    images.send(END)


def _sink(context: zmq.Context[zmq.Socket[bytes]], folder: Path) -> None:
    images = data_socket(context, zmq.PULL)
    images.bind(f"ipc://{folder}/images")
    done = ended = 0
    while ended < WORKERS:
        frames = images.recv_multipart(copy=False)
        if len(frames) == 1:
            ended += 1
            continue
        decode_image([frame.buffer for frame in frames])
        done += 1
        if done == WARM:
            before = time.process_time()
    print(time.process_time() - before, flush=True)


if __name__ == "__main__":
    folder, slices, seconds, name = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    with zmq.Context() as context:
        if name == "source":
            _source(context, folder, slices)
        elif name == "sink":
            _sink(context, folder)
        else:
            _worker(context, folder, seconds)
