"""`python -m benchmarks.monitor`: what `fip-monitor` costs beside 64 workers and 100 images/s. See docs/benchmarks.md.

An hour's traffic is replayed at 60 times its rate, then a minute of it at its real rate, each without a page and with
one that listens and lists images, as a browser does. A message is what a ventilator with 64 workers sends twice a
second; the ledger has an image for each that is stored.
"""

import argparse
import http.client
import json
import sqlite3
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil
import zmq

from benchmarks.simulated_status import INTERVAL, RUN, Load, statuses
from fip.archive.ledger import Ledger
from fip.data.settings import Asked
from fip.runtime.sockets import control_socket
from fip.wire.codec import encode_control
from fip.wire.messages import RunPlan

PARTS = 6  # of an hour: memory is looked at after each


@dataclass(frozen=True)
class Monitor:
    """The process, and its port."""

    process: psutil.Process
    port: int

    def get(self, path: str) -> bytes:
        """Return what it answers to a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path)
        body = connection.getresponse().read()
        connection.close()
        return body

    @property
    def stored(self) -> int:
        """How many images it knows are stored."""
        jobs = json.loads(self.get("/api/state"))["jobs"]
        return int(jobs[0]["runs"][0]["stored"]) if jobs else -1

    @property
    def cpu(self) -> float:
        """Return the CPU seconds so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    @property
    def megabytes(self) -> float:
        """Return the resident memory, in megabytes."""
        return self.process.memory_info().rss / 1e6


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="of traffic to replay  [default: 60]")
    parser.add_argument("--speed", type=float, default=60.0, help="times its real rate  [default: 60]")
    parser.add_argument("--watch", type=float, default=60.0, help="seconds at the real rate  [default: 60]")
    arguments = parser.parse_args()
    load = Load()
    print(f"{load.workers} workers, {load.rate:g} images/s, {psutil.cpu_count()} cores")
    for pages in (0, 1):
        with tempfile.TemporaryDirectory(prefix="fip-monitor-") as folder:
            frames = recorded(Path(folder) / "traffic", load, round(60 * arguments.minutes / INTERVAL))
            with running(Path(folder), load) as (monitor, send):
                measure(monitor, send, frames, pages, arguments.speed)
        with tempfile.TemporaryDirectory(prefix="fip-monitor-") as folder:
            frames = recorded(Path(folder) / "traffic", load, round(arguments.watch / INTERVAL))
            with running(Path(folder), load) as (monitor, send):
                measure(monitor, send, frames, pages, 1.0)


def measure(monitor: Monitor, send: zmq.Socket[bytes], frames: "Recorded", pages: int, speed: float) -> None:
    """What the monitor takes of the machine while messages come at so many times their real rate."""
    wait_until_it_listens(monitor, send, frames.first)
    ended = threading.Event()
    listed: list[int] = []
    threads = [threading.Thread(target=page, args=(monitor, ended, listed)) for _ in range(pages)]
    for thread in threads:
        thread.start()
    begun, cpu, memory = time.monotonic(), monitor.cpu, [monitor.megabytes]
    for number, frame in enumerate(frames, 1):
        send.send(frame)
        time.sleep(max(0.0, begun + number * INTERVAL / speed - time.monotonic()))
        if number % (len(frames) // PARTS or 1) == 0:
            memory.append(monitor.megabytes)
    took, spent = time.monotonic() - begun, monitor.cpu - cpu
    wait_until(monitor, frames.stored)
    ended.set()
    for thread in threads:
        thread.join()
    traffic = len(frames) * INTERVAL
    print(
        f"{traffic:.0f} s of traffic in {took:.0f} s, {traffic / took:.1f} x, {pages} pages; load {psutil.getloadavg()}"
    )
    print(f"  {100 * spent / took:.1f} % of a core; {1000 * spent / len(frames):.2f} CPU ms a message that was sent")
    print(f"  MB resident: {', '.join(f'{each:.0f}' for each in memory)}; images listed: {sum(listed)}")


def page(monitor: Monitor, ended: threading.Event, listed: list[int]) -> None:
    """Listen, and list new images on each state, as a browser does, until it hears that it ended."""
    connection = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=60)
    connection.request("GET", "/api/events")
    answer, seen = connection.getresponse(), 0
    while not ended.is_set():
        if answer.readline().startswith(b"data:"):
            found = json.loads(monitor.get(f"/api/runs/{RUN}/images?after={seen}"))
            seen = found["seen"]
            listed.append(len(found["images"]))
    connection.close()


