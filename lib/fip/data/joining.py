"""Sets that are imaged as one: how that is asked for, and what such a run is called. Pure."""

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer

from fip.data.names import checked_path, label
from fip.data.quantities import reads

BANDS = "bands"


def parse_join(text: str) -> tuple[str, ...]:
    """How sets are joined, "bands", and after it, as a job has them, the sets but the first; ValueError for others."""
    how, *others = (each.strip() for each in text.split(","))
    return _checked((how.lower(), *others))


def _checked(join: tuple[str, ...]) -> tuple[str, ...]:
    """Raise ValueError for sets that are joined in no known way, or with a path that is not whole."""
    if join[:1] not in ((), (BANDS,)):
        raise ValueError(f"'{join[0]:.200}' is not how sets are joined: give {BANDS}, or leave it out to image each")
    for each in join[1:]:
        if not checked_path(each).startswith("/"):
            raise ValueError(f"'{each:.200}' is to be joined and has no whole path: name it as a set to image")
    return join


Join = Annotated[tuple[str, ...], reads(parse_join), AfterValidator(_checked), PlainSerializer(",".join)]
"""(): each set is imaged by itself. ("bands", path, ...): with these further ones, as one."""


def name_of(path: Path, others: Sequence[Path | str] = ()) -> str:
    """Return the name of a run of these sets, as a label: the set's stem, or what the stems have in common."""
    stems = [Path(each).stem for each in (path, *others)]
    shared = next(filter(None, (_beginning(stems), _end(stems))), stems[0]) if len(set(stems)) > 1 else stems[0]
    return label(shared)


def shown(name: str, join: Sequence[str]) -> str:
    """Return the name of the data in headers: the name of the first set, and how many there are beside it."""
    return f"{name} and {len(join) - 1} more" if len(join) > 1 else name


def _beginning(stems: Sequence[str]) -> str:
    """Return the common beginning of all, up to a mark between words."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*stems, strict=False))
    shared = "".join(letters[0] for letters in alike)
    if not all(re.match(r"[._+-]|$", stem[len(shared) :]) for stem in stems):
        shared = re.sub(r"[^._+-]*$", "", shared)
    return shared.strip("._+-")


def _end(stems: Sequence[str]) -> str:
    return _beginning([stem[::-1] for stem in stems])[::-1]
