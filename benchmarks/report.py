"""Lines of the table that the benchmarks print."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity of FIP beside the same quantity of something else, from the same run."""

    quantity: str
    fip: float
    other: float | None = None
    ratio: float | None = None
    target: str = ""


def print_table(title: str, other: str, lines: Sequence[Line], console: Console) -> None:
    """Print the lines of one part; `other` says what FIP is measured against."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for heading in ("FIP", other, "ratio", "target"):
        table.add_column(heading, justify="right")
    for line in lines:
        table.add_row(line.quantity, _number(line.fip), _number(line.other), _number(line.ratio), line.target)
    console.print(table, "")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
