"""Kills, stops and continues processes at random, each time a run has got on by a random number of images.

So the same happens on a slow machine as on a fast one, and there is always something under way.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from support.fip_command import images
from support.nemeses import Nemesis


class Victims(Protocol):
    """Processes that are known by name."""

    def start(self, name: str) -> None:
        """Start one, again or for the first time."""

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one; one that is killed is waited for."""


class Chaos:
    """Call it often while a run is under way."""

    def __init__(
        self,
        victims: Victims,
        names: Sequence[str],
        directory: Path,
        seed: int,
        every: tuple[int, int] = (4, 14),
        nemeses: Sequence[Nemesis] = (),
    ) -> None:
        """If `nemeses` are given, every fourth time one of these begins, and ends after up to seven seconds."""
        self._nemeses, self._under_way = nemeses, dict[Nemesis, float]()  # and when it ends
        self.visits: Counter[str] = Counter()
        self._victims, self._names, self._directory, self._every = victims, names, directory, every
        self._random = random.Random(seed)
        self._stopped: dict[str, float] = {}  # name -> when it is continued
        self._mark = 3  # images at which something happens
        self.kills: Counter[str] = Counter()
        self.stops = 0
        self._seen: set[str] = set()

    def __call__(self) -> None:
        """Do everything that is due."""
        now = time.monotonic()
        for name in [name for name, until in self._stopped.items() if now > until]:
            del self._stopped[name]
            self._victims.kill(name, signal.SIGCONT)
        for nemesis in [nemesis for nemesis, until in self._under_way.items() if now > until]:
            del self._under_way[nemesis]
            nemesis.end()
        if self._progress() < self._mark or self._stopped.keys() >= set(self._names):
            return
        self._mark += self._random.randint(*self._every)
        if self._nemeses and self._random.random() < 0.25:
            self._visit(self._random.choice(self._nemeses), now)
            return
        name = self._random.choice([name for name in self._names if name not in self._stopped])
        if self._random.random() < 0.25:
            self._stopped[name] = now + self._random.uniform(0.2, 4.0)
            self._victims.kill(name, signal.SIGSTOP)
            self.stops += 1
        else:
            self._victims.kill(name)
            self._victims.start(name)
            self.kills[name] += 1

    def _visit(self, nemesis: Nemesis, now: float) -> None:
        if nemesis not in self._under_way:
            nemesis.begin()
            self._under_way[nemesis] = now + self._random.uniform(0.2, 7.0)
            self.visits[type(nemesis).__name__] += 1

    def _progress(self) -> int:
        """How many images were stored, whether or not they are still there."""
        self._seen |= {image.name for image in images(self._directory)}
        return len(self._seen)

    def end(self) -> None:
        """Continue whoever is stopped, and end all else."""
        for nemesis in self._under_way:
            nemesis.end()
        self._under_way.clear()
        for name in self._stopped:
            self._victims.kill(name, signal.SIGCONT)
        self._stopped.clear()
