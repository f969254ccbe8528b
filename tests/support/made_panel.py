"""A panel that no state has, with all that a panel can hold: any view draws it."""

from fip.state.panel import Bar, Fact, Head, Panel, Row, Table

HOSTILE = "<b>a</b>\x1b[31m\x07"
MADE = Panel(
    "made", HOSTILE, "summed up", "warn", Bar((("busy", 0.5), ("other", 0.25)), "half of it"),
    facts=(Fact("noted", (HOSTILE, "two"), "bad"), Fact("plain", ("three",))),
    tables=(Table("table", (Head("one", "text"), Head("two", "bar"), Head("three", width=200)), (
        Row("key", (HOSTILE, "12%", f"far {100 * 'x'}"), "bad", Bar((("flagged", 0.12),), "12%")),
    )),),
)  # fmt: skip
