"""The draft of a GCN Circular, or an ATel: what a person would write, with blanks for what FIP cannot know."""

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from fip import __version__
from fip.alerts import told
from fip.alerts.words import Alert
from fip.data.directions import Direction, shown

SIGMAS = 5
"""Standard deviations, at which the upper limit of what was not seen is given."""

_WIDTH, _TITLE = 79, 16  # columns of a line, and of its title
_BLANK = "____"


def as_text(alert: Alert) -> bytes:
    """UTF-8 in lines of 79 columns. What is not known is left out, or a blank if a person has to know it."""
    return ("\n".join(_lines(alert)) + "\n").encode("utf-8", "replace")


def _lines(alert: Alert) -> Iterator[str]:
    facts, name = alert.facts, told.names_of(alert)[0]
    if alert.tense in told.NOT_REAL:
        yield f"NOT REAL, NOT TO BE SENT: {alert.tense}."
        yield ""
    if alert.kind in ("retraction", "summary"):
        yield f"SUBJECT: FIP: {name}" + (" is retracted" if alert.kind == "retraction" else "")
        yield ""
        yield from _wrapped(alert.reason or _BLANK)
        return
    at = f" with {facts['telescope']}" if facts.get("telescope") else ""
    yield f"SUBJECT: {_BLANK}: a radio {facts.get('kind', 'transient')} found{at}"
    yield f"AUTHORS: {_BLANK} ({_BLANK}), on behalf of {_BLANK}"
    yield ""
    of = f"We report a radio {facts.get('kind', 'transient')} ({name})"
    yield from _wrapped(f"{of}, found in images of single integrations{at} by FIP {__version__}.")
    yield ""
    for title, text in _facts(facts):
        yield from _wrapped(text, f"{title + ':':{_TITLE}}")
    yield ""
    yield from _wrapped(f"{_BLANK} (what it may be, what was done since, whom to ask, acknowledgements)")


def _facts(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if labels := facts.get("labels"):
        yield "AGAINST IT", f"{', '.join(map(str, labels))}: see what this says before anything is sent"
    yield from _place(facts)
    yield from _time(facts)
    yield from _flux(facts)
    if (snr := told.number(facts, "snr")) is not None:
        threshold, far = told.number(facts, "threshold"), told.number(facts, "far")
        above = f" (threshold {threshold:.2f})" if threshold else ""
        yield "S/N", f"{snr:.1f}{above}{_rarity(far)}"
    yield from _not_seen(facts)
    for match in facts.get("matches") or ():
        chance = told.number(match, "chance")
        by = "" if chance is None else f"; by chance with a probability of {chance:.2g}"
        yield "Known nearby", f"{match['name']} ({match['of']}), {float(match['separation']):.3g} arcsec away{by}"


def _place(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    region = told.region_of(facts)
    if region is None:
        return
    place = shown(Direction(math.radians(region.ra), math.radians(region.dec), "ICRS"))
    yield "Place", f"{place} (RA {region.ra:.5f}, Dec {region.dec:+.5f} deg)"
    if region.error:
        major, minor = (3600 * each for each in region.error[:2])
        yield (
            "Its error",
            (
                f"{major:.2g} x {minor:.2g} arcsec (semi-axes that hold {100 * told.CONTAINED:.0f} %, the major one "
                f"{region.error[2]:.0f} deg from N to E), by noise alone; astrometry: {_BLANK}"
            ),
        )


def _time(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "begin" not in facts or "end" not in facts:
        return
    error, duration, images = (told.number(facts, name) for name in ("time_err", "duration", "images_on"))
    within = f" (+- {error:.2g} s)" if error is not None else ""
    last = f"; {duration:.6g} s" if duration is not None else ""
    number = f", {images:.0f} image{'s' * (images != 1)}" if images else ""
    yield "Time", f"{_clock(facts['begin'])} to {_clock(facts['end'])} UTC{within}{last}{number}"


def _flux(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if flux := told.flux_of(facts):
        error = "" if flux.error is None else f" +- {flux.error:.2g}"
        yield "Flux density", f"{flux.value:.4g}{error} Jy, Stokes {facts.get('stokes', _BLANK)}; {flux.how}"
    if band := told.band_of(facts):
        yield "Band", f"{band[0] / 1e6:.6g} to {band[1] / 1e6:.6g} MHz"
    if index := facts.get("spectral_index"):
        yield "Spectral index", f"{index['value']:.2f} +- {index['error']:.2f} (flux density ~ frequency^index)"


def _not_seen(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield upper limits, or what is there, before and after: divided by the primary beam if the flux is."""
    gain = told.number(facts, "primary_beam") if facts.get("corrected") else 1.0
    if not gain:
        return
    signed = facts.get("stokes") in ("Q", "U", "V")
    for side, title in (("flux_before", "Before"), ("flux_after", "After")):
        if quiet := facts.get(side):
            value, error, each = (float(quiet[name]) / gain for name in ("value", "error", "each"))
            size = abs(value) if signed else max(value, 0.0)
            images = f"{quiet['images']} image{'s' * (quiet['images'] != 1)}"
            when = f"{_clock(quiet['begin'])} to {_clock(quiet['end'])} UTC, {images}"
            if size > SIGMAS * error:
                yield title, f"{value:.3g} +- {error:.2g} Jy ({when})"
            else:
                limits = f"below {size + SIGMAS * error:.2g} Jy in their mean, {SIGMAS * each:.2g} Jy in each"
                yield title, f"{limits} ({when}; {SIGMAS} sigma)"
    if steady := facts.get("steady"):
        yield "Always there", f"{steady['value'] / gain:.3g} +- {steady['error'] / gain:.2g} Jy, taken off"


def _rarity(far: float | None) -> str:
    """How often noise makes such an event."""
    if far is None:
        return ""
    if far * _AGES < 1:
        return "; noise alone makes less than one that is as bright in 1000 years"
    seconds = 1 / far
    unit, length = next(each for each in _UNITS if seconds >= each[1] or each[1] == 1)
    return f"; noise alone makes one that is as bright in {seconds / length:.3g} {unit} ({far:.2g} Hz)"


_UNITS = (("years", 365.25 * 86400), ("days", 86400.0), ("hours", 3600.0), ("s", 1.0))
_AGES = 1000 * 365.25 * 86400  # s


def _clock(time: str) -> str:
    """Return a time to a millisecond, as a person reads it."""
    return time[:23].replace("T", " ")


def _wrapped(text: str, title: str = "") -> list[str]:
    """Return a text in lines; those after the first begin below the text."""
    words = " ".join(told.printable(text).split())
    return textwrap.wrap(words, _WIDTH, initial_indent=title, subsequent_indent=" " * len(title)) or [title]
