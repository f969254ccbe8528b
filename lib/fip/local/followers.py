"""Followers of a directory: those of a `fip run`, and `fip follow`, which runs one over what is stored."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from fip.archive.at_rest import has_images
from fip.client.run_file import read_run_file
from fip.config import DETECTOR, Config, Follower
from fip.data.errors import NoRoomError, UsageError
from fip.data.names import free_name
from fip.follower.course import Course
from fip.follower.duty import duty_of
from fip.follower.journal import FAILED
from fip.follower.step import load_step, name_of

log = logging.getLogger("fip.follower")

LOOK_AGAIN = 0.05  # s after which new images are looked for
STALLED_FOR = 10.0  # s for which what cannot be written or read is tried again


def chosen(config: Config, given: Sequence[str]) -> dict[str, Follower]:
    """Return the followers that somebody names, by their names: one of the configuration, or package.module:step.

    Each can be imported. Raises UsageError.
    """
    found: dict[str, Follower] = {}
    for text in given:
        if text in config.follower:
            name, follower = text, config.follower[text]
        elif ":" in text:
            name, follower = free_name(name_of(text), {*found, DETECTOR}), _parsed(text)
        else:
            known = ", ".join(config.follower) or "none"
            raise UsageError(
                f"follower '{text}': is neither package.module:step nor one of the configuration, which has {known}"
            )
        load_step(follower.step)  # before anything is started
        found[name] = follower.model_copy(update={"directory": None, "folder": None})
    return found


def _parsed(step: str) -> Follower:
    load_step(step)  # which says what is wrong with it
    return Follower(step=step)


def follow(directory: Path, followers: Mapping[str, Follower], console: Console, watch: bool = False) -> bool:
    """Let followers see what is stored in a directory and they have not seen; say what became of it.

    While a `fip run` images into it, or for ever if they are to `watch`, wait for more. Return whether no step failed.
    Raises FipError.
    """
    has_images(directory)
    if watch and len(followers) > 1:
        raise UsageError(f"--watch: is for one follower, and these are {', '.join(followers)}: start each by itself")
    well = True
    for name, follower in followers.items():
        duty = duty_of(name, follower)
        with closing(Course(directory, directory / duty.beside, duty.step, duty.habits)) as course:
            advance(course, directory, watch)
            counts, failed = course.journal.counts(), course.journal.last_reason(FAILED)
        seen = counts.get("stored", 0) + counts.get("late", 0)
        others = [f"{count} {outcome}" for outcome, count in sorted(counts.items()) if outcome not in _TOLD]
        said = f"follower {name}: {seen} images seen, {counts['findings']} findings, in {course.folder}"
        console.print(", ".join([said, *others]), soft_wrap=True, highlight=False, markup=False)
        if failed:
            console.print(f"follower {name}: {failed}", style="red", soft_wrap=True, highlight=False, markup=False)
        well = well and not counts.get(FAILED)
    return well


_TOLD = ("stored", "late", "findings")


def advance(course: Course, directory: Path, watch: bool) -> None:
    """Go on until nothing more comes."""
    stalled, said = None, ""
    while True:
        try:
            taken = course.advance()
            stalled, said = None, ""
        except NoRoomError as error:
            stalled = stalled or time.monotonic()
            if time.monotonic() - stalled > STALLED_FOR:
                raise
            if str(error) != said:
                log.warning("%s; trying again", said := str(error))
            time.sleep(LOOK_AGAIN)
            continue
        if taken:
            continue
        if not watch and (course.over or not read_run_file(directory)):
            course.conclude()
            return
        time.sleep(LOOK_AGAIN)
