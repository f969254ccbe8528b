"""What receivers hear, how much of it is lost, and how long what was heard is kept. Pure."""

from collections.abc import Iterator, Sequence

from fip.data.complete import share_words
from fip.state.daemons import LEVELS, facts_of, words_of
from fip.state.panel import Bar, Fact, Head, Level, Number, Panel, Row, Table, filled
from fip.state.views import ReceiverView
from fip.state.words import NONE, duration, number, optional, size
from fip.wire.messages import RingState

HEADS = (
    Head("spool", "text"), Head("state", "text"), Head("received"), Head("lost"), Head("dropped", width=100),
    Head("late", width=100), Head("samples", width=100), Head("newest"), Head("ring left", "bar"),
    Head("host", "text", 120), Head("imaged as", "text", 120), Head("integration", width=140),
    Head("CPU", width=140), Head("memory", width=140), Head("last word", width=140),
)  # fmt: skip
SPOOL = ("spool", "daemon")
LONG = 24  # characters of a spool's name
BECAME = ("received", "lost", "dropped")


def receivers_panel(views: Sequence[ReceiverView], ring: RingState | None) -> Panel:
    """A row for each spool; nothing is shown if there is no receiver, nor a ring of cut slices."""
    rows = tuple(map(_row, views))
    levels = {row.level for row in rows}
    worst: Level = "bad" if "bad" in levels else "warn" if "warn" in levels else ""
    facts = (*(fact for view in views for fact in _facts(view, len(views) > 1)), *cut_facts(ring))
    return Panel(
        "receivers", "Receivers", " · ".join(_together(views)), worst, facts=facts,
        tables=filled([Table("", HEADS, rows)]), numbers=(*_numbers(views), *(_cut_numbers(ring) if ring else ())),
    )  # fmt: skip


def ring_facts(views: Sequence[ReceiverView]) -> Iterator[Fact]:
    """Yield how long it is until a ring takes what is not imaged, for the spool in which that is soonest."""
    told = [view for view in views if view.bites is not None]
    if told:
        view = min(told, key=lambda view: (not view.short, view.bites or 0.0))
        yield Fact("ring left", (duration(view.bites or 0.0),), "bad" if view.short else "")


def cut_facts(ring: RingState | None) -> Iterator[Fact]:
    """What waits, cut, at the ventilator; nothing if nothing does."""
    if ring is None or not (ring.slices or ring.trouble):
        return
    items = [f"{number(ring.slices)} slices", f"{size(ring.size)} of {size(ring.most)}"]
    items += [f"room for {number(ring.room)} more"] if ring.room else []
    yield Fact("cut ahead", (*items, *([ring.trouble] if ring.trouble else [])), "bad" if ring.trouble else "")


def _together(views: Sequence[ReceiverView]) -> Iterator[str]:
    """What all of them do."""
    briefs = [view.brief for view in views if view.brief]
    if not views:
        return
    if len(views) > 1:
        yield f"{sum(view.state == 'running' for view in views)} of {len(views)} running"
    if not briefs:
        yield "none is heard"
        return
    yield f"{number(sum(each.received for each in briefs))} received"
    for name in ("lost", "dropped"):
        if count := sum(getattr(each, name) for each in briefs):
            yield f"{number(count)} {name}"
    samples = [each.samples for each in briefs if each.samples is not None]
    if samples:
        yield f"{share_words(min(samples))} of the samples"
    yield from (f"{fact.name} {fact.items[0]}" for fact in ring_facts(views))


def _row(view: ReceiverView) -> Row:
    """Return a receiver's row, with the columns of `HEADS`."""
    brief, said = view.brief, words_of(view)
    counts = {name: number(getattr(brief, name)) for name in (*BECAME, "late")} if brief else {}
    said |= counts | {
        "spool": _shortened(view.spool),
        "state": "ended" if brief and brief.ended and view.since is None else said["state"],
        "samples": optional(brief.samples, share_words) if brief else "",
        "newest": _newest(view),
        "ring left": _left(view),
        "host": view.status.host,
        "imaged as": ", ".join(dict.fromkeys(view.runs)),
        "integration": f"{size(brief.size)} in {duration(brief.cadence)}" if brief and brief.size else "",
    }
    cells = tuple(said.get(head.name) or NONE for head in HEADS)
    return Row(f"{view.status.identity} {view.spool}", cells, _level(view), _bar(view))


