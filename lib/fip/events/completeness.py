"""`fip completeness`: what a search has found of the sources that were put into its own copy of the pixels."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from fip.archive.file_names import LEDGER
from fip.data.errors import UsageError
from fip.events.reading import read_table
from fip.events.words import FOLDER, RATES
from fip.search.points import HALF_WANTED, MOST_WANTED, Points, interval, points, share_of_known

INJECTIONS = "injections.ecsv"

WIDTHS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 31), (32, 64))
"""Numbers of images: a table has a row for each range."""

BRIGHTNESS = ((5, 6), (6, 7), (7, 8), (8, 10), (10, 12))
"""S/N from, to below: a table has a column for each."""

FEW = 50
"""Injections below which the points of a table are said to be rough."""

_KINDS: dict[str, type] = {
    "run": str, "field": str, "stokes": str, "average": int, "x": float, "y": float, "first": int, "width": int,
    "snr": float, "found": bool,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tried:
    """A source that was put in."""

    average: int  # slices in an image
    width: int  # images
    snr: float
    found: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What was found of the sources of some brightness and width."""

    asked: int
    found: int
    expected: float | None  # share that a filter finds which knows place, start and width; None without a threshold

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the share, 95 %."""
        return interval(self.found, self.asked)


def series_key(run: str, field: str, stokes: str, average: int) -> str:
    """Return the name of the series to which a source belongs, for the random draw and in the journal."""
    return json.dumps([run, field, stokes, average])


def injections_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Those of a journal, DIR/transients/injections.ecsv: each a mapping with `series`, by `series_key`, and

    x, y (pixel, from 0), first (step), width (steps), snr, found, event (its number, or None).
    """
    found = [
        dict(zip(("run", "field", "stokes", "average"), json.loads(row["series"]), strict=True)) | dict(row)
        for row in rows
    ]
    table = Table({name: np.array([row[name] for row in found], kind) for name, kind in _KINDS.items()})
    events = [row["event"] for row in found]
    table["event"] = MaskedColumn([each or 0 for each in events], mask=[each is None for each in events], dtype=int)
    table["x"].unit = table["y"].unit = "pix"
    table.meta["what"] = "sources in the search's own copy of the pixels; no stored image holds one"
    table.meta["first, width"] = "steps of a cadence, of images that are means of `average` slices"
    table.meta["snr"] = "of all its images together, against their noise"
    return table


def read_injections(directory: Path) -> tuple[Tried, ...]:
    """What was put in while a directory was searched. UsageError if that was not done, or cannot be read."""
    path = directory / FOLDER / INJECTIONS
    if not path.exists():
        if not (directory / LEDGER).exists():
            raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it: there is no {LEDGER}")
        raise UsageError(f"{directory}: no search has put sources into its images: `fip detect {directory}` does")
    table = read_table(path, ("average", "width", "snr"), ("found",))
    try:
        return tuple(
            Tried(int(row["average"]), int(row["width"]), float(row["snr"]), str(row["found"]) == "True")
            for row in table
        )
    except ValueError as error:
        raise UsageError(f"{path}: {error}: it is not as `fip detect` writes it") from None


def threshold_of(directory: Path) -> float | None:
    """The S/N at which something was an event, by rates.ecsv; None if that is not there."""
    path = directory / FOLDER / RATES
    if not path.exists():
        return None
    told = [float(row["threshold"]) for row in read_table(path, ("threshold",))]
    return max(told, default=None)


def share(tried: Iterable[Tried], threshold: float | None) -> Share:
    """Return the share that was found of all that were tried."""
    all_ = tuple(tried)
    by_theory = None
    if threshold is not None and all_:
        by_theory = sum(share_of_known(each.snr, threshold) for each in all_) / len(all_)
    return Share(len(all_), sum(each.found for each in all_), by_theory)


def points_of(tried: Iterable[Tried]) -> Points:
    """S/N at which half and nine tenths of these are found."""
    all_ = tuple(tried)
    return points([each.snr for each in all_], [each.found for each in all_])


def as_lines(tried: tuple[Tried, ...], threshold: float | None) -> list[str]:
    """A table for each average: found of asked, by width and S/N, and by S/N with what theory says."""
    if not tried:
        return ["no source was put in yet: there is one in 500 images of a series"]
    lines = []
    for average in sorted({each.average for each in tried}):
        mine = tuple(each for each in tried if each.average == average)
        lines += [*_table(mine, average, threshold), ""]
    return lines[:-1]


