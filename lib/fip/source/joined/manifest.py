"""What a joined recording is made of: its groups of members in order, and how each member's numbers are read.

Rows are numbered as the members follow each other here, so the order is decided once and never changes. For a folder
that is being written it is on disk, a line for each thing, before a slice is cut by it. So every reading child, also
one that begins anew, has the same rows under the same numbers.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias, TypeVar

from fip.data.arriving import Oddity
from fip.source.tables.subtables import Antennas, Field, Window


@lru_cache(maxsize=1024)
def shared(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Return the same numbers, kept once: most members have those of another one."""
    return numbers


@dataclass(frozen=True, slots=True)
class Part:
    """A member, as it was when it was looked into. Its own numbers are indices here; -1 for what has no rows."""

    path: str  # relative to the joined recording's
    rows: int
    begin: float  # s UTC since MJD 0, of its first integration
    end: float  # s UTC, of its last integration
    windows: tuple[int, ...]  # [its DATA_DESC_ID] DATA_DESC_ID here
    fields: tuple[int, ...]  # [its FIELD_ID] FIELD_ID here
    antennas: tuple[int, ...]  # [its antenna] antenna here; () if they are the same
    beam: int | None = None  # FEED1 here of all its rows; None: as on file


@dataclass(frozen=True, slots=True)
class Group:
    """Members of one time, imaged together: sub-bands side by side, beams apart."""

    parts: tuple[Part, ...]
    missing: int = 0  # parts that did not come

    @property
    def rows(self) -> int:
        """Return how many rows all its parts have."""
        return sum(part.rows for part in self.parts)

    @property
    def begin(self) -> float:
        """Return when the first integration begins, s UTC."""
        return min(part.begin for part in self.parts)

    @property
    def end(self) -> float:
        """Return when the last integration ends, s UTC."""
        return max(part.end for part in self.parts)


@dataclass(frozen=True, slots=True)
class Odd:
    """What was wrong with a member, or with the place of one that did not come."""

    what: Oddity
    path: str  # relative to the joined recording's


Item = TypeVar("Item")
Thing: TypeAlias = Antennas | dict[str, str] | Window | Field | Group | Odd
"""What a line of a manifest holds; the dict is the observation."""


@dataclass(eq=False)
class Manifest:
    """The whole manifest. Windows, fields, groups and oddities are only ever added to."""

    antennas: Antennas | None = None  # of the first member; those of the others are found among them by name
    windows: list[Window] = field(default_factory=list)  # by DATA_DESC_ID
    fields: list[Field] = field(default_factory=list)  # by FIELD_ID
    observation: dict[str, str] = field(default_factory=dict)  # TELESCOPE_NAME, OBSERVER, PROJECT of the first member
    groups: list[Group] = field(default_factory=list)  # in order of time
    oddities: list[Odd] = field(default_factory=list)  # in the order in which they were reported

    def add(self, thing: Thing) -> None:
        """Add what was found next. ValueError if a window or a field has not the number that is next."""
        match thing:
            case Antennas():
                self.antennas = thing
            case Window():
                _next(self.windows, thing, thing.number)
            case Field():
                _next(self.fields, thing, thing.number)
            case Group():
                self.groups.append(thing)
            case Odd():
                self.oddities.append(thing)
            case _:
                self.observation = thing


def _next(items: list[Item], item: Item, number: int) -> None:
    if number != len(items):
        raise ValueError(f"its number is {number}, and {len(items)} is next")
    items.append(item)