def wait_until_it_listens(monitor: Monitor, send: zmq.Socket[bytes], frame: bytes) -> None:
    """Send until the monitor has joined the socket."""
    while monitor.stored < 0:
        send.send(frame)
        time.sleep(0.1)


def wait_until(monitor: Monitor, stored: int) -> None:
    """Wait until the monitor knows of so many images."""
    while monitor.stored < stored:
        time.sleep(0.1)


@dataclass(frozen=True)
class Recorded:
    """Messages in a file, so that it costs little to send them."""

    file: Path
    lengths: tuple[int, ...]
    first: bytes
    stored: int  # images, by the last message

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[bytes]:
        with self.file.open("rb") as file:
            for length in self.lengths:
                yield file.read(length)


def recorded(file: Path, load: Load, count: int) -> Recorded:
    """Return so many messages of a pipeline at work."""
    lengths, first, stored = [], b"", 0
    with file.open("wb") as out:
        for status in islice(statuses(load, time.time()), count):
            frame = encode_control(status)
            first, stored = first or frame, status.jobs[0].runs[0].stored
            lengths.append(out.write(frame))
    return Recorded(file, tuple(lengths), first, stored)


@contextmanager
def running(folder: Path, load: Load) -> Iterator[tuple[Monitor, zmq.Socket[bytes]]]:
    """A monitor of a directory with a full ledger, and the socket that sends it the state of a pipeline."""
    fill_ledger(folder / "images", load.total)
    configuration = folder / "fip.toml"
    configuration.write_text(
        f'[ventilator]\ncontrol = "ipc://{folder}/control"\nstatus = "ipc://{folder}/status"\n'
        f'[sink]\ndirectory = "{folder}/images"\n[monitor]\naddress = "127.0.0.1:0"\ntoken_file = "{folder}/token"\n'
    )
    context = zmq.Context()
    send = control_socket(context, zmq.PUB)
    send.bind(f"ipc://{folder}/status")
    command = [str(Path(sysconfig.get_path("scripts")) / "fip-monitor"), "--config", str(configuration)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        line = next(line for line in process.stderr if "the page is at" in line)
        yield Monitor(psutil.Process(process.pid), int(line.rstrip("/\n").rpartition(":")[2])), send
    finally:
        process.kill()
        process.wait()
        context.destroy(linger=0)


def fill_ledger(directory: Path, images: int) -> None:
    """A ledger of so many images, without their files."""
    directory.mkdir()
    ledger = Ledger(directory)
    ledger.open_run(RunPlan(RUN, "night", images, "/data/night.ms", Asked(), ""))
    ledger.close()
    seconds = json.dumps({"wait": 0.1, "image": 0.4, "beam": 0.05, "fits": 0.02})
    rows = (
        (RUN, k, f"night-t{k:06d}-dirty.fits", k, 5.1e9 + k / 100, f"gpu{k % 8}", seconds, 1.79e9 + k / 100)
        for k in range(images)
    )
    with sqlite3.connect(directory / "fip.sqlite") as database:
        database.executemany(
            "INSERT INTO slices (run, slice, state, file, bytes, digest, integration, label, empty, quality, begin, "
            "average, end, attempt, worker, seconds, rms, minimum, maximum, recorded) "
            "VALUES (?1, ?2, 'stored', ?3, 4000000, '', ?4, '', 0, 'good', ?5, ?5, ?5, 1, ?6, ?7, 1e-3, -5e-3, .1, ?8)",
            rows,
        )
    database.close()


if __name__ == "__main__":
    main()
