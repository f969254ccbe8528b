"""CPU of an image on its way from a worker to disk, over that at commit 0c91216: the same files, the two taking turns.

    python -m benchmarks.handing [--rounds 3] [--images 8] [--sides 1024,4096] [--commit 0c91216] [--folder .]

A worker's and a sink's process for each version, from its own sources. They hand on and store the same images: digest,
message, receiving, writing, fsync, link and ledger, and nothing else. Now there are two ways: past the page cache, and
through it, as if somebody follows. CPU seconds are those of both processes, user and system; the images of the first
two, which meet cold memory, do not count. Wall time is that of the sink, between two images, and depends on the disk
and on who else uses it: the load is printed beside it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks.before import ROOT, sources_of
from fip.local.forks import MEMORY_IS_KEPT
from support.stored_run import GRID, RUN, stored_image

WARM = 2  # images before it counts
CLOSE = {4096: (0.15, 1.7)}  # CPU ratio at most, images/s at least
COMMON = f"""
import os, resource, sys, time
import numpy as np, zmq
way, folder, content_at, count, begin = sys.argv[1:]
count, begin, worker, run = int(count) + {WARM}, float(begin), "head/cpu0", {RUN!r}
address = "ipc://" + folder + "/in"
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
def images(make):
    content = np.fromfile(content_at, np.uint8)
    buffers = []
    for _ in range(6):
        room = np.empty(len(content) + 4096, np.uint8)
        buffers.append(room[-room.ctypes.data % 4096 :][: len(content)])
        buffers[-1][:] = content
    at = bytes(content[:28800]).index(b"FIPSLICE= ") + 10
    for index in range(count):
        buffer = buffers[index % 6]
        buffer[at : at + 20] = np.frombuffer(b"%20d" % index, np.uint8)
        yield make(index, buffer.data)
"""
THEN_WORKER = """
from fip.data import FitsFile, ImageFile, Times
from fip.protocol.wire import encode_image
context = zmq.Context()
push = context.socket(zmq.PUSH)
push.set_hwm(1)
push.connect(address)
def make(index, content):
    times = Times(begin, begin, begin + 2, 1.8)
    files = (FitsFile("dirty", content),)
    return ImageFile(run, index, 1, index, "", worker, times, False, "good", None, None, {"wait": 0.0}, files)
for index, image in enumerate(images(make)):
    if index == WARM:
        used = cpu()
    push.send_multipart(encode_image(image), copy=False)
push.close(60000)
context.term()
print(cpu() - used)
"""
THEN_SINK = """
from pathlib import Path
from fip.data import Selection
from fip.messages import RunPlan
from fip.protocol.wire import decode_image
from fip.storage.store import Store
store = Store(Path(folder) / "out")
assert not store.open_run(RunPlan(run, "night", count, "/data/night.ms", Selection(), ""))
context = zmq.Context()
pull = context.socket(zmq.PULL)
pull.set_hwm(1)
pull.bind(address)
print("ready", flush=True)
for index in range(count):
    if index == WARM:
        used, since = cpu(), time.monotonic()
    store.put(decode_image([frame.buffer for frame in pull.recv_multipart(copy=False)]))
print(cpu() - used, time.monotonic() - since)
"""
NOW_WORKER = """
from fip.data.values import FitsFile, ImageFile, Times
from fip.runtime.service import Loop
from fip.wire.handing import Files
from fip.wire.codec import encode_image
from fip.worker.writing import Writing
loop = Loop()
push = loop.context.socket(zmq.PUSH)
push.set_hwm(1)
push.connect(address)
writing = Writing(loop, worker)
writing.point(Files(folder + "/in.fd", sys.stdin.readline().strip(), 1000000), "")
def make(index, content):
    times = Times(begin, begin, begin + 2, 1.8)
    files = (FitsFile("dirty", content),)
    return ImageFile(run, index, 1, index, "", worker, times, False, "good", None, None, {"wait": 0.0}, files)
def send(handed):
    assert handed.now is handed.written, "it goes with its bytes"
    push.send_multipart(encode_image(handed.now), copy=False)
for index, image in enumerate(images(make)):
    if index == WARM:
        used = cpu()
    writing.write(image, send)
    while writing.waiting:
        loop._turn()
