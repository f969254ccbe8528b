"""Panels in lines, bars and tables of a terminal, for `fip status` and `fip top`. Pure.

What came from a socket is made printable here, so that no host, name or error can act on a terminal.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table as Drawn
from rich.text import Text

from fip.state.panel import Bar, Fact, Head, Level, Panel, Row, Table
from fip.state.panels import headline
from fip.state.pipeline import PipelineState, Verdict
from fip.state.words import percent, printable

COLOURS: dict[Verdict, str] = {"keeping up": "green", "behind": "yellow", "failing": "red", "no pipeline": "red"}
COLOURS |= {"finished": "green"}
STYLES: dict[Level, str] = {"": "", "warn": "yellow", "bad": "red"}
MARKS = {"busy": ("█", "green"), "blocked": ("▒", "red"), "stored": ("█", "green"), "failed": ("█", "red")}
MARKS |= {"flagged": ("█", "yellow"), "": ("░", "bright_black")}
LONG, SHORT = 20, 6  # characters of a bar
WIDE = 100  # columns from which on bars are long
GAP = 2  # between columns


def verdict_lines(state: PipelineState, reasons: int) -> Text:
    """The headline, and below it so many reasons at most."""
    colour = COLOURS[state.verdict]
    lines = Text(printable(headline(state)))
    lines.stylize(f"bold {colour}", 0, len(state.verdict))
    for reason in state.reasons[:reasons]:
        lines.append(f"\n  {printable(reason)}", colour)
    return lines


def lines(panels: Sequence[Panel], width: int) -> Text:
    """A line for each of the panels that are summed up, and below it what somebody should look at."""
    found, summed = [], [panel for panel in panels if panel.summary and panel.name != "now"]
    wide = max((len(panel.title) for panel in summed), default=0)
    for panel in summed:
        line = Text(printable(f"{panel.title.lower():{wide}} "), STYLES[panel.level])
        if panel.bar:
            what, share = panel.bar.parts[0]
            line.append_text(_bar(panel.bar, LONG if width >= WIDE else SHORT)).append(f" {percent(share):>4} {what}  ")
        found += [line.append(printable(panel.summary)), *(_fact(each, "  ") for each in panel.facts if each.level)]
    return Text("\n").join(found)


def _fact(fact: Fact, indent: str = "") -> Text:
    return Text(printable(f"{indent}{fact.name}: {', '.join(fact.items)}"), STYLES[fact.level])


def _bar(shares: Bar, width: int) -> Text:
    """Shares of a whole side by side; what is left over is grey."""
    drawn, done, total = Text(), 0, 0.0
    for what, share in shares.parts:
        total += share
        upto = min(width, round(width * total))
        mark, style = MARKS.get(what, MARKS[""])
        drawn.append(mark * (upto - done), style)
        done = upto
    return drawn.append(MARKS[""][0] * (width - done), MARKS[""][1])


def cells_of(row: Row, heads: Sequence[Head], limit: int, bar: int = SHORT) -> list[Text]:
    """The cells of a row in the columns up to a limit; with a bar so long if it belongs there."""
    shown = []
    for head, text in zip(heads, row.cells, strict=True):
        cell = Text(printable(text), STYLES[row.level], justify="right" if head.kind == "number" else "left")
        if head.kind == "bar" and row.bar:
            cell = _bar(row.bar, bar).append(" ").append_text(cell)
        shown += [cell] if head.width <= limit else []
    return shown


def drawn(table: Table, width: int, rows: int | None = None) -> Drawn:
    """A table without rules, the first so many rows of it, and as many columns as fit."""
    result = Drawn(box=None, padding=(0, GAP, 0, 0), header_style="bold")
    limits = sorted({head.width for head in table.heads}, reverse=True)
    limit = next((limit for limit in limits if _room(table, limit, SHORT, width) <= width), 0)
    bar = LONG if _room(table, limit, LONG, width) <= width else SHORT
    heads = _heads(table, limit)
    for head in heads:
        side: Literal["left", "right"] = "right" if head.kind == "number" else "left"
        long = head is heads[-1] and head.kind == "text"
        result.add_column(printable(head.name), justify=side, no_wrap=not long, overflow="fold" if long else "ellipsis")
    for row in table.rows[:rows]:
        result.add_row(*cells_of(row, table.heads, limit, bar))
    return result


def _heads(table: Table, limit: int) -> list[Head]:
    return [head for head in table.heads if head.width <= limit]


def _room(table: Table, limit: int, bar: int, width: int) -> int:
    """How wide it is with the columns up to a limit and bars so long; texts in the last may be broken."""
    heads = _heads(table, limit)
    rows = [[len(head.name) for head in heads]]
    rows += [[cell.cell_len for cell in cells_of(row, table.heads, limit, bar)] for row in table.rows]
    widths: list[int] = [max(column) + GAP for column in zip(*rows, strict=True)]
    return sum(widths[:-1]) + min(widths[-1], LONG if heads[-1].kind == "text" else width)


def glance_at(panels: Sequence[Panel], width: int) -> Iterator[RenderableType]:
    """The first rows of each table that is worth a glance, under its title."""
    for panel in panels:
        for table in panel.tables:
            if table.shown == "rows" and table.glance:
                yield from (Text(), _title(panel.title, table.title), drawn(table, width, table.glance))


def whole(panels: Sequence[Panel], width: int) -> Group:
    """Draw everything that the panels say."""
    parts: list[RenderableType] = []
    for panel in panels:
        parts += [_title(panel.title, panel.summary), *map(_fact, panel.facts)]
        for table in panel.tables:
            parts += [Text(), *([_title(table.title)] if table.title else []), drawn(table, width)]
        parts += [Text()] if panel.tables or panel.facts else [Text(panel.nothing or "None."), Text()]
    return Group(*parts)


def _title(*parts: str) -> Text:
    return Text(printable(" · ".join(filter(None, parts))), "bold")
