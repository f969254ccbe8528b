"""Labels: the names that go into file names and messages, made of A-Z a-z 0-9 . _ + - only."""

import re
from collections.abc import Container
from itertools import chain, count
from operator import itemgetter
from typing import Annotated, NamedTuple

from annotated_types import Interval
from pydantic import AfterValidator, StringConstraints

LONGEST = 64
LONGEST_LINE = 500  # characters
LONGEST_TEXT = 2000  # characters
LONGEST_PATH = 4096  # bytes
NO_LABEL = f"not a label of 1 to {LONGEST} of A-Z a-z 0-9 . _ + -"
_LABEL = re.compile(rf"[A-Za-z0-9._+-]{{1,{LONGEST}}}")


def is_label(text: str) -> bool:
    """Whether the text may stand in a file name or a message as it is."""
    return _LABEL.fullmatch(text) is not None


def label(text: str) -> str:
    """The text as a label: each run of other characters becomes one "_"."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("_")[:LONGEST] or "unnamed"


def free_name(name: str, taken: Container[str]) -> str:
    """The name; if it is taken, NAME-2, NAME-3 and so on."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if each not in taken)


def _checked_folder(text: str) -> str:
    """A label that leads nowhere else, or ""; ValueError for anything else."""
    if text and (not is_label(text) or text in (".", "..")):
        raise ValueError(f"{text!r:.80} is not a folder's name of 1 to {LONGEST} of A-Z a-z 0-9 . _ + -")
    return text


def checked_path(text: str) -> str:
    """Return the path; ValueError for a text that cannot be one."""
    if "\0" in text or len(text.encode()) > LONGEST_PATH:
        raise ValueError(f"a path has no byte 0 in it, and no more than {LONGEST_PATH} bytes")
    return text


Number = Annotated[int, Interval(ge=0, lt=1 << 31)]
"""A count or an index; what comes from a socket is held to the range."""

Attempts = Annotated[int, Interval(ge=0, lt=1 << 20)]
"""The number of an attempt, as a worker reports it: the next one is one more, and still a `Number`."""

Count = Annotated[int, Interval(ge=0, lt=1 << 63)]
"""How often, or how many bytes; what comes from a socket is held to the range."""

LARGEST = 1e15
"""The largest `Real`."""

Real = Annotated[float, Interval(ge=-LARGEST, le=LARGEST)]
"""A number that is neither NaN nor infinite, and is so still if many are added up; what comes from a socket is held to
the range: one NaN would spread to all that it is compared with."""

Share = Annotated[float, Interval(ge=0, le=1)]
"""A part of all, 0 to 1."""

Sum = Annotated[float, Interval(ge=-1e300, le=1e300)]
"""Like `Real`, but of any size that squares and sums of single precision have."""

Line = Annotated[str, StringConstraints(max_length=LONGEST_LINE)]
"""A name or a word that is not for file names; what comes from a socket is held to the length."""

Text = Annotated[str, AfterValidator(itemgetter(slice(LONGEST_TEXT)))]
"""A text for a person, as a reason; from a socket only the beginning is taken."""

PathName = Annotated[str, StringConstraints(min_length=1), AfterValidator(checked_path)]
"""A path as the kernel takes it; whether anything is there is not known."""

Address = Annotated[str, StringConstraints(max_length=LONGEST_LINE, pattern=r"^(tcp://[^/]*:[0-9]{1,5}|ipc://.+)$")]
"""The address of a socket, of a transport that FIP speaks; the host may be left out."""

Label = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9._+-]{{1,{LONGEST}}}$")]

OptionalLabel = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9._+-]{{0,{LONGEST}}}$")]
"""A label, or "" for none."""

Folder = Annotated[str, AfterValidator(_checked_folder)]
"""The name of a folder within another, or "" for that itself."""

RunId = Label
"""The id of a run: a hash of the data and of what was asked (`fip.source.run_id`)."""


class SliceId(NamedTuple):
    """The run of a slice, and its index in it."""

    run: RunId
    slice: Number  # its index in the run, from 0 without gaps


class Attempt(NamedTuple):
    """One attempt at a slice."""

    run: RunId
    slice: Number
    number: Number  # 1 for the first
