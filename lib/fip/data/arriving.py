"""How a folder of arriving recordings is followed, and what is counted of its members."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from pydantic import ConfigDict

from fip.data.names import LARGEST, Line, Number

Oddity = Literal["missing", "late", "truncated", "foreign", "removed", "duplicate", "out of order"]
"""What may be wrong with a member, or with the place of one that did not come.

missing: a part that its group was imaged without. late: it came after its group, or a later one, was imaged.
truncated: it was left half-written, longer than the grace. foreign: it is no recording, or of another array or band.
removed: it went before it was imaged. duplicate: another has its time and its band. out of order: it came after a
later one, and was still imaged in its place.
"""


_Seconds = Annotated[float, Interval(ge=0, le=LARGEST)]


@dataclass(frozen=True)
class Rules:
    """When a member of a folder is whole, and how long a group waits for its other parts."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    settle: _Seconds = 2.0  # s for which a member's names, sizes and times of change stay as they are before it is read
    grace: _Seconds = 30.0  # s without news of it after which a group is imaged without the parts that it lacks
    parts: Number | None = None  # that a group has; None: the most that one has had
    marker: Line = ""  # a file of this name in the folder says that no more comes; "": only silence does


@dataclass(frozen=True)
class Writing:
    """That a recording is still being written, and how that is followed."""

    rules: Rules = field(default_factory=Rules)  # of a folder of arriving recordings
    manifest: str = ""  # the name of the file in which the order of what arrived is kept; "": it is kept nowhere


@dataclass(frozen=True)
class Arrivals:
    """What a recording that comes in parts reports about them, beside its rows."""

    proposed: tuple[str, ...] = ()  # lines for its manifest by which it would go on, in order; not there when last read
    oddities: Mapping[Oddity, int] = field(default_factory=dict)  # how often each was, since the recording began
    said: tuple[str, ...] = ()  # a text for the log for each of those that are new
    waits: str = ""  # what it waits for now; "" if nothing
