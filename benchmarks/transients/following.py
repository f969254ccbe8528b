"""The detector as it follows a run: how long after an image is stored what it shows is in the table, and its CPU."""

import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.report import Line
from benchmarks.transients.telescope import CADENCE, START, Telescope
from fip.data.settings import Asked as AskedOfRun
from fip.data.values import ImageFile, Times
from fip.events.detector import NAME, detector_step, habits
from fip.events.publishing import publisher
from fip.events.words import FOLDER, Asked
from fip.follower.courses import Courses
from fip.follower.follower import LOOK_AGAIN
from fip.follower.journal import JOURNAL
from fip.imaging.kernels import make_kernel
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from fip.worker.stages import image_file

EVERY = 0.1  # s from one image to the next
AT_ONCE = 16  # images that are stored without a pause
FIRST = 60  # images of the start, which count apart: a run is noticed within a second, and measured at its eighth image
RUN = "00112233445566778899aabbccddeeff"


def following(size: int, images: int) -> list[Line]:
    """Search noise with a source of S/N 12 in every hundredth image: ms from stored to entered, and CPU ms an image."""
    telescope = Telescope("disc", size)
    made = [_made(telescope, index) for index in range(images)]
    with tempfile.TemporaryDirectory(prefix="fip-benchmarks-") as folder:
        directory = Path(folder)
        asked = Asked(reference="none", inject=False)
        storing = threading.Thread(target=_store, args=(directory, made))
        courses = Courses(NAME, detector_step(asked), habits(), directory, None, FOLDER, publisher(asked))
        storing.start()
        spent = _follow(courses, images)
        storing.join()
        courses.close()
        waits = _waits(directory)
    middle, most = (1e3 * float(np.percentile(waits[FIRST:], each)) for each in (50, 99))
    return [
        Line(f"stored to entered, images of {size}^2, one in {EVERY:g} s: ms, median", middle, target="<= 30"),
        Line("... ms, 99 %", most, target="<= 150"),
        Line(f"... ms, the longest of the first {FIRST}, as a run begins", 1e3 * max(waits[:FIRST])),
        Line("CPU ms an image, of the thread that follows, with all that it writes", 1e3 * spent / images),
    ]


def _made(telescope: Telescope, index: int) -> ImageFile:
    """An image as a worker makes it."""
    uvw, random = telescope.uvw(index), np.random.default_rng(index)
    seen = telescope.noise(random)
    if index % 100 == 49:
        x, y = random.uniform(20, telescope.grid.width - 20, 2)
        seen = seen + telescope.source(uvw, 12 * telescope.sigma, float(x), float(y))
    of = telescope.slice(index, uvw, seen)
    begin = START + index * CADENCE
    of = replace(of, run=RUN, times=Times(begin, begin + CADENCE / 2, begin + CADENCE, CADENCE))
    return image_file(of, make_kernel(of.settings, of.grid), "head/cpu0", 0.0)


def _store(directory: Path, made: list[ImageFile]) -> None:
    with closing(Store(directory)) as store:
        store.open_run(RunPlan(RUN, "night", len(made), "/data/night.ms", AskedOfRun(), ""))
        for number, image in enumerate(made):
            time.sleep(EVERY if number > AT_ONCE else 0)
            store.put(image)


def _follow(courses: Courses, images: int) -> float:
    """Work as the daemon does, until all are taken; return the CPU s of this thread."""
    begun, taken = time.thread_time(), 0
    while taken < images:
        done = courses.work()
        taken += len(done.taken)
        if not done.taken:
            time.sleep(LOOK_AGAIN)
    return time.thread_time() - begun


def _waits(directory: Path) -> list[float]:
    """s from when an image was recorded to when it was decided, in order."""
    with closing(sqlite3.connect(directory / "fip.sqlite")) as ledger:
        stored = dict(ledger.execute("SELECT slice, recorded FROM slices"))
    with closing(sqlite3.connect(directory / FOLDER / JOURNAL)) as journal:
        query = "SELECT slice, decided FROM decisions WHERE outcome = 'stored' ORDER BY slice"
        return [decided - stored[index] for index, decided in journal.execute(query)]
