"""What there is to see of one subject, as data: every view draws any panel, and adds no words. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

Level = Literal["", "warn", "bad"]
"""How urgently somebody should look."""

Kind = Literal["gauge", "counter"]

Shown = Literal["rows", "cells", "folded"]
"""How a page shows a table. cells: a small one for each row; its rows, as those that are folded, if somebody asks."""


class Bar(NamedTuple):
    """Shares of a whole, side by side."""

    parts: tuple[tuple[str, float], ...]  # what: busy, blocked, idle; or stored, failed; and its share, 0 to 1
    words: str


class Fact(NamedTuple):
    """Something that has a name."""

    name: str
    items: tuple[str, ...]
    level: Level = ""


class Head(NamedTuple):
    """A column of a table."""

    name: str
    kind: Literal["text", "number", "bar"] = "number"  # bar: that of the row, and then its cell
    width: int = 0  # of a terminal, in columns, from which on there is room for it


class Row(NamedTuple):
    """A row of a table."""

    key: str  # what it is about, from state to state
    cells: tuple[str, ...]
    level: Level = ""
    bar: Bar | None = None
    job: str = ""  # one that may be cancelled here


@dataclass(frozen=True)
class Table:
    """A table: rows of cells under heads."""

    title: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    shown: Shown = "rows"
    glance: int = 5  # rows that are shown if there is little room


@dataclass(frozen=True)
class Number:
    """Numbers of one kind, for Prometheus."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: tuple[tuple[tuple[str, ...], float | None], ...]  # the labels' values and the number; None: not known
    kind: Kind = "gauge"


@dataclass(frozen=True)
class Panel:
    """All that is said of a subject."""

    name: str
    title: str
    summary: str = ""
    level: Level = ""
    bar: Bar | None = None
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    nothing: str = ""  # what is said if there are no rows
    numbers: Annotated[tuple[Number, ...], Field(exclude=True)] = ()


def filled(tables: Iterable[Table]) -> tuple[Table, ...]:
    """Return those tables that have rows."""
    return tuple(table for table in tables if table.rows)


def texts(title: str, heads: tuple[str, ...], rows: Sequence[Row], shown: Shown = "rows") -> Table:
    """A table of texts alone."""
    return Table(title, tuple(Head(name, "text") for name in heads), tuple(rows), shown)
