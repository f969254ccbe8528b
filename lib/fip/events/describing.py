"""`fip event`: all that is known of an event, as text and as JSON."""

import json
import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fip.catalogues.told import in_words as match_in_words
from fip.data.directions import Direction, shown
from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC
from fip.events.listing import listed
from fip.events.pinning import kept_of
from fip.events.vetted import before_in_words, in_words
from fip.events.words import CUTOUT, FACTS, FOLDER, LABELS, LIGHT, PAGE, PICTURE

_NEAR = 3  # names that are suggested instead of one that is not there
_MEASURED = {
    "ra_err", "dec_err", "time_err", "threshold", "forced", "unbiased", "corrected", "primary_beam", "steady",
    "spectrum", "spectrum_of", "spectral_index", "images", "images_on", "window", "left_out",
}  # fmt: skip
AGAINST, FILE = "against it", "file"
"""The titles of labels and of files in the description of an event."""

_TITLE = 12  # columns of the first word of a line


def event_of(directory: Path, identity: str) -> dict[str, Any]:
    """What is known of an event, as `fip event --json` has it: that of the table, and of its folder if it was measured.

    UsageError as `named_event`.
    """
    told = named_event(directory, identity)
    folder = directory / FOLDER / told["id"]
    files = {name: str(folder / name) for name in (PAGE, LIGHT, CUTOUT, PICTURE, FACTS) if (folder / name).is_file()}
    known = {**_measured(folder / FACTS), **told}
    return {**known, "kept": kept_of(directory, known), "files": files}


def named_event(directory: Path, identity: str) -> dict[str, Any]:
    """An event as `fip events --json` has it; `identity` may be the beginning of one alone.

    UsageError if there is none, with the names of near ones; and as `fip.events.listing.listed`.
    """
    events = {each["id"]: each for each in listed([directory])}
    found = [identity] if identity in events else [each for each in events if each.startswith(identity)]
    if len(found) != 1:
        raise UsageError(f"{directory} has {_none(identity, found, list(events))}")
    return events[found[0]]


def with_measured(event: Mapping[str, Any]) -> dict[str, Any]:
    """One of `fip.events.listing.listed`, with what was measured of it, if it was. UsageError as `event_of`."""
    return {**_measured(Path(event["directory"]) / FOLDER / event["id"] / FACTS), **event}


def as_json(event: Mapping[str, Any]) -> str:
    """Return an event as a JSON object."""
    return json.dumps(event, indent=1)


def as_lines(event: Mapping[str, Any]) -> list[str]:
    """Return lines that describe it to a person. UsageError if its measured values are not as they were written."""
    labels = f", but {', '.join(event['labels'])}" if event["labels"] else ""
    return [
        f"{event['id']}: {event['kind']}{labels}",
        *(f"  {title:{_TITLE}}{text}" for title, text in told_in_words(event)),
    ]


def told_in_words(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the same, each with a word for what it is; verdicts, and what is kept, only if `event` has them.

    UsageError if what was measured of it is not as it was written.
    """
    try:
        return list(_told(event))
    except (LookupError, TypeError, ValueError) as error:
        path = event["files"].get(FACTS, event["id"])
        raise UsageError(
            f"{path}: it is not as FIP wrote it ({error}): remove it, and `fip detect` writes it anew"
        ) from None


def _told(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if event.get("verdict"):
        yield "verdict", in_words(event["verdict"])
    for before in event.get("before", ()):
        yield "here before", before_in_words(before)
    for label in event["labels"]:
        yield AGAINST, f"{label}: {LABELS.get(label, 'not known to this version')}"
    for match in event.get("matches", ()):
        yield "there", match_in_words(match)
    place = shown(Direction(math.radians(event["ra"]), math.radians(event["dec"]), "ICRS"))
    errors = ""
    if "ra_err" in event:
        east = math.radians(event["ra_err"]) * math.cos(math.radians(event["dec"])) / ARCSEC
        errors = f", +- {east:.2g} arcsec east, {math.radians(event['dec_err']) / ARCSEC:.2g} arcsec north, by noise"
    yield "place", f"{place}{errors}"
    when = f", +- {event['time_err']:.2g} s" if "time_err" in event else ""
    yield "time", f"{event['begin'][:23]} to {event['end'][:23]} UTC{when}; slices {event['first']} to {event['last']}"
    least = f", events begin at {event['threshold']:.2f}" if "threshold" in event else ""
    yield "S/N", f"{event['snr']:.1f}{least}; Stokes {event['stokes']}"
    yield "flux", f"{event['flux']:.4g} Jy/beam, apparent, as it was found"
    if "images" not in event:
        yield "measured", "not yet: it goes on, or its images were searched by an older FIP"
    else:
        yield from _measurements(event)
    if "kept" in event:
        yield "kept", _kept(event["kept"])
    for path in event["files"].values():
        yield FILE, path


def _kept(kept: Mapping[str, Any]) -> str:
    slices = ", ".join(f"{first}" + f" to {last}" * (last > first) for first, last in kept["slices"])
    here = f"{kept['images']} images of its time" + (f", slices {slices}" if slices else "")
    gone = f"; {kept['expired']} have expired" if kept["expired"] else ""
    return here + gone + ("; those that find room in a tenth of the ring do not expire" if kept["pinned"] else "")


def _measurements(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if event["forced"]:
        yield "forced", f"{_value(event['forced'])} Jy/beam, apparent, in {event['images_on']} images that show it"
    if event["unbiased"]:
        yield "unbiased", f"{_value(event['unbiased'])} Jy/beam, without what being the best of many makes of it"
    if event["corrected"]:
        beam = f"{event['primary_beam']:.3f} of the primary beam"
        yield "corrected", f"{_value(event['corrected'])} Jy/beam, seen by {beam}"
    if event["steady"]:
        yield "steady", f"{_value(event['steady'])} Jy/beam, which is there always and was taken off"
    for each in event["spectrum"]:
        yield "spectrum", f"{each['frequency'] / 1e6:.6g} MHz: {_value(each)} Jy/beam, {event['spectrum_of']}"
    if event["spectral_index"]:
        yield "index", f"{_value(event['spectral_index'])}: flux goes as frequency to this power"
    yield "images", f"measured in {event['images']}, up to {event['window']} before it and after it"
    if event["left_out"]:
        yield "left out", f"{len(event['left_out'])} that could not be read, as {event['left_out'][0]}"


def _value(value: Mapping[str, float]) -> str:
    return f"{value['value']:.4g} +- {value['error']:.2g}"


def _measured(path: Path) -> dict[str, Any]:
    """Return what was measured of an event; nothing if it was not measured. UsageError if the file cannot be read."""
    try:
        told = json.loads(path.read_bytes())
        if not isinstance(told, dict) or not told.keys() >= _MEASURED:
            raise ValueError("it does not have what is measured of an event")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}; `fip detect` writes it anew") from None
    return told


def _none(identity: str, found: list[str], known: list[str]) -> str:
    """Return why there is no such event."""
    if found:
        return f"{len(found)} events whose names begin with {identity}, as {', '.join(found[:_NEAR])}: give all of it"
    if not known:
        return f"no event {identity:.80}: no events at all"
    near = get_close_matches(identity, known, _NEAR, 0.0)
    return f"no event {identity:.80}; near that are {', '.join(near)}; `fip events --all` lists all"
