"""The page of a night: its numbers in words, as panels, and how it is written to a file."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from markupsafe import Markup

from fip import __version__
from fip.archive.charts import plot
from fip.archive.pages import page
from fip.archive.render import brightness_unit
from fip.data.errors import UsageError
from fip.data.quantities import UNIX_EPOCH
from fip.events.completeness import WIDTHS, Tried
from fip.events.night import Kind, Night, Part, night_of
from fip.events.reporting import happened
from fip.events.vetted import in_words
from fip.events.words import LABELS
from fip.search.points import interval
from fip.search.survey import Depth, poisson_interval
from fip.state.panel import Fact, Head, Panel, Row, Table, filled, texts
from fip.state.transients import TransientsView, line, summed
from fip.state.words import NONE, duration, listed, number, percent

PICTURED = 12  # events with a picture; of more there is a line each
LISTED = 200  # events in a table
PLOTTED = 12  # series whose noise is drawn

_DEPTH_HEADS = (
    Head("on for", "text"), Head("deg² h"), Head("half to"), Head("nine tenths to"), Head("all to"), Head("found"),
    Head("at a time, per deg²"), Head("per deg² and hour"),
)  # fmt: skip
_CHECKS = {
    "flagged_by.gains": "share flagged by gains", "flagged_by.flags": "share flagged by files",
    "flagged_by.auto": "share flagged by what does not fit", "model.amplitude": "amplitude, over the model's",
    "model.phase": "phase, less the model's, deg", "model.offset": "sources off the model's, beams",
}  # fmt: skip
"""Numbers of the ledger that tell how good the data and gains were, in words."""


def write_night(directories: Sequence[Path], output: Path | None = None) -> Path:
    """Write one page of several directories, as night.html in the first of them; return its path.

    UsageError as `fip.events.night.night_of`, or if it cannot be written.
    """
    output = output or directories[0] / "night.html"
    html = night_html(night_of(directories))
    try:
        output.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
    return output


def night_html(night: Night) -> str:
    """Return the page of a night as HTML."""
    view = summed(part.found.view for part in night.parts if part.found)
    pictured, rest = night.events[:PICTURED], night.events[PICTURED:]
    plots = [each for part in night.parts for each in _plots(part, len(night.parts) > 1)]
    return page(
        "night.html",
        f"Night of {night.title}",
        version=__version__,
        numbers=[*_numbers(night, view)],
        warnings=night.unsearched,
        line=line(view) if any(part.found for part in night.parts) else "nothing was searched",
        events=[happened(directory, each) for directory, each in pictured],
        others=[_others(rest)] if rest else [],
        panels=[_searched(night), _false(view), _injected([each for part in night.parts for each in part.tried], view)],
        plots=plots[:PLOTTED],
        more_plots=max(len(plots) - PLOTTED, 0),
        checks=_checks(night),
    )


def _numbers(night: Night, view: TransientsView) -> Iterator[tuple[str, str]]:
    """Yield the numbers that the page shows in large type."""
    yield "hours observed", number(night.hours)
    yield "images", number(sum(len(part.entries) for part in night.parts))
    whole = [found[0].exposure for kind, found in night.depths().items() if found and kind.average == 1]
    if whole:
        yield "deg² h searched", number(max(whole))
    yield "events", number(view.events)
    yield "false expected", number(view.false)
    noises = [each.rms for part in night.parts for each in part.entries if each.rms is not None]
    if noises:
        yield "noise, median", _flux(median(noises))
    if len(night.parts) > 1:
        yield "directories", number(len(night.parts))


def _searched(night: Night) -> Panel:
    tables = [Table(_of(kind), _DEPTH_HEADS, tuple(map(_depth, found))) for kind, found in night.depths().items()]
    flooded, slices = night.flooded
    facts: tuple[Fact, ...] = ()
    if flooded:
        facts = (Fact("flooded", (f"{number(flooded)} of {number(slices)} slices, which count for nothing here",)),)
    return Panel(
        "searched",
        "What was searched, and what follows",
        "Half of the sources that are as bright as told are found: u times the noise of an image, over the root of "
        "the number of images that it is on; apparent flux. Limits are of 95 %, by the number found without labels "
        "that were on for so long, and up to twice as long: for none 3.0 over the area times the number of such times.",
        facts=facts,
        tables=filled(tables),
        nothing="" if any(table.rows for table in tables) or facts else "Nothing was searched.",
    )


def _of(kind: Kind) -> str:
    means = f"means of {kind.average} slices" if kind.average > 1 else "images"
    return f"Stokes {kind.stokes}, {means}, one in {number(kind.cadence)} s"


def _depth(depth: Depth) -> Row:
    cells = (
        duration(depth.duration), number(depth.exposure), *(map(_flux, depth.fluxes)), number(depth.found),
        f"< {depth.density:.3g}", f"< {depth.rate:.3g}",
    )  # fmt: skip
    return Row(f"{depth.width}", cells)


def _false(view: TransientsView) -> Panel:
    """What noise alone should have given, and what was found."""
    facts = []
    if view.threshold is not None:
        facts.append(Fact("events", (f"{number(view.events)} without labels", f"{_about(view.false)} false expected")))
        negative = view.labels.get("negative", 0)
        facts.append(Fact("negative events", (f"{number(negative)}: half of the false ones if all are noise",)))
    if view.candidate_threshold is not None:
        low, high = poisson_interval(view.candidates)
        agrees = "as noise alone" if low <= view.false_candidates <= high else (
            "more than noise alone" if view.false_candidates < low else "fewer than noise alone"
        )  # fmt: skip
        found = f"{number(view.candidates)} of S/N {view.candidate_threshold:.2f} and more ({low:.0f} to {high:.0f})"
        facts.append(Fact("candidates", (found, f"{_about(view.false_candidates)} false expected: {agrees}")))
        facts.append(Fact("of these negative", (f"{number(view.negative_candidates)}: half of them if all are noise",)))
    if view.labels:
        facts.append(Fact("labels", tuple(f"{count} {label}" for label, count in sorted(view.labels.items()))))
    return Panel("false", "Predicted and found", facts=tuple(facts), nothing="" if facts else "Nothing was searched.")


def _injected(tried: Sequence[Tried], view: TransientsView) -> Panel:
    """Return the panel of what was found of the sources that the search has put in, by width in images."""
    rows = []
    facts = (Fact("found", (f"{number(view.injected_found)} of {number(view.injected)}",)),) if view.injected else ()
    for least, most in WIDTHS:
        mine = [each for each in tried if least <= each.width <= most]
        if mine:
            found = sum(each.found for each in mine)
            low, high = interval(found, len(mine))
            words = f"{least} to {most}" if most > least else f"{least}"
            share = f"{percent(found / len(mine))} ({percent(low)} to {percent(high)})"
            rows.append(Row(words, (words, f"{found} of {len(mine)}", share)))
    heads = (Head("on for images", "text"), Head("found"), Head("share, 95 %"))
    nothing = "" if rows or facts else "No source was put in: there is one in 500 images of a series."
    summary = "S/N 5 to 12; `fip completeness` tells more" if rows else ""
    tables = filled([Table("", heads, tuple(rows))])
    return Panel("injected", "Sources put into the search's copy", summary, facts=facts, tables=tables, nothing=nothing)


def _others(events: Sequence[tuple[Path, dict[str, Any]]]) -> Panel:
    rows = [
        Row(
            each["id"],
            (
                each["begin"][:19].replace("T", " "), each["id"], each["kind"],
                NONE if each["snr"] is None else f"{each['snr']:.1f}",
                "; ".join(_said(each)), str(directory),
            ),
        )
        for directory, each in events[:LISTED]
    ]  # fmt: skip
    more = len(events) - len(rows)
    heads = ("UTC", "event", "kind", "S/N", "against it", "directory")
    return Panel("others", "The others", tables=(texts("", heads, rows),), nothing=f"and {more} more" if more else "")


def _said(event: Mapping[str, Any]) -> Iterator[str]:
    if event["verdict"]:
        yield f"verdict: {in_words(event['verdict'])}"
    yield from (f"{label}: {LABELS.get(label, '')}" for label in event["labels"])


def _plots(part: Part, several: bool) -> Iterator[tuple[str, Markup]]:
    names = {run.run: run.name for run in part.totals}
    for (run, label), entries in part.series.items():
        times = np.array([each.average - UNIX_EPOCH for each in entries])
        noise = np.array([math.nan if each.rms is None else each.rms for each in entries], np.float64)
        unit, factor = brightness_unit(float(np.nanmax(noise)) if np.isfinite(noise).any() else 1.0)
        title = " · ".join(filter(None, (str(part.directory) * several, names[run], label)))
        yield title, Markup(plot(times, noise / factor, unit, "Noise"))


def _checks(night: Night) -> Panel:
    """Whether the data were as they should be: quality, antennas, flags, gains, places."""
    qualities = Counter(each.quality for part in night.parts for each in part.entries)
    totals = [run for part in night.parts for run in part.totals]
    facts = [
        Fact("images", tuple(f"{number(count)} {quality}" for quality, count in qualities.most_common())),
        Fact("failed slices", (number(sum(len(run.failed) for run in totals)),)),
        Fact("expired", (number(sum(run.expired for run in totals)),)),
    ]
    ill = [f"{run.name} {each.name}: {each.fault}, {each.amount}" for run in totals for each in run.antennas]
    if ill:
        facts.append(Fact("antennas to look at", listed(ill)))
    rows = [row for part in night.parts for row in _numbers_of(part)]
    heads = (Head("run", "text"), Head("what", "text"), *map(Head, ("median", "lowest", "highest", "images")))
    nothing = "" if rows else "No corrections were asked for: the ledger has no checks of gains and places."
    tables = filled([Table("", heads, tuple(rows))])
    return Panel("checks", "The data", facts=tuple(facts), tables=tables, nothing=nothing)


def _numbers_of(part: Part) -> Iterator[Row]:
    for run in part.totals:
        mine = [numbers for (of, _), numbers in part.numbers.items() if of == run.run]
        for name, words in _CHECKS.items():
            yield from _row(run.name, words, (each[name][0] for each in mine if name in each))
        expected = {of: each["noise.expected"][0] for of, each in part.numbers.items() if "noise.expected" in each}
        known = [(each.rms, expected.get((each.run, each.index))) for each in part.entries if each.run == run.run]
        yield from _row(run.name, "noise, over what it should be", (rms / of for rms, of in known if rms and of))


def _row(run: str, words: str, values: Iterable[float]) -> Iterator[Row]:
    known = [each for each in values if math.isfinite(each)]
    if known:
        cells = (run, words, *(f"{each:.3g}" for each in (median(known), min(known), max(known))), number(len(known)))
        yield Row(f"{run} {words}", cells)


def _about(count: float) -> str:
    return f"{count:.2g}" if count < 9.95 else number(round(count))


def _flux(flux: float) -> str:
    if not math.isfinite(flux):
        return NONE
    unit, factor = brightness_unit(flux)
    return f"{flux / factor:.3g} {unit}"
