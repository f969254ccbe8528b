"""Which gains, flags and sky models, as a person writes them: files by their paths, and words. Pure."""

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer

from fip.data.quantities import reads

NO_FLAGS, AUTO = "none", "auto"
TELSTATE = "telstate"
"""Gains that a receiver copies beside its spool."""
STRATEGY = "aoflagger:"
"""Before the name of a strategy of `[source] strategies`."""

SKY = ("sun", "moon", "jupiter", "A-team", "CasA", "CygA", "TauA", "VirA")
"""What a sky model may name beside files."""

OWN = "self"
"""A sky model that is made of the run's own images first."""

_WORD = re.compile("|".join(map(re.escape, (*SKY, OWN))) + r"|(?:sun|moon|jupiter):[^/]+", re.IGNORECASE)


def parse_files(text: str) -> tuple[str, ...]:
    """Files, separated by commas, in their order; ValueError for none or an empty name."""
    files = tuple(each.strip() for each in text.split(","))
    if not all(files):
        raise ValueError(f"'{text}' is not a list of files, as one.cal,two.cal")
    return _once(files)


def parse_flag(text: str) -> str:
    """How samples are flagged; ValueError for an empty text, or a strategy without a name."""
    text = text.strip()
    if not text or text == STRATEGY:
        raise ValueError(f"'{text}' says not what to flag by: give {NO_FLAGS}, {AUTO}, a FILE or {STRATEGY}NAME")
    return text


def _once(files: tuple[str, ...]) -> tuple[str, ...]:
    for file in files:
        if files.count(file) > 1:
            raise ValueError(f"'{file}' is named twice: it would be applied twice")
    return files


def is_file(written: str) -> bool:
    """Whether gains, a part of a sky model, or what is flagged by, is a file."""
    return (
        written not in (NO_FLAGS, AUTO, TELSTATE) and not written.startswith(STRATEGY) and not _WORD.fullmatch(written)
    )


def with_files(written: str, change: Callable[[str], str]) -> str:
    """Return a word unchanged; return what `change` makes of a file."""
    return change(written) if is_file(written) else written


Files = Annotated[tuple[str, ...], reads(parse_files), AfterValidator(_once), PlainSerializer(",".join)]
Flagging = Annotated[str, reads(parse_flag)]
