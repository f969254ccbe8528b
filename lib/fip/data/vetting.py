"""What a person can say of an event, wherever it is said: at a terminal, on the page, in a message."""

from typing import Literal, TypeAlias, get_args

Said: TypeAlias = Literal["real", "rfi", "satellite", "artefact", "none"]
"""A verdict, or none any more: what was said before is taken back."""

NONE: Said = "none"

SAID: tuple[Said, ...] = get_args(Said)


def parse_said(text: str) -> Said:
    """A verdict as it is typed; ValueError for anything else."""
    for each in SAID:
        if text == each:
            return each
    raise ValueError(f"{text!r:.80} is no verdict: {', '.join(SAID[:-1])}, or {NONE}, which takes one back")
