"""`fip detect`: the detector over what is stored in a directory, with what came of it in words."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from fip.alerts.duty import tell
from fip.alerts.outbox import OUTBOX_FILES
from fip.archive.entries import Entry
from fip.archive.file_names import LOCK_FILE
from fip.archive.folder import Folder
from fip.archive.followed import FollowedImage, read_followed
from fip.archive.ledger import Ledger
from fip.archive.lightcurve import Named, stored_entries
from fip.archive.pins import PINS
from fip.catalogues.known import Known
from fip.config import AlertTarget
from fip.data.errors import NoRoomError, StoreError, UsageError
from fip.events.detector import detector_step, habits, written
from fip.events.findings import is_alone, is_told
from fip.events.listing import as_lines, listed
from fip.events.matching import Matching
from fip.events.publishing import Publisher
from fip.events.searching import difference
from fip.events.settling import OPENING, begun, settle
from fip.events.tables import expected
from fip.events.vetting import KEPT
from fip.events.watching import pixels_of
from fip.events.words import FOLDER, Asked, Series
from fip.follower.course import Course
from fip.follower.journal import FAILED, JOURNAL, Journal
from fip.local.followers import advance

Say = Callable[..., None]

_NAMED = 3  # places that are watched and not seen


def detect(
    directory: Path,
    asked: Asked,
    say: Say,
    name: str = "",
    anew: bool = False,
    alerts: Mapping[str, AlertTarget] | None = None,
    known: Known | None = None,
) -> int:
    """Search the images of a directory that were not searched yet; return the exit code.

    What a search of another `name` finds is apart. With `anew`, forget what was found before. `alerts` are the targets
    that hear of what is found, as `archival`. All events are matched with what is `known`, if anything is. Raises
    UsageError.
    """
    introduce(directory, asked, say)
    if anew:
        forget(directory, name)
    return search(directory, directory / folder_of(name), asked, say, alerts or {}, archival=True, known=known)


def forget(directory: Path, name: str = "") -> None:
    """Remove what a search has found, if there was one; keep what people said of it, and the alerts that were sent.

    What it has pinned stays pinned until the next search has written its pins. UsageError if that cannot be done, or
    if a search goes on there.
    """
    folder = directory / folder_of(name)
    if not folder.exists():
        return
    try:
        with closing(Folder(folder, make=False)) as held:
            held.lock()
            if folder.is_symlink():
                raise OSError(f"it is a link to {folder.readlink()}, which may be somebody else's")
            for each in folder.iterdir():
                if each.name not in (*KEPT, *OUTBOX_FILES, PINS, LOCK_FILE):
                    shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    except BlockingIOError:
        raise UsageError(f"{folder} is in use by another search: it cannot be removed before that has ended") from None
    except OSError as error:
        raise UsageError(f"{folder}: what a search found there cannot be removed: {error.strerror or error}") from None


def search(
    directory: Path,
    folder: Path,
    asked: Asked,
    say: Say,
    alerts: Mapping[str, AlertTarget] | None = None,
    archival: bool = False,
    known: Known | None = None,
) -> int:
    """Search what was not searched yet, and say what was found in all; return the exit code.

    `alerts` are the targets that hear of it; `archival`: also of what was seen long ago. Raises UsageError.
    """
    with _hints(directory), closing(Course(directory, folder, detector_step(asked, folder.name), habits())) as course:
        matching = Matching(known, folder, anew=True, warn=partial(say, style="yellow"))
        publisher = Publisher(course, asked, matching)
        advance(course, directory, watch=False)
        publisher.finish()
        if alerts:
            tell(publisher, course, alerts, archival, say)
        for line in as_lines(listed([directory], folder.name)):
            say(line)
        return _summed_up(publisher, course, say)


@contextmanager
def _hints(directory: Path) -> Iterator[None]:
    """Within this context, an error about what is there of a search says what would do."""
    anew = f"`fip detect {directory} --anew` searches all again"
    try:
        yield
    except UsageError as error:
        raise (UsageError(f"{error}, with --name; or {anew}") if "holds what" in str(error) else error) from None
    except NoRoomError:
        raise
    except StoreError as error:
        raise (type(error)(f"{error}; or {anew}") if JOURNAL in str(error) else error) from None


def check_search(directory: Path, asked: Asked) -> None:
    """Raise UsageError if the directory, which may not exist yet, holds what another search found."""
    folder = directory / FOLDER
    if not (folder / JOURNAL).exists():
        return
    try:
        Journal(folder, written(asked)).close()
    except UsageError as error:
        raise UsageError(f"{str(error).partition(': give')[0]}: ask for the same, or move that folder away") from None


def folder_of(name: str) -> str:
    """Return the folder of a search, beside the images."""
    return f"{FOLDER}-{name}" if name else FOLDER


def introduce(directory: Path, asked: Asked, say: Say) -> None:
    """Say what will be searched of a directory. UsageError if one of its fields cannot be."""
    planes: dict[tuple[str, str, str], list[Series]] = {}
    for series in series_of(directory, asked):
        planes.setdefault((series.run, series.label, series.stokes), []).append(series)
    for each in planes.values():
        say(_introduced(each, asked))


def series_of(directory: Path, asked: Asked) -> Iterator[Series]:
    """Yield what to search of a directory, by the first images of each field. UsageError if one cannot be searched."""
    entries = sorted(stored_entries(directory), key=lambda each: (each.run, each.label, each.index))
    with closing(Ledger(directory, read_only=True)) as ledger:
        names = {row.run: row.name for row in ledger.runs()}
    for (run, label), group in groupby(entries, key=lambda each: (each.run, each.label)):
        yield from _series_of(directory, (run, names[run], label), list(group), asked)


def _series_of(directory: Path, of: tuple[str, str, str], entries: Sequence[Entry], asked: Asked) -> tuple[Series, ...]:
    """Return the series of a field, by its first images. UsageError."""
    like, images = None, []
    for image in _readable(directory, of[1], entries):
        like = like or image
        if why := difference(like.grid, like.stokes, image):
            raise UsageError(f"{directory}: {why}")
        if one := begun(image):
            images.append(one)
        if len(images) == OPENING:
            break
    if like is None:
        raise UsageError(f"{directory}: none of the images of run {of[1]} can be read")
    try:
        return settle(of, like.grid, like.stokes, images, asked, 0.0)
    except UsageError as error:
        raise UsageError(f"{directory}: {error}") from None


def _readable(directory: Path, name: str, entries: Sequence[Entry]) -> Iterator[FollowedImage]:
    for entry in entries:
        with suppress(UsageError):
            yield read_followed(directory, name, entry)


def _introduced(plane: Sequence[Series], asked: Asked) -> str:
    series, means = plane[0], [str(each.average) for each in plane[1:]]
    field, searched, at = f"{series.label}, " if series.label else "", series.searched, series.thresholds
    more = f", and in means of {' and '.join(means)}" if means else "; without means, for which there is no memory"
    return (
        f"{series.name}, {field}Stokes {series.stokes}: images of {searched.width}x{searched.height}, one in "
        f"{searched.cadence:.4g} s, widths 1 to {searched.widest}{more}; reference {searched.reference}; events from "
        f"S/N {at.event:.2f} on, which is {asked.budget.events:g} false in {asked.budget.seconds:g} s"
    )


def _say_unseen(series: Iterable[Series], watched: Sequence[Named], say: Say) -> None:
    """Say which of the watched places are in no image."""
    seen = {place for each in series for place in np.flatnonzero(np.isfinite(pixels_of(each.grid, watched)[:, 0]))}
    if unseen := [each.name for place, each in enumerate(watched) if place not in seen]:
        more = ", ..." if len(unseen) > _NAMED else ""
        names = ", ".join(unseen[:_NAMED])
        say(f"--watch: {len(unseen)} of {len(watched)} places are in no image: {names}{more}", "yellow")


def _summed_up(publisher: Publisher, course: Course, say: Say) -> int:
    """Say what was searched, and how many of the finds are false; return the exit code."""
    findings, found, hours = publisher.findings, publisher.found(), publisher.hours()
    each = [(findings.series[key], hour) for (key, _), hour in hours.items()]
    slices = sum(hour.slices for series, hour in each if series.average == 1)
    events = sum(expected(series, series.thresholds.event, hour.slices) for series, hour in each)
    candidates = sum(expected(series, series.thresholds.candidate, hour.slices) for series, hour in each)
    alone = list(filter(is_alone, found))
    told = sum(map(is_told, found))
    say(
        f"{slices} images searched: {told} event{'s' * (told != 1)}, {events:.2g} false expected; {len(alone)} "
        f"candidate{'s' * (len(alone) != 1)}, {candidates:.2g} false expected, "
        f"{sum(each.event.best.sign < 0 for each in alone)} negative; in {course.folder}"
    )
    for key in sorted(findings.models_needed):
        series = findings.series[key]
        say(
            f"{series.name}, Stokes {series.stokes}: model needed: the sky changes by more than noise in long sums, "
            f"for which the threshold was raised; image with --sky-model or --subtract-model",
            "yellow",
        )
    for (_, label), why in sorted(findings.refused.items()):
        say(f"{label or 'the field'} is not searched: {why}", "red")
    _say_unseen(findings.series.values(), publisher.asked.watch, say)
    counts = course.journal.counts()
    if late := counts.get("late", 0):
        say(f"{late} images came late, and were not searched: --name archival searches all in order", "yellow")
    unreadable = counts.get("unreadable", 0) + counts.get(FAILED, 0)
    if unreadable:
        why = course.journal.last_reason("unreadable") or course.journal.last_reason(FAILED)
        say(f"left out: {unreadable} image{'s' * (unreadable != 1)}, the last of them {why}", "red")
    return 1 if unreadable or findings.refused else 0
