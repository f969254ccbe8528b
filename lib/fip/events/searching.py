"""The search of all fields of a run: a state that takes one image after the other, and says what it found.

What is found are JSON objects; `what` is the kind of each:

series   a series that is searched from now on: `key`, and all that `Series` has
event    an event or a candidate as it is now, by the `key` of its series: `event`, `begin`, `end`, `injected`; with a
         sky model whether it is `variable`, a source of that, or may be `left_over` of one
marks    what is wrong with a `slice` as a whole: `marks`, as fip.search.marks has them
hour     how many images of a series were searched in an hour that is over: `key`, `hour`, `slices`, `flooded`
model    the sky of a series changes by more than noise: a model is needed
refused  a field that is not searched, and `why`
watch    the fluxes of places that are watched, in an image, and what has changed: see `fip.events.watch`
injection a source that was put into the search's own copy of the pixels, and whether it was found
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from fip.archive.followed import FollowedImage
from fip.data.directions import Body
from fip.data.errors import UsageError
from fip.data.values import Grid
from fip.events.completeness import series_key
from fip.events.keeping import as_json
from fip.events.live import FieldSearch, Live, Mean, Pixels, Searching, Span, Told, Trial, key_of
from fip.events.means import MeanImage
from fip.events.models import model_for
from fip.events.psfs import psf_of
from fip.events.settling import OPENING, begun, power_in, settle
from fip.events.watch import measured, measured_first, new_watch
from fip.events.words import HOUR, Asked, Series
from fip.fits.header import BODY
from fip.search.events import associate, close, places
from fip.search.injection import add_to, block_of, found_by, injection_of
from fip.search.marks import mark
from fip.search.series import advance, begin, finish, memory, step_at
from fip.search.variables import excess_noise, is_known, is_left_over
from fip.search.words import WIDEST, Event, Facts, Look, Place

Finding = dict[str, Any]

_REMEMBERED = 4 * WIDEST  # images of a series whose times are kept
_ENOUGH = 0.5  # of the slices of a mean
MOST_WAITING = 0.02  # of the memory of the machine, that the first images of fields may take until there are enough


def take(live: Live, image: FollowedImage, asked: Asked) -> list[Finding]:
    """Search the next image. Changes the state that it is given."""
    new = FieldSearch(
        image.run, image.name, image.label, image.grid, image.stokes,
        stored=asked.store_averages, backlog=image.backlog,
    )  # fmt: skip
    of = live.fields.setdefault(image.label, new)
    if of.refused:
        return []
    if why := difference(of.grid, of.stokes, image):
        return [_refuse(of, why)]
    if not of.planes:
        if first := begun(image):
            of.header = of.header or image.header.tostring()
            of.begun.append(first)
        return list(_open(live, of, asked)) if len(of.begun) >= OPENING else list(_make_room(live, of))
    if image.entry.empty:
        return []
    span = Span(image.index, image.index, image.entry.begin, image.entry.end)
    found = [measured(of.watch, image)] if of.watch else []
    for plane in of.planes:
        pixels = np.asarray(image.pixels[plane.series.plane], np.float32)
        told = Told(span, power_in(image.entry), psf_of(image, plane.series.plane))
        found += _try(of, plane, pixels, told, asked)
    return found


def conclude(live: Live, asked: Asked) -> list[Finding]:
    """What is found when no more images come. The state is not to be used any more."""
    found: list[Finding] = []
    for of in live.fields.values():
        if of.begun and not of.refused:
            found += _open(live, of, asked)
        for plane in of.planes:
            found += _conclude(of, plane)
    return found


def hours_of(live: Live) -> Iterator[Finding]:
    """The hours that are not over."""
    for of in live.fields.values():
        for plane in of.planes:
            one: Searching | None = plane
            while one:
                yield _hour(one)
                one = one.means


def _open(live: Live, of: FieldSearch, asked: Asked) -> Iterator[Finding]:
    """Begin the search of a field with its first images."""
    planes = [plane for each in live.fields.values() for plane in each.planes]
    taken = float(sum(memory(plane.state.searched) for plane in planes))
    try:
        settled = settle((of.run, of.name, of.label), of.grid, of.stokes, of.begun, asked, taken)
        series = tuple(replace(each, backlog=of.backlog) for each in settled)
    except UsageError as error:
        yield _refuse(of, str(error))
        return
    for each in series:
        yield {"what": "series", "key": key_of(each), "series": as_json(each)}
        of.averaged[each.stokes] = (*of.averaged.get(each.stokes, ()), each)
    of.planes = [_new(each) for each in series if each.average == 1]
    if any(each.searched.reference == "none" and each.stokes == "I" for each in series):
        of.model = model_for(Path(live.folder).parent, of.header, of.grid, of.begun, of.stokes.index("I"))
    of.watch = new_watch(of.grid, of.begun[0], series, asked)
    for first in of.begun:
        if of.watch:
            yield measured_first(of.watch, of.label, first, of.stokes)
        span = Span(first.index, first.index, first.begin, first.end)
        for plane in of.planes:
            told = Told(span, first.power, first.psfs[plane.series.plane])
            yield from _try(of, plane, first.pixels[plane.series.plane], told, asked)
    of.begun.clear()


def _new(series: Series) -> Searching:
    return Searching(series, begin(series.searched, series.thresholds.candidate))


def _try(of: FieldSearch, plane: Searching, pixels: Pixels, told: Told, asked: Asked) -> Iterator[Finding]:
    """Search an image as it is stored, with the source of its block in a copy of it; its means are without that."""
    span, time = told.span, (told.span.begin + told.span.end) / 2
    step, mine = step_at(plane.state, time), pixels
    if asked.inject and block_of(step) != (plane.trial.block if plane.trial else -1):
        yield from _end_trial(plane)
        series = plane.series
        key = series_key(series.run, series.label, series.stokes, series.average)
        injection = injection_of(key, block_of(step), series.searched, np.isfinite(pixels))
        plane.trial = Trial(block_of(step), injection)
    trial = plane.trial
    if trial and trial.injection and trial.injection.is_on(step) and plane.noise > 0:
        mine = add_to(pixels, trial.injection, plane.noise, plane.series.searched)
        trial.images += 1
    excess = None
    if of.model and plane.series.stokes == "I" and plane.noise > 0:
        _, excess = excess_noise(mine, of.model, plane.noise)
    facts = Facts(span.last, time, places(plane.events), told.psf, _own(plane), excess)
    look = yield from _look(of, plane, mine, span, facts)
    plane.late, marks = mark(plane.late, look, told.power)
    if marks:
        yield {"what": "marks", "key": key_of(plane.series), "slice": span.last, "marks": sorted(marks)}
    if look.noise > 0:
        plane.noise = look.noise
        plain = look.cleaned if look.cleaned is not None and mine is pixels else pixels
        yield from _average(of, plane, plain, look, span)


def _end_trial(plane: Searching) -> Iterator[Finding]:
    """Say whether the source of a block was found; one that is in none of its images was not tried."""
    trial, plane.trial = plane.trial, None
    if trial is None or trial.injection is None or not trial.images:
        return
    series, injection = plane.series, trial.injection
    event = found_by(injection, trial.events.values(), series.searched.beam)
    yield {
        "what": "injection", "key": key_of(series),
        "series": series_key(series.run, series.label, series.stokes, series.average),
        "x": injection.x, "y": injection.y, "first": injection.first, "width": injection.width,
        "snr": injection.snr * math.sqrt(trial.images / injection.width),
        "found": event is not None and event.best.snr >= series.thresholds.event,
        "event": event.number if event else None, "hour": plane.hour,
    }  # fmt: skip


def _own(plane: Searching) -> Place | None:
    """Return the place and the time at which its own source is on."""
    injection = plane.trial.injection if plane.trial else None
    return Place(injection.x, injection.y, injection.first, injection.last) if injection else None


def _is_injected(plane: Searching, event: Event) -> bool:
    """Whether an event is the source that was put in; it is remembered for the end of the trial, then."""
    trial = plane.trial
    if trial is None or trial.injection is None:
        return False
    found = found_by(trial.injection, [event], plane.series.searched.beam) is event
    if found:
        trial.events[event.number] = event
    return found


def _look(
    of: FieldSearch, plane: Searching, pixels: Pixels, span: Span, facts: Facts
) -> Generator[Finding, None, Look]:
    """Search an image of a series."""
    index = span.last
    plane.spans[index] = span
    if len(plane.spans) > _REMEMBERED:
        del plane.spans[next(iter(plane.spans))]
    plane.state, look = advance(plane.state, pixels, facts)
    beam, widest = plane.series.searched.beam, plane.series.searched.widest
    plane.events, changed = associate(plane.events, look.peaks, beam, widest, look.step, index)
    yield from (_event(of, plane, each) for each in changed)
    yield from _count(plane, look, span)
    if look.model_needed and not plane.needed:
        plane.needed = True
        yield {"what": "model", "key": key_of(plane.series)}
    return look


def _count(plane: Searching, look: Look, span: Span) -> Iterator[Finding]:
    """Count an image in its hour, and say what the one before came to."""
    hour = math.floor((span.begin + span.end) / 2 / HOUR)
    if hour != plane.hour:
        if plane.slices:
            yield _hour(plane)
        plane.hour, plane.slices, plane.flooded = hour, 0, 0
    plane.slices += look.searched
    plane.flooded += look.flooded


def _hour(plane: Searching) -> Finding:
    return {
        "what": "hour", "key": key_of(plane.series), "hour": plane.hour, "slices": plane.slices,
        "flooded": plane.flooded,
    }  # fmt: skip


def _event(of: FieldSearch, plane: Searching, event: Event) -> Finding:
    """Return an event as it is now; its slices are those of the images from which a mean was made.

    It has no times if these are so old that they are not known any more.
    """
    told: Finding = {"what": "event", "key": key_of(plane.series)}
    first, last = (plane.spans.get(index) for index in event.best.slices)
    if first and last:
        event = replace(event, best=replace(event.best, slices=(first.first, last.last)))
        told |= {"begin": first.begin, "end": last.end}
    told |= {"event": asdict(event), "injected": _is_injected(plane, event)}
    best = event.best
    if of.model and plane.series.stokes == "I" and plane.noise > 0:
        known = is_known(of.model, best.x, best.y, plane.noise)
        told |= {"variable": known, "left_over": not known and is_left_over(of.model, best.x, best.y, best.flux)}
    return told


def _average(of: FieldSearch, plane: Searching, pixels: Pixels, look: Look, span: Span) -> Iterator[Finding]:
    """Add an image to the mean that is being made, and search that when it is whole."""
    longer = [each for each in of.averaged[plane.series.stokes] if each.average > plane.series.average]
    if not longer:
        return
    every = longer[0].average // plane.series.average
    chunk = look.step // every
    if plane.mean and plane.mean.chunk != chunk:
        yield from _close_mean(of, plane, longer[0], every)
    if plane.mean is None:
        plane.mean = Mean(chunk, look.noise, np.zeros_like(pixels), 0.0, 0, span)
    mean = plane.mean
    weight = (mean.noise / look.noise) ** 2
    mean.total += np.float32(weight) * pixels
    mean.weight, mean.images = mean.weight + weight, mean.images + 1
    mean.span = Span(mean.span.first, span.last, mean.span.begin, span.end)
    if look.step % every == every - 1:
        yield from _close_mean(of, plane, longer[0], every)


def _close_mean(of: FieldSearch, plane: Searching, series: Series, every: int) -> Iterator[Finding]:
    mean, plane.mean = plane.mean, None
    if mean is None or mean.images < _ENOUGH * every:
        return
    if plane.means is None:
        plane.means = _new(series)
    pixels = mean.total / np.float32(mean.weight)
    if series.average in of.stored:
        span, noise = mean.span, mean.noise / math.sqrt(mean.weight)
        of.made.append(MeanImage(series, span.first, span.last, span.begin, span.end, mean.images, noise, pixels))
    time = mean.chunk * series.searched.cadence  # which counts the steps of means
    facts = Facts(mean.span.last, time, places(plane.means.events))
    look = yield from _look(of, plane.means, pixels, mean.span, facts)
    if look.noise > 0:
        yield from _average(of, plane.means, pixels, look, mean.span)


def _conclude(of: FieldSearch, plane: Searching) -> Iterator[Finding]:
    """What is found when no more comes, of a series and of its means."""
    searched, last = plane.series.searched, next(reversed(plane.spans), -1)
    plane.state, peaks = finish(plane.state)
    step = plane.state.pyramid.step
    plane.events, changed = associate(plane.events, peaks, searched.beam, searched.widest, step, last)
    yield from (_event(of, plane, each) for each in changed)
    plane.events, changed = close(plane.events)
    yield from (_event(of, plane, each) for each in changed)
    yield from _end_trial(plane)
    yield _hour(plane)
    longer = [each for each in of.averaged[plane.series.stokes] if each.average > plane.series.average]
    if longer:
        yield from _close_mean(of, plane, longer[0], longer[0].average // plane.series.average)
    if plane.means:
        yield from _conclude(of, plane.means)


def _make_room(live: Live, of: FieldSearch) -> Iterator[Finding]:
    """The field that has waited longest waits no more if images of too many do; never `of`, which has a new one.

    A drift scan has a new field, and one image of it, in each integration.
    """
    waiting = [each for each in live.fields.values() if each.begun and each is not of]
    held = sum(first.pixels.nbytes for each in waiting for first in each.begun)
    if waiting and held > MOST_WAITING * float(psutil.virtual_memory().total):
        yield _refuse(
            waiting[0],
            f"{len(waiting) + 1} fields have too few images to begin with, and no more of them fit into memory: image "
            "them with --phase-centre DIRECTION, which makes them one series on one grid",
        )


def _refuse(of: FieldSearch, why: str) -> Finding:
    of.refused, of.header = why, ""
    of.begun.clear()
    of.planes.clear()
    return {"what": "refused", "label": of.label, "why": why}


def difference(grid: Grid, stokes: tuple[str, ...], image: FollowedImage) -> str:
    """Why an image cannot be searched with those before it, on this grid and of these planes; "" if it can."""
    if (image.grid, image.stokes) == (grid, stokes):
        return ""
    asked = "a search needs one grid: image them with the same --size, --scale and --phase-centre"
    if (
        image.stokes == stokes
        and replace(grid, longitude=image.grid.longitude, latitude=image.grid.latitude) == image.grid
    ):
        body = str(image.header.get(BODY, ""))
        if body:
            return (
                f"{image.path.name}: its grid follows {Body(body)}, and is another one in each image; a search needs "
                "one grid: image them about a direction that stays"
            )
        return f"{image.path.name}: its grid is another one than that of the image before; {asked}"
    return (
        f"{image.path.name}: {_shown(image.grid, image.stokes)}; the images before it: {_shown(grid, stokes)}; {asked}"
    )


def _shown(grid: Grid, stokes: tuple[str, ...]) -> str:
    return f"{grid.width}x{grid.height} pixels of {math.degrees(grid.scale) * 3600:.4g}arcsec, {','.join(stokes)}"
