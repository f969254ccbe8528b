"""`python -m benchmarks.monitor`: what `fip-monitor` costs beside 64 workers and 100 images/s. See docs/benchmarks.md.

An hour's traffic is replayed as fast as the monitor takes it: each message is what a ventilator with 64 workers tells
twice a second, and the ledger has an image for each that is stored. Then a minute of it comes at its real rate, with
and without a page that listens and lists images, as a browser does.
"""

from __future__ import annotations

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
from fip.data import Selection
from fip.messages import PipelineStatus, RunPlan
from fip.protocol.wire import encode_control
from fip.runtime.sockets import control_socket
from fip.storage.ledger import Ledger

AHEAD = 40  # messages sent before it is asked how far the monitor is
HOUR = 3600.0  # s


@dataclass(frozen=True)
class Monitor:
    """The process, and where it serves."""

    process: psutil.Process
    port: int

    def get(self, path: str) -> bytes:
        """What it answers."""
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
        """CPU seconds so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    @property
    def megabytes(self) -> float:
        """Resident memory."""
        return self.process.memory_info().rss / 1e6


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="of traffic to replay  [default: 60]")
    parser.add_argument("--watch", type=float, default=60.0, help="seconds at the real rate  [default: 60]")
    arguments = parser.parse_args()
    load = Load()
    with tempfile.TemporaryDirectory(prefix="fip-monitor-") as folder, running(Path(folder), load) as (monitor, send):
        print(f"{load.workers} workers, {load.rate:g} images/s, {psutil.cpu_count()} cores, load {psutil.getloadavg()}")
        replay(monitor, send, load, arguments.minutes)
        watch(monitor, send, load, arguments.watch)


def replay(monitor: Monitor, send: zmq.Socket[bytes], load: Load, minutes: float) -> None:
    """An hour's messages, none of them lost, and what they cost."""
    count = round(60 * minutes / INTERVAL)
    messages = statuses(load, time.time())
    heard_first(monitor, send, messages)
    begun, cpu, memory = time.monotonic(), monitor.cpu, [monitor.megabytes]
    seen = 0
    for number, status in enumerate(islice(messages, count), 1):
        send.send(encode_control(status))
        if number % AHEAD == 0 or number == count:
            wait_until(monitor, status.jobs[0].runs[0].stored)
            seen = json.loads(monitor.get(f"/api/runs/{RUN}/images?after={seen}"))["seen"]
        if number % (count // 6 or 1) == 0:
            memory.append(monitor.megabytes)
    took, spent = time.monotonic() - begun, monitor.cpu - cpu
    print(f"{count} messages, {60 * minutes:.0f} s of traffic, in {took:.0f} s: {60 * minutes / took:.0f} x")
    print(
        f"CPU: {1000 * spent / count:.1f} ms a message, {100 * spent / (60 * minutes):.1f} % of a core at the real rate"
    )
    print(f"images found: {seen}; MB resident: {', '.join(f'{each:.0f}' for each in memory)}")


def watch(monitor: Monitor, send: zmq.Socket[bytes], load: Load, seconds: float) -> None:
    """The real rate, without a page and with one."""
    for pages in (0, 1):
        ended = threading.Event()
        threads = [threading.Thread(target=page, args=(monitor, ended)) for _ in range(pages)]
        for thread in threads:
            thread.start()
        begun, cpu = time.monotonic(), monitor.cpu
        for number, status in enumerate(statuses(load, time.time(), first=load.total // 2), 1):
            send.send(encode_control(status))
            time.sleep(max(0.0, begun + number * INTERVAL - time.monotonic()))
            if time.monotonic() > begun + seconds:
                break
        share = (monitor.cpu - cpu) / (time.monotonic() - begun)
        ended.set()
        for thread in threads:
            thread.join()
        print(f"real rate, {pages} pages: {100 * share:.1f} % of a core, {monitor.megabytes:.0f} MB")


def page(monitor: Monitor, ended: threading.Event) -> None:
    """Listens, and lists new images on each state, as a browser does."""
    connection = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=60)
    connection.request("GET", "/api/events")
    answer, seen = connection.getresponse(), 0
    while not ended.is_set():
        if answer.readline().startswith(b"data:"):
            seen = json.loads(monitor.get(f"/api/runs/{RUN}/images?after={seen}"))["seen"]
    connection.close()


def heard_first(monitor: Monitor, send: zmq.Socket[bytes], messages: Iterator[PipelineStatus]) -> None:
    """Sends until the monitor has joined the socket."""
    while monitor.stored < 0:
        send.send(encode_control(next(messages)))
        time.sleep(0.1)


def wait_until(monitor: Monitor, stored: int) -> None:
    """Waits until the monitor knows of so many images."""
    while monitor.stored < stored:
        time.sleep(0.02)


@contextmanager
def running(folder: Path, load: Load) -> Iterator[tuple[Monitor, zmq.Socket[bytes]]]:
    """A monitor of a directory with a full ledger, and the socket that tells it of a pipeline."""
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
    ledger.open_run(RunPlan(RUN, "night", images, "/data/night.ms", Selection(), ""))
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