def _shortened(name: str) -> str:
    """Return the ends of a name: the observation, and the digest of what is shared."""
    name = name.removesuffix(".live")
    return name if len(name) <= LONG else f"{name[: LONG - 10]}…{name[-9:]}"


def _level(view: ReceiverView) -> Level:
    rates = view.trend.rates if view.trend else {}
    losing = any(rates.get(name) for name in ("lost", "dropped"))
    warns = view.off or losing or bool(view.brief and view.brief.warns)
    return LEVELS.get(view.state, "") or ("bad" if view.short else "warn" if warns else "")


def _newest(view: ReceiverView) -> str:
    if view.newest is None:
        return ""
    return f"{duration(view.newest)} old" if view.newest >= 0 else f"{duration(-view.newest)} ahead"


def _left(view: ReceiverView) -> str:
    """Say how long it is until the ring takes what is needed; if nobody needs it, how much the ring holds."""
    if view.bites is not None:
        return duration(view.bites)
    return f"holds {duration(view.holds)}" if view.holds is not None else ""


def _bar(view: ReceiverView) -> Bar | None:
    if view.bites is None or not view.holds:
        return None
    left = min(1.0, view.bites / view.holds)
    return Bar((("failed" if view.short else "stored", left),), f"{duration(view.bites)} of {duration(view.holds)}")


def _facts(view: ReceiverView, several: bool) -> Iterator[Fact]:
    """What should be looked at, and then what there is to know."""
    of = f"{_shortened(view.spool) or view.status.identity} " if several else ""
    if view.brief and view.brief.warns:
        yield Fact(f"{of}warns", view.brief.warns, "warn")
    if view.off and view.newest is not None:
        late = f"nothing newer than {duration(view.newest)}: nothing comes, or a clock is wrong"
        early = f"data are of {duration(-view.newest)} ahead of this clock: one of the two is wrong"
        yield Fact(f"{of}clock", (late if view.newest > 0 else early,), "warn")
    if view.brief and not view.runs and not view.brief.ended:
        yield Fact(f"{of}images", ("no job images it",))
    for fact in facts_of(view, words_of(view)):
        if fact.name not in ("state", "flow", "time"):  # the table has these
            yield fact._replace(name=f"{of}{fact.name}")


def _numbers(views: Sequence[ReceiverView]) -> Iterator[Number]:
    """Yield numbers by spool, for receivers that know theirs."""
    known = [((view.spool, view.status.identity), view, view.brief) for view in views if view.brief and view.spool]
    became = [((*name, what), float(getattr(brief, what))) for name, _, brief in known for what in BECAME]
    yield Number("fip_stream_integrations", "Integrations from the first to the last that were heard, by what became "
                 "of them.", (*SPOOL, "became"), tuple(became), "counter")  # fmt: skip

    def each(name: str, text: str, value: str, of_brief: bool = False) -> Number:
        found = tuple((label, getattr(brief if of_brief else view, value)) for label, view, brief in known)
        return Number(f"fip_stream_{name}", text, SPOOL, found)

    late = tuple((name, float(brief.late)) for name, _, brief in known)
    text = "Packets that came after their integration was closed."
    yield Number("fip_stream_late_packets", text, SPOOL, late, "counter")
    yield each("samples_ratio", "Share of the samples of the last minute that came.", "samples", of_brief=True)
    ages = tuple((name, None if brief.ended else view.newest) for name, view, brief in known)
    yield Number("fip_stream_age_seconds", "Since the end of the newest integration, while more comes.", SPOOL, ages)
    yield each("age_limit_seconds", "The age from which on data come late.", "limit")
    yield each("ring_seconds", "Of the stream, what the ring holds.", "holds")
    yield each("ring_left_seconds", "Until the ring takes what is needed, if nothing is done meanwhile.", "bites")
    warns = tuple((name, float(len(brief.warns))) for name, _, brief in known)
    yield Number("fip_stream_warnings", "What the receiver warns of now.", SPOOL, warns)


def _cut_numbers(ring: RingState) -> Iterator[Number]:
    """Yield the numbers of the ring of cut slices."""
    for name, text, value in (
        ("slices", "Slices of streams that are cut and wait on the ventilator's disk.", ring.slices),
        ("bytes", "Their size.", ring.size),
        ("most_bytes", "What they may be in all.", ring.most),
    ):
        yield Number(f"fip_cut_ahead_{name}", text, (), (((), float(value)),))
