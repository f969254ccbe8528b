"""The page of an event, DIR/transients/ID/index.html: one file that needs nothing beside it, to look at and to send."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from fip.archive.charts import plot
from fip.archive.curve_pictures import UNIX_DAY
from fip.archive.pages import page
from fip.data.quantities import SECONDS_PER_DAY, iso_utc
from fip.events.describing import AGAINST, FILE, told_in_words
from fip.events.measuring import Measured, Sample
from fip.events.words import CUTOUT, FACTS, LABELS, LIGHT, PICTURE
from fip.state.panel import Head, Panel, Row, Table

FILES = {
    LIGHT: "its light curve as a table, ECSV",
    CUTOUT: "65 x 65 pixels about it, FITS: image less what is always there, S/N, times",
    PICTURE: "the picture above, PNG",
    FACTS: "all that is known of it, JSON",
}
"""The files beside the page, and what they are."""

_LISTED = 200  # images in the table of its light curve: those about its middle


def event_page(event: Mapping[str, Any], measured: Measured, picture: bytes) -> bytes:
    """HTML of what is known of an event, as `fip.events.folder.facts` has it. The same values make the same bytes."""
    told = told_in_words({**event, "files": {}})
    stokes = measured.found.series.stokes
    number = measured.stokes.index(stokes) if stokes in measured.stokes else 0
    times = np.array([each.entry.average - UNIX_DAY * SECONDS_PER_DAY for each in measured.samples])
    fluxes = np.array([each.bands[0].flux[number] for each in measured.samples], np.float64)
    html = page(
        "event.html",
        event["id"],
        summary=_summary(event),
        labels=[(label, LABELS.get(label, "not known to this version")) for label in event["labels"]],
        picture="data:image/png;base64," + base64.b64encode(picture).decode(),
        facts=[(name, text) for name, text in told if name not in (AGAINST, FILE)],
        stokes=stokes,
        curve=Markup(plot(times, fluxes, "Jy/beam", "Flux")),
        points=Panel("points", "", tables=(_points(measured.samples, number),)),
        files=list(FILES.items()),
    )
    return html.encode()


def _summary(event: Mapping[str, Any]) -> str:
    """What it is, in a line."""
    against = " Something speaks against it:" if event["labels"] else " Nothing speaks against it."
    more = "" if event["closed"] else " It goes on, or its run was broken off."
    return f"{event['kind'].capitalize()} of S/N {event['snr']:.1f}, {event['begin'][:19]} UTC.{more}{against}"


def _points(samples: Sequence[Sample], number: int) -> Table:
    """Those of its images, and about as many before and after."""
    on = [at for at, each in enumerate(samples) if each.on] or [0]
    first = max(0, (on[0] + on[-1]) // 2 - _LISTED // 2)
    rows = [
        Row(
            each.entry.file,
            (
                iso_utc(each.entry.average)[:23], f"{each.entry.index}", f"{each.bands[0].flux[number]:.4g}",
                f"{each.bands[0].error[number]:.2g}", "on" if each.on else "",
            ),
        )
        for each in samples[first : first + _LISTED]
    ]  # fmt: skip
    heads = (Head("UTC, middle", "text"), Head("slice"), Head("Jy/beam"), Head("error"), Head("shows it", "text"))
    return Table("", heads, tuple(rows))
