"""A detector with alerts, one image after the other, in a process: what is stored, searched, shown and sent."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.alerts.reporter import Reporter
from fip.config import AlertTarget
from fip.data.settings import asked
from fip.data.values import FitsFile, Grid, Times
from fip.events.describer import Describer, Files, files_of
from fip.events.detector import detector_step, habits
from fip.events.publishing import Publisher
from fip.events.words import FOLDER, Asked, Found
from fip.follower.course import Course
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from support.noise_fields import gaussian, noise_fields
from support.stored_run import CADENCE, NOISE, RUN, START, stored_image

SIDE, BEAM = 48, 4.0  # pixels
GRID = Grid(SIDE, SIDE, 1e-5, 2.7, -0.78, "FK5")

_APART = 1_000_000  # images: more than a run has, so that the noise of two seeds differs

Source = tuple[float, float, int, int, float]
"""x, y, first slice, slices, S/N of each slice."""


class DescribesHere(Describer):
    """Describes events in this process, when the answer is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: tuple[Path, Found] | None = None

    def free(self) -> bool:
        """Whether nothing is asked for."""
        return self._asked is None

    def is_at(self, directory: Path) -> bool:
        """Whether an event of a directory is asked for."""
        return self._asked is not None and self._asked[0] == directory

    @property
    def found(self) -> Found:
        """The event that is asked for."""
        assert self._asked
        return self._asked[1]

    def ask(self, directory: Path, found: Found) -> None:
        """Note the event that is asked for."""
        self._asked = directory, found

    def answer(self, wait: bool = False) -> Files | None:
        """What is made of it, now."""
        asked, self._asked = self._asked, None
        return files_of(*asked) if asked else None


class AlertingNight:
    """The directory, and what looks at it. Use it in `closing`."""

    def __init__(
        self,
        directory: Path,
        count: int,
        targets: Mapping[str, AlertTarget],
        sources: tuple[Source, ...] = (),
        inject: bool = False,
        cadence: float = CADENCE,
        seed: int = 0,
    ) -> None:
        """Store images; `seed` is that of the noise."""
        self._made, self._cadence, self._seed = stored_image(RUN, 0, grid=GRID), cadence, seed
        self.directory, self.folder, self.sources = directory, directory / FOLDER, list(sources)
        self.clock, self.late = START, 0.0  # s by which all is later than the images
        self._asked, self._targets, self.archival = Asked(inject=inject), targets, False
        self._store = Store(directory)
        plan = RunPlan(RUN, "night", count, "/data/night.ms", asked(), "", final=True)
        assert self._store.open_run(plan) == ""
        self._course = Course(directory, self.folder, detector_step(self._asked), habits())
        self.reporter = self._reporter()

    def _reporter(self) -> Reporter:
        self._describer = DescribesHere()
        self._publisher = Publisher(self._course, self._asked, describer=self._describer)
        return Reporter(self._publisher, self._course, self._targets, lambda: self.clock, self.archival)

    def close(self) -> None:
        """Close reporter, course and store."""
        self.reporter.close()
        self._course.close()
        self._store.close()

    def image(self, index: int, quality: str = "good", look: bool = True) -> None:
        """Store an image, and have all see it."""
        begin = START + index * self._cadence
        times = Times(begin, begin + self._cadence / 2, begin + self._cadence, 0.9 * self._cadence)
        made = replace(self._made, index=index, integration=index, times=times, quality=quality)
        pixels = noise(index + _APART * self._seed)
        for x, y, first, slices, snr in self.sources:
            if first <= index < first + slices:
                pixels = pixels + snr * gaussian(SIDE, x, y, BEAM)
        content = bytearray(made.files[0].content)
        data = (pixels * NOISE).astype(">f4").tobytes()
        offset = len(content) - -(-len(data) // 2880) * 2880
        content[offset : offset + len(data)] = data
        self._store.put(replace(made, files=(FitsFile("dirty", bytes(content)),)))
        self.clock = times.end + self.late
        if look:
            self.look()

    def look(self) -> None:
        """Have what is stored be searched, shown and sent."""
        while self._course.advance() is not None:
            pass
        known = None
        while known != (known := (self._publisher.described, self._describer.free())):
            self.reporter.publish(idle=True)

    def images(self, first: int, end: int, then: Callable[[int], object] = lambda index: None) -> None:
        """Several, one after the other."""
        for index in range(first, end):
            self.image(index)
            then(index)

    def forget(self) -> None:
        """Begin anew, as after a restart."""
        self.reporter.close()
        self.reporter = self._reporter()
        self.look()


_fields: dict[int, tuple[NDArray[np.floating], ...]] = {}  # the last ones


def noise(index: int) -> NDArray[np.floating]:
    """The noise of a slice, rms 1."""
    if index // 2 not in _fields:
        if len(_fields) > 8:
            _fields.clear()
        fields = noise_fields(SIDE, BEAM, index // 2)
        _fields[index // 2] = next(fields), next(fields)
    return _fields[index // 2][index % 2]