print(cpu() - used, flush=True)
sys.stdin.readline()
"""
NOW_SINK = """
import fip.sink.sink
from fip.config import Config, Loaded
from fip.data.settings import Asked
from fip.runtime.service import Loop
from fip.wire.messages import Followed, RunPlan, SinkOrders
class Link:
    heard = 0.0
    def __init__(self, *given):
        Link.hear, Link.state = given[4:6]
    def changed(self, waited_for=False):
        pass
    hear_all = close = changed
fip.sink.sink.Link = Link
loop = Loop()
settings = {"sink": {"directory": folder + "/out", "images": address}}
sink = fip.sink.sink.Sink(Loaded(Config.model_validate(settings), {}), loop)
sink.start()
plan = RunPlan(run, "night", count, "/data/night.ms", Asked(), "")
followed = (Followed("one", "", run, 0, 0, "/tmp"),) if way == "followed" else ()
Link.hear(SinkOrders((plan,), (), followed=followed))
print("ready", Link.state().brief.boot, flush=True)
used = None
while (done := sink._vitals.counters["images"]) < count:
    if used is None and done >= WARM:
        used, since, seen = cpu(), time.monotonic(), done
    loop._turn()
counted = count - seen
spent = (cpu() - used, time.monotonic() - since)
print(*(each * (count - WARM) / counted for each in spent))
assert sink._vitals.counters["written"] == count
"""
WAYS = {"then": (THEN_WORKER, THEN_SINK), "now": (NOW_WORKER, NOW_SINK), "followed": (NOW_WORKER, NOW_SINK)}


def spent(way: str, library: Path, content: Path, begin: float, count: int, scratch: Path) -> tuple[float, float]:
    """CPU seconds of an image, of worker and sink, and the seconds from one to the next at the sink."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(library)} | MEMORY_IS_KEPT
    given: list[str | Path] = [way, folder, content, str(count), str(begin)]
    worker, sink = (
        subprocess.Popen(
            [sys.executable, "-c", (COMMON + code).replace("WARM", str(WARM)), *given],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for code in WAYS[way]
    )  # fmt: skip
    try:
        assert sink.stdout
        assert worker.stdin
        boot = sink.stdout.readline().partition(" ")[2]
        worker.stdin.write(boot or "\n")
        worker.stdin.flush()
        stored = sink.communicate()[0]
        handed = worker.communicate("\n")[0]
    finally:
        for each in (worker, sink):
            each.kill()
            each.wait()
    shutil.rmtree(folder)
    if worker.returncode or sink.returncode:
        sys.exit(f"{way}: a process ended with an error")
    cpu, wall = map(float, stored.split())
    return (float(handed) + cpu) / count, wall / count


def main() -> int:
    """Print a line for each size; return 1 if a ratio is beyond the one that ends the issue."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--sides", default="1024,4096", help="of the images, in pixels")
    parser.add_argument("--commit", default="0c91216")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk that is written to")
    given = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory(dir=given.folder.resolve(), prefix="h") as scratch:
        before = sources_of(given.commit, Path(scratch) / "then")
        print(f"| CPU ms of an image: hand on, store | {given.commit} | now | ratio | if followed | ratio ", end="")
        print("| images/s, then, now, ratio, load |")
        print("|---|---|---|---|---|---|---|")
        for side in map(int, given.sides.split(",")):
            grid = replace(GRID, width=side, height=side)
            image = stored_image(RUN, 0, grid=grid)
            content = Path(scratch) / "content"
            size = content.write_bytes(image.files[0].content) / 1e6
            found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
            for _ in range(given.rounds):
                for way, of in found.items():
                    library = before if way == "then" else ROOT / "lib"
                    of.append(spent(way, library, content, image.times.begin, given.images, Path(scratch)))
            cpu = {way: 1e3 * median(each for each, _ in of) for way, of in found.items()}
            rate = {way: 1 / median(each for _, each in of) for way, of in found.items()}
            most, least = CLOSE.get(side, (1.0, 1.0))
            ratio, faster = cpu["now"] / cpu["then"], rate["now"] / rate["then"]
            missed += ratio > most or faster < least
            print(
                f"| {side}^2, {size:.1f} MB | {cpu['then']:.1f} | {cpu['now']:.2f} | {ratio:.3f} "
                f"| {cpu['followed']:.1f} | {cpu['followed'] / cpu['then']:.2f} "
                f"| {rate['then']:.1f}, {rate['now']:.1f}, {faster:.2f}, {os.getloadavg()[0]:.1f} |",
                flush=True,
            )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
