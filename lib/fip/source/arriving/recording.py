"""A folder in which recordings arrive, as one recording that grows by groups of them.

The manifest's file holds what is admitted, and only the ventilator writes it. A reading child proposes lines, and has
the rows once the lines are in the file. So every child, also one that begins anew, has the same rows.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from fip.data.arriving import Arrivals, Oddity, Rules
from fip.data.errors import InputError
from fip.source.arriving.admission import Admission, Told
from fip.source.arriving.gone import Gone
from fip.source.arriving.looking import Probe, Refused, Seen, Unreadable
from fip.source.arriving.scan import GRANULARITY, Scan, mark
from fip.source.joined.lines import take, to_line
from fip.source.joined.manifest import Group, Manifest, Part, Thing
from fip.source.joined.recording import Joined
from fip.source.recording import Recording
from fip.source.sources import is_named, open_recording
from fip.source.tables.access import check_access
from fip.source.tables.subtables import Window

LOOKS_FOR = 1.0  # s: members are looked into for so long; the others are left for the next look
MOST_PROPOSED = 1000  # lines at a time
SAID = 3  # names of each oddity that a look reports; the others are only counted
_READ = 1 << 20  # bytes


class Arriving(Joined):
    """The rows of the groups that are in the manifest's file. `refresh` looks for more, which it proposes."""

    def __init__(
        self,
        path: Path,
        rules: Rules,
        manifest: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        probe: Probe | None = None,
    ) -> None:
        """`manifest` is a descriptor of the file, open to read, which is closed with this; None: it is kept nowhere.

        InputError if the folder is not there, or its manifest is none.
        """
        self._rules, self._file, self._clock = rules, manifest, clock
        check_access(path)
        super().__init__(path, Manifest(), open_recording, growing=True)
        self._probe = probe or Probe()
        self._taken, self._lines = 0, 0  # bytes and lines of the file that are in the manifest
        self._groups_counted, self._oddities_counted = 0, 0
        self._odd: dict[str, Oddity] = {}  # what became of members that were not imaged, by path
        self._counts: Counter[Oddity] = Counter()  # of oddities that are not in `_odd`
        self._said: list[str] = []
        self._begin()
        self._take_lines()

    def _begin(self) -> None:
        """Look at the folder as if for the first time, and propose nothing yet."""
        self._probe.close()
        self._proposed: list[str] = []
        self._ahead = Manifest(self.manifest.antennas, [*self.manifest.windows], [*self.manifest.fields])
        self._admission = Admission(self._rules)
        for group in self.manifest.groups:
            self._admission.take(group)
        for odd in self.manifest.oddities:
            self._admission.judge(odd)
        self._scan = Scan(self.path, self._rules.marker, is_named)
        self._early = True  # whether the folder was not looked at yet
        self._marked: float | None = None  # s of our clock, when the marker was seen first

    def refresh(self) -> None:
        """Take the groups that are in the file now; if there are no new ones, look for what has arrived.

        UnreadableError if the folder cannot be read now; InputError if the file is no manifest.
        """
        self._said = []
        known = len(self)
        self._take_lines()
        if len(self) == known:
            self._look(self._clock())

    def ended(self) -> bool | None:
        """Return True if the marker is there and all that arrived is decided; else None: then silence shows the end."""
        now = self._clock()
        over = self._over(now) and not self._admission.pending(now) and not self._proposed
        return True if over else None

    def arrivals(self) -> Arrivals:
        """Return what has come, and what is proposed, as of the last refresh."""
        return Arrivals(self.proposed(), self.counts(), tuple(self._said), self.waiting())

    def proposed(self) -> tuple[str, ...]:
        """Return the lines to be added to the file, in order: the first of them if there are very many."""
        return tuple(self._proposed[:MOST_PROPOSED])

    def counts(self) -> Mapping[Oddity, int]:
        """Return how often there was each oddity, by what is in the file."""
        return {**self._counts, **Counter(self._odd.values())}

    def waiting(self) -> str:
        """Return what is waited for, in words; "" if nothing is."""
        return self._admission.waits(self._clock())

    def member(self, part: Part) -> Recording:
        """Return an open member, or what is known of one that was removed. InputError if it cannot be read."""
        try:
            return super().member(part)
        except InputError:
            path = self.path / part.path
            if os.path.lexists(path) or not self.path.is_dir():
                raise
            return Gone(path, part, self.antennas)

    def close(self) -> None:
        """Close the files and end the child."""
        super().close()
        self._probe.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    # The file

    def _take_lines(self) -> None:
        """Take the lines that were added to the file."""
        added = self._added()
        if not added:
            return
        self._taken += take(self.manifest, added, f"{self.path}: the order in which it arrived", self._lines)
        lines = added.decode().splitlines()
        self._lines += len(lines)
        self._count()
        self.take_groups()
        if lines == self._proposed[: len(lines)]:
            del self._proposed[: len(lines)]
        else:  # another child has proposed, too; or this is the first look
            self._begin()

    def _added(self) -> bytes:
        """Return the whole lines of the file that were not taken yet."""
        if self._file is None:
            return "".join(f"{line}\n" for line in self._proposed).encode()
        added = b""
        while more := os.pread(self._file, _READ, self._taken + len(added)):
            added += more
        return added[: added.rfind(b"\n") + 1]

    def _count(self) -> None:
        """Count the oddities of what was taken."""
        for odd in self.manifest.oddities[self._oddities_counted :]:
            if odd.what == "out of order":
                self._counts[odd.what] += 1
            else:
                self._odd[odd.path] = odd.what
        for group in self.manifest.groups[self._groups_counted :]:
            if group.missing:
                self._counts["missing"] += group.missing
            for part in group.parts:
                self._odd.pop(part.path, None)  # it came again, and was whole
        self._oddities_counted, self._groups_counted = len(self.manifest.oddities), len(self.manifest.groups)

    # The folder

    def _look(self, now: float) -> None:
        """Look at what has come, and propose the groups whose turn it is."""
        changes = self._scan.look(now)
        self._said += changes.said
        told: list[Group | Told] = []
        for path in changes.gone:
            told += self._admission.gone(path)
        for path in changes.parts:
            told += self._admission.gone(path, part=True)
        for path in changes.appeared:
            self._admission.appeared(path, now, self._early)
        self._early = False
        for path in self._admission.to_mark(now):
            self._admission.marked(path, mark(f"{self.path}/{path}"), now)
        told += self._look_into(now)
        told += self._admission.decide(now, self._over(now))
        self._propose(told)

    def _look_into(self, now: float) -> list[Told]:
        """Look into the members that are settled."""
        told: list[Told] = []
        whole = []
        for path in self._admission.to_open(now):
            outcome = self._probe.look(self.path, path, self._ahead)
            match outcome:
                case Seen() if self._admission.begun and (window := _window_of(outcome.new)):
                    band = f"{window.low / 1e6:.6f} to {window.high / 1e6:.6f} MHz"
                    why = f"its band, {band}, is none of those that there were when images began: give it another run"
                    told += self._admission.refused(path, why)
                case Seen():
                    whole.append(outcome.found)
                    for thing in outcome.new:
                        self._ahead.add(thing)
                        self._proposed.append(_line(thing))
                case Unreadable():
                    told += self._admission.unreadable(path, outcome.why, now)
                case Refused():
                    told += self._admission.refused(path, outcome.why)
            if self._clock() > now + LOOKS_FOR:
                break
        for found in sorted(whole, key=lambda each: each.first):
            told += self._admission.found(found, now)
        return told

    def _over(self, now: float) -> bool:
        """Return whether no more comes: the marker has been there for so long that all that came before it was seen."""
        if not self._scan.marked:
            self._marked = None
        elif self._marked is None:
            self._marked = now
        return self._marked is not None and now >= self._marked + GRANULARITY

    def _propose(self, made: Iterable[Group | Told]) -> None:
        names: dict[Oddity, int] = {}
        for each in made:
            if isinstance(each, Group):
                self._proposed.append(_line(each))
                continue
            what = each.odd.what
            self._proposed.append(_line(each.odd))
            names[what] = names.get(what, 0) + 1
            if names[what] <= SAID:
                self._said.append(f"{self.path}/{each.odd.path}: {what}: {each.why}")
        self._said += [f"{self.path}: {n - SAID} more are {what}" for what, n in names.items() if n > SAID]


def _window_of(things: Iterable[Thing]) -> Window | None:
    return next((each for each in things if isinstance(each, Window)), None)


def _line(thing: Thing) -> str:
    return to_line(thing).rstrip("\n")
