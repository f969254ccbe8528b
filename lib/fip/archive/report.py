"""`fip report`: a finished run as one HTML page that needs nothing beside it: no network, no script."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fip import __version__
from fip.archive.charts import Floats, Span, plot, time_lines
from fip.archive.entries import Entry, RunRow, RunTotals
from fip.archive.ledger import Ledger
from fip.archive.lightcurve import stored_entries
from fip.archive.pages import page
from fip.archive.render import Stretch, brightness_unit, choose_stretch, coloured
from fip.archive.shrink import shrink
from fip.data.errors import UsageError
from fip.data.quality import COMPLETE_SHARE, EMPTY, GOOD
from fip.data.quantities import UNIX_EPOCH, iso_utc
from fip.data.settings import all_texts
from fip.data.values import Statistics
from fip.fits.stored_image import StoredImage
from fip.state.panel import Fact, Head, Level, Panel, Row, Table, filled, texts
from fip.state.words import duration, number, percent, size

STAGES = {"image": "#229c8d", "beam": "#5a8ae6", "fits": "#d98d1c"}
"""Stages that the time line of the workers tells apart, and their colours, on light and dark; others are image."""

STAGE_HEADS = (Head("stage", "text"), *map(Head, ("times", "p50", "p95", "p99", "longest", "share")))
SHOWN = 48  # images in the contact sheet
THUMBNAIL = 180  # pixels
LISTED = 100  # failures, doubtful images


@dataclass(frozen=True, slots=True)
class Field:
    """The images of one field of a run."""

    title: str
    plots: tuple[tuple[str, str, Markup], ...]  # heading, what it is, SVG
    sheet: tuple[tuple[str, str, str], ...]  # picture as a data URL, caption, description
    colours_of: str  # what the colours span


@dataclass(frozen=True)
class Happened:
    """An event, described in words."""

    name: str
    summary: str
    labels: tuple[str, ...]  # what speaks against it
    picture: str  # a data URL; "" if there is none
    said: tuple[str, ...] = ()  # by people, of it and of others at its place before


@dataclass(frozen=True)
class Told:
    """What a search for transients has found."""

    line: str
    facts: tuple[Fact, ...] = ()
    events: tuple[Happened, ...] = ()
    more: int = 0  # events that are not shown


def write_report(directory: Path, output: Path | None = None, transients: Told | None = None) -> Path:
    """Write DIR/report.html, or another file, about the images that a directory's ledger lists; return its path.

    `transients`: what was found in them, if they were searched. UsageError if there is no image, one cannot be read, or
    the page cannot be written.
    """
    output = output or directory / "report.html"
    html = _html(directory, stored_entries(directory), transients)
    try:
        output.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
    return output


def _html(directory: Path, entries: Sequence[Entry], transients: Told | None) -> str:
    ledger = Ledger(directory, read_only=True)
    rows, totals, asked = ledger.runs(), tuple(ledger.totals()), ledger.asked()
    ledger.close()
    recorded = np.sort([entry.recorded for entry in entries])
    stages = Table("", STAGE_HEADS, tuple(_stages(entries)))
    return page(
        "report.html",
        ", ".join(row.name for row in rows),
        version=__version__,
        numbers=[*_numbers(entries, totals, recorded)],
        transients=transients,
        fields=[*_fields(directory, rows, entries)],
        rate=_rate(recorded),
        time_lines=_time_lines(entries),
        legend=[("FITS" if stage == "fits" else stage, colour) for stage, colour in STAGES.items()],
        stages=Panel("stages", "Time in the workers, by stage", tables=(stages,)),
        panels=(_quality(entries, totals), *_antennas(totals), _settings(totals, all_texts(asked) if asked else {})),
    )


def _numbers(entries: Sequence[Entry], totals: Sequence[RunTotals], recorded: Floats) -> Iterator[tuple[str, str]]:
    """Yield the numbers that the page shows in large type."""
    took = float(recorded[-1] - recorded[0])
    observed = sum(entry.end - entry.begin for entry in entries)
    yield "images stored", f"{number(len(entries))} of {number(sum(run.total for run in totals))}"
    yield "failed", number(sum(len(run.failed) for run in totals))
    if took > 0:
        yield "images/s", number((len(entries) - 1) / took)
        yield "of real time", f"{number(observed / took)} ×"
    yield "from first to last", duration(took)
    yield "of data", duration(observed)
    yield "workers", number(len({entry.worker for entry in entries}))
    yield "stored", size(sum(entry.size for entry in entries))


def _quality(entries: Sequence[Entry], totals: Sequence[RunTotals]) -> Panel:
    """How many images there are of each quality, and the first of the slices that failed and of the doubtful images."""
    failed = [(run.name, index, reason) for run in totals for index, reason in run.failed]
    doubtful = [entry for entry in entries if entry.quality not in (GOOD, EMPTY)]
    unlisted = max(len(failed) - LISTED, 0) + max(len(doubtful) - LISTED, 0)
    counted = Counter(entry.quality for entry in entries).most_common()
    nothing = "" if failed or doubtful else "No slice failed, no image is doubtful."
    slices = [Row("", (name, f"slice {index}", reason), "bad") for name, index, reason in failed[:LISTED]]
    files = [Row("", (entry.file, entry.quality)) for entry in doubtful[:LISTED]]
    return Panel(
        "quality",
        "Failures and quality",
        facts=(*(Fact(quality, (number(count),)) for quality, count in counted), *_samples_there(totals)),
        tables=filled([
            texts("Slices that failed", ("run", "slice", "reason"), slices),
            texts("Images of doubtful quality", ("file", "quality"), files),
        ]),
        nothing=f"{number(unlisted)} more are in fip.sqlite." if unlisted else nothing,
    )  # fmt: skip


def _samples_there(totals: Sequence[RunTotals]) -> Iterator[Fact]:
    for run in totals:
        if run.complete:
            level: Level = "warn" if run.complete.least < COMPLETE_SHARE else ""
            yield Fact(f"samples of {run.name}", (run.complete.words,), level)


def _antennas(totals: Sequence[RunTotals]) -> Iterator[Panel]:
    """The antennas that should be looked at, by all images; nothing if there are none."""
    ill = [(run, each) for run in totals for each in run.antennas[:LISTED]]
    rows = [
        Row("", (run.name, each.name, each.fault, each.amount, f"{each.images} of {run.stored}"), "warn")
        for run, each in ill
    ]
    if rows:
        heads = ("run", "antenna", "fault", "how much", "images")
        yield Panel("antennas", "Antennas to look at", tables=filled([texts("", heads, rows)]))


def _settings(totals: Sequence[RunTotals], asked: Mapping[str, str]) -> Panel:
    """What was imaged, and how that was asked for."""
    sets = [Fact(run.name, (f"{run.measurement_set} ({number(run.stored)} of {number(run.total)})",)) for run in totals]
    return Panel("settings", "Settings", facts=(*sets, *(Fact(name, (text,)) for name, text in asked.items())))


def _fields(directory: Path, rows: Sequence[RunRow], entries: Sequence[Entry]) -> Iterator[Field]:
    names = {row.run: row.name for row in rows}

    def which(entry: Entry) -> tuple[str, str]:
        return entry.run, entry.label

    for (run, label), members in groupby(sorted(entries, key=which), which):
        images = sorted(members, key=lambda entry: entry.average)
        title = f"{names[run]} · {label}" if label else names[run]
        known = [
            Statistics(entry.rms, entry.minimum, entry.maximum)
            for entry in images
            if entry.rms is not None and entry.minimum is not None and entry.maximum is not None
        ]
        stretch = choose_stretch(known)
        unit, factor = brightness_unit(stretch.high)
        sheet = tuple(_thumbnail(directory, entry, stretch) for entry in _evenly(images, SHOWN))
        span = f"{stretch.low / factor:.3g} to {stretch.high / factor:.3g} {unit}"
        yield Field(title, tuple(_plots(images)), sheet, span)


def _plots(images: Sequence[Entry]) -> Iterator[tuple[str, str, Markup]]:
    times = np.array([entry.average - UNIX_EPOCH for entry in images])
    if any(entry.complete is not None and entry.complete < 1 for entry in images):
        shares = np.array([100 * entry.complete if entry.complete is not None else np.nan for entry in images])
        yield "Samples there", "of those that were expected of each image", Markup(plot(times, shares, "%", "Samples"))
    for name, what, attribute in (
        ("Noise", "1.4826 x the median absolute deviation of each image", "rms"),
        ("Peak", "the brightest pixel of each image", "maximum"),
    ):
        values = np.array([getattr(entry, attribute) for entry in images], np.float64)
        brightest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
        unit, factor = brightness_unit(brightest)
        yield name, what, Markup(plot(times, values / factor, unit, name))


def _rate(recorded: Floats) -> Markup:
    """Images stored a second, over up to a hundred stretches of the run."""
    if recorded.size < 3 or recorded[-1] <= recorded[0]:
        return Markup(plot(np.empty(0), np.empty(0), "images/s", "Rate"))
    edges = np.linspace(recorded[0], recorded[-1], min(100, recorded.size // 2) + 1)
    counts = np.histogram(recorded, edges)[0]
    return Markup(plot((edges[1:] + edges[:-1]) / 2, counts / np.diff(edges), "images/s", "Rate"))


def _stages(entries: Sequence[Entry]) -> Iterator[Row]:
    """What was done in the workers, stage by stage: the columns of `STAGE_HEADS`."""
    total = sum(sum(entry.seconds.values()) for entry in entries) or 1.0
    for stage in dict.fromkeys(name for entry in entries for name in entry.seconds):  # in the order that they have
        took = np.array([entry.seconds[stage] for entry in entries if stage in entry.seconds])
        times = [duration(float(value)) for value in (*np.quantile(took, (0.5, 0.95, 0.99)), took.max())]
        yield Row(stage, (stage, number(took.size), *times, percent(float(took.sum() / total))))


def _time_lines(entries: Sequence[Entry]) -> Markup:
    """What each worker did: stages follow one another, and the last ends when the image was stored."""
    rows: dict[str, list[Span]] = {name: [] for name in sorted({entry.worker for entry in entries})}
    for entry in entries:
        begin = entry.recorded - sum(entry.seconds.values())
        for stage, seconds in entry.seconds.items():
            if stage != "wait":  # a worker waits for one slice while it images another
                rows[entry.worker].append(Span(begin, begin + seconds, stage if stage in STAGES else "image"))
            begin += seconds
    return Markup(time_lines(rows, STAGES, "What each worker did"))


def _thumbnail(directory: Path, entry: Entry, stretch: Stretch) -> tuple[str, str, str]:
    """An image as a small JPEG, its time, and what a screen reader says of it."""
    small, _ = shrink(StoredImage.open(directory / entry.file).plane(), THUMBNAIL)
    picture = BytesIO()
    coloured(small, stretch).save(picture, "JPEG", quality=80)
    url = "data:image/jpeg;base64," + base64.b64encode(picture.getvalue()).decode()
    time = iso_utc(entry.average)[11:19]
    doubt = "" if entry.quality == GOOD else f" · {entry.quality}"
    return url, f"{time}{doubt}", f"{entry.file}, {time} UTC{doubt}"


def _evenly(images: Sequence[Entry], most: int) -> list[Entry]:
    """At most so many of them, from the first to the last."""
    places = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).round().astype(int))
    return [images[place] for place in places]
