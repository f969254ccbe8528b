"""Code of users that runs in workers, stages and kernels: a NAME, and the digest of the package that it is in.

A person gives a NAME. Before a run has its id, it is settled to NAME@DIGEST, and that is what a run, its directory, the
headers of its images and its slices say: images of one directory are made by one version of the code.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, PlainSerializer, StringConstraints

from fip.data.names import Line
from fip.data.quantities import reads

CodeKind = Literal["stage", "kernel"]

LONGEST_NAME = 50  # characters: with a digest it fits into a card of a header
MOST_STAGES = 9  # of one run: the headers number them by a digit
_NAME = r"[A-Za-z_][A-Za-z0-9_.+-]*(?::[A-Za-z_][A-Za-z0-9_.]*)?"
_DIGEST = "[0-9a-f]{16}"
_WRITTEN = re.compile(rf"(?P<name>{_NAME})(?:@(?P<digest>{_DIGEST}))?")


@dataclass(frozen=True)
class Code:
    """A stage or a kernel that a worker has."""

    kind: CodeKind
    name: Annotated[str, StringConstraints(pattern=rf"^{_NAME}$", max_length=LONGEST_NAME)]
    version: Line  # of its package; "" if that has none
    digest: Annotated[str, StringConstraints(pattern=rf"^{_DIGEST}$")]  # of the package's files

    @property
    def settled(self) -> str:
        """The code's name as NAME@DIGEST."""
        return f"{self.name}@{self.digest}"

    def is_asked(self, kind: CodeKind, written: str) -> bool:
        """Whether it is what NAME or NAME@DIGEST asks for."""
        return kind == self.kind and written in (self.name, self.settled)


def parse_code(text: str) -> str:
    """NAME or NAME@DIGEST, as it is written; ValueError for anything else."""
    found = _WRITTEN.fullmatch(text.strip())
    if not found or len(found["name"]) > LONGEST_NAME:
        raise ValueError(
            f"'{text}' is not the name of a stage or kernel, of at most {LONGEST_NAME} characters, "
            "or package.module:function"
        )
    return found[0]


def name_of(written: str) -> str:
    """Return the NAME of NAME or NAME@DIGEST."""
    return written.partition("@")[0]


def is_settled(written: str) -> bool:
    """Whether it has a digest."""
    return "@" in written


def parse_stages(text: str) -> tuple[str, ...]:
    """Names of stages in their order, separated by commas; "" for none. ValueError for anything else."""
    return _checked([parse_code(each) for each in text.split(",")] if text.strip() else [])


def _checked(names: Sequence[str]) -> tuple[str, ...]:
    if len(names) > MOST_STAGES:
        raise ValueError(f"{len(names)} stages are named, of which a run has at most {MOST_STAGES}")
    for name in names:
        if list(map(name_of, names)).count(name_of(name)) > 1:
            raise ValueError(f"stage '{name_of(name)}' is named twice: name each once")
    return tuple(names)


Written = Annotated[str, AfterValidator(parse_code)]
"""NAME or NAME@DIGEST."""

Stages = Annotated[tuple[Written, ...], reads(parse_stages), AfterValidator(_checked), PlainSerializer(",".join)]
"""Of stages, in the order in which they run."""