def as_objects(tried: tuple[Tried, ...], threshold: float | None) -> list[dict[str, Any]]:
    """The same, an object for each average."""
    found = []
    for average in sorted({each.average for each in tried}):
        mine = tuple(each for each in tried if each.average == average)
        found.append(
            {"average": average, "threshold": threshold}
            | _share_object(share(mine, threshold))
            | _points_object(points_of(mine), threshold)
            | {
                "by_snr": [
                    {"snr": list(bright)} | _share_object(share(_bright(mine, bright), threshold))
                    for bright in BRIGHTNESS
                ],
                "by_width": [_width_object(_wide(mine, wide), wide, threshold) for wide in WIDTHS],
            }
        )
    return found


def _table(tried: tuple[Tried, ...], average: int, threshold: float | None) -> list[str]:
    of = "each of one slice" if average == 1 else f"means of {average} slices"
    all_ = share(tried, threshold)
    at = "" if threshold is None else f"; events are from S/N {threshold:.2f} on"
    rows = [["width", *(f"S/N {low}-{high}" for low, high in BRIGHTNESS), "all", "half at", "nine tenths at"]]
    for wide in WIDTHS:
        rows.append(_row(_named(wide), _wide(tried, wide), threshold))
    rows.append(_row("all", tried, threshold))
    shares = [share(_bright(tried, bright), threshold) for bright in BRIGHTNESS]
    rows.append(["95 %", *(_interval(each) for each in (*shares, all_))])
    if threshold is not None:
        rows.append(["theory", *("" if e.expected is None else f"{e.expected:.2f}" for e in (*shares, all_))])
        rows.append([*["wanted", *[""] * (len(BRIGHTNESS) + 1)], f"<= {threshold + HALF_WANTED:.2f}",
                     f"<= {threshold + MOST_WANTED:.2f}"])  # fmt: skip
    wide_as = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(wide) for text, wide in zip(row, wide_as, strict=False)).rstrip() for row in rows]
    head = f"images, {of}: {all_.found} found of {all_.asked} sources that the search put into its own copy{at}"
    told = [head, *lines]
    if threshold is not None:
        told.append("theory: what a filter finds that knows place, start and width; wanted: without a reference")
    if all_.asked < FEW:
        told.append(f"{all_.asked} sources are few: the figures above are rough; one is put into 500 images")
    return told


def _row(name: str, tried: tuple[Tried, ...], threshold: float | None) -> list[str]:
    cells = [share(part, threshold) for part in (*(_bright(tried, bright) for bright in BRIGHTNESS), tried)]
    at = points_of(tried)
    return [
        name, *(f"{each.found}/{each.asked}" if each.asked else "-" for each in cells),
        _shown(at.half, at.half_error), _shown(at.most, at.most_error),
    ]  # fmt: skip


def _wide(tried: Iterable[Tried], between: tuple[int, int]) -> tuple[Tried, ...]:
    return tuple(each for each in tried if between[0] <= each.width <= between[1])


def _bright(tried: Iterable[Tried], between: tuple[int, int]) -> tuple[Tried, ...]:
    return tuple(each for each in tried if between[0] <= each.snr < between[1])


def _named(widths: tuple[int, int]) -> str:
    low, high = widths
    return f"{low}" if low == high else f"{low} to {high}"


def _interval(of: Share) -> str:
    return "{:.2f}-{:.2f}".format(*of.interval) if of.asked else ""


def _shown(value: float, error: float) -> str:
    if math.isnan(value):
        return "?"
    return f"{value:.2f}" if math.isnan(error) else f"{value:.2f} +- {error:.2f}"


def _share_object(of: Share) -> dict[str, Any]:
    low, high = of.interval if of.asked else (0.0, 1.0)
    return {"asked": of.asked, "found": of.found, "low": low, "high": high, "expected": of.expected}


def _points_object(at: Points, threshold: float | None) -> dict[str, Any]:
    return {
        "half": _number(at.half), "half_error": _number(at.half_error),
        "half_wanted": None if threshold is None else threshold + HALF_WANTED,
        "most": _number(at.most), "most_error": _number(at.most_error),
        "most_wanted": None if threshold is None else threshold + MOST_WANTED,
    }  # fmt: skip


def _width_object(tried: tuple[Tried, ...], widths: tuple[int, int], threshold: float | None) -> dict[str, Any]:
    by_snr = [{"snr": list(bright)} | _share_object(share(_bright(tried, bright), threshold)) for bright in BRIGHTNESS]
    return (
        {"width": list(widths)}
        | _share_object(share(tried, threshold))
        | _points_object(points_of(tried), threshold)
        | {"by_snr": by_snr}
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
