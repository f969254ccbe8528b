"""A folder in which small sets arrive, looked at in time that tests make, and the file in which their order is kept."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fip.data.arriving import Arrivals, Oddity, Rules
from fip.source.arriving.looking import Outcome, Probe, look_into
from fip.source.arriving.recording import Arriving
from fip.source.joined.manifest import Manifest
from support import small_ms

CADENCE = 10.0  # s of the data


def make_set(path: Path, slot: int, band: int = 0, integrations: int = 1) -> Path:
    """A set of one band; `slot` is its place in time, in cadences."""
    columns = small_ms.rows(integrations, CADENCE)
    columns["TIME"] += CADENCE * slot
    return small_ms.write(path, columns, bands=(small_ms.BAND + 4e6 * band,))


def files_of(source: Path) -> list[str]:
    """Return the files of a set in an order that `cp -rf` may take: first the one that makes it a table."""
    found = [str(each.relative_to(source)) for each in source.rglob("*") if each.is_file()]
    return sorted(found, key=lambda name: (name != "table.dat", name))


class Here(Probe):
    """Looks into members in the tests' own process: it need not be started."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[str] = []

    def look(self, root: Path, path: str, manifest: Manifest) -> Outcome:
        """Return what a member is, and note the look."""
        self.looked.append(path)
        return look_into(root / path, path, manifest)


class Folder:
    """The folder, the file of its order, and one reading child's recording of it."""

    def __init__(self, place: Path, rules: Rules, probe: Probe | None = None) -> None:
        self.path, self.order = place / "sets", place / "order.jsonl"
        self.path.mkdir(exist_ok=True)
        self.order.touch()
        self.now = 0.0
        self.probe = Here() if probe is None else probe
        self.said: list[str] = []
        self.recording = Arriving(
            self.path, rules, os.open(self.order, os.O_RDONLY), clock=lambda: self.now, probe=self.probe
        )

    def look(self, after: float = 0.5) -> Arrivals:
        """A look, and what it proposes, which is not in the file yet."""
        self.now += after
        self.recording.refresh()
        arrivals = self.recording.arrivals()
        self.said += arrivals.said
        return arrivals

    def keep(self, lines: tuple[str, ...]) -> None:
        """Write lines into the file, as the ventilator does."""
        with self.order.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def wait(self, seconds: float) -> None:
        """Look for so long, and what is proposed is written down."""
        for _ in range(round(seconds / 0.5)):
            self.keep(self.look().proposed)

    @property
    def groups(self) -> list[tuple[list[str], int]]:
        """Return, for each group, the names of its parts and how many are missing."""
        return [([part.path for part in group.parts], group.missing) for group in self.recording.manifest.groups]

    @property
    def odd(self) -> Mapping[Oddity, int]:
        """Return the oddities that were counted."""
        return self.recording.counts()

    @property
    def times(self) -> list[float]:
        """TIME of all rows, in cadences since the first slot, once each as they follow each other."""
        values = self.recording.rows(range(len(self.recording))).column("TIME")
        return [float(each) for each in (values[np.flatnonzero(np.diff(values, prepend=0))] - small_ms.START) / CADENCE]


@contextmanager
def folder(place: Path, rules: Rules, probe: Probe | None = None) -> Iterator[Folder]:
    """One that is closed in the end."""
    made = Folder(place, rules, probe)
    try:
        yield made
    finally:
        made.recording.close()


def copy(source: Path, there: Path) -> None:
    """Copy all of a set."""
    shutil.copytree(source, there)
