"""Labels: the names that go into file names and messages, made of A-Z a-z 0-9 . _ + - only."""

import re
from collections.abc import Container
from itertools import chain, count
from typing import Annotated, NamedTuple

from annotated_types import Interval
from pydantic import AfterValidator, StringConstraints

LONGEST = 64
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


Number = Annotated[int, Interval(ge=0, lt=1 << 31)]
"""A count or an index; what comes from a socket is held to the range."""

Label = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9._+-]{{1,{LONGEST}}}$")]

OptionalLabel = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9._+-]{{0,{LONGEST}}}$")]
"""A label, or "" for none."""

Folder = Annotated[str, AfterValidator(_checked_folder)]
"""The name of a folder within another, or "" for that itself."""

RunId = Label
"""Which run: a hash of the data and of what was asked (`fip.source.run_id`)."""


class SliceId(NamedTuple):
    """Which slice."""

    run: RunId
    slice: Number  # its index in the run, from 0 without gaps


class Attempt(NamedTuple):
    """One attempt at a slice."""

    run: RunId
    slice: Number
    number: Number  # 1 for the first
