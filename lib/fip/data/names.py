"""Labels: the names that go into file names and messages, made of A-Z a-z 0-9 . _ + - only."""

from __future__ import annotations

import re

LONGEST = 64
_LABEL = re.compile(rf"[A-Za-z0-9._+-]{{1,{LONGEST}}}")


def is_label(text: str) -> bool:
    """Whether the text may stand in a file name or a message as it is."""
    return _LABEL.fullmatch(text) is not None


def is_folder(text: str) -> bool:
    """Whether the text may be the name of a folder that a message asks for: a label that leads nowhere else."""
    return is_label(text) and text not in (".", "..")


def label(text: str) -> str:
    """The text as a label: each run of other characters becomes one "_"."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("_")[:LONGEST] or "unnamed"
