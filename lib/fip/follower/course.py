"""One follower in one directory of images: each slice in turn is decided, once, and what was found is kept.

However it ended, it goes on as if nothing had been: what is in the journal was decided; the state is that of the last
checkpoint, with the images since seen again, and what is found in them is not entered twice.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from fip.archive.entries import Entry, Series
from fip.archive.folder import Folder
from fip.archive.follow import Follow, Turn
from fip.archive.followed import Finding, FollowedImage, Skipped, read_followed
from fip.archive.ledger import Ledger
from fip.archive.stamps import Stamp
from fip.data.errors import NoRoomError, UsageError
from fip.follower.checkpoints import Checkpoints
from fip.follower.journal import ENDED, FAILED, Decided, Journal
from fip.follower.step import State, Step, StepError

log = logging.getLogger("fip.follower")

CHECKPOINT = 32  # images from one checkpoint to the next
TRIES = 20  # at an image that cannot be read though the ledger has it as stored, before it is passed over
HUNG = "the step was at this image for longer than `step_within`, and was ended"
_TEMPORARY, _HUNG = ".file.tmp", "hung.json"


@dataclass(frozen=True)
class Habits:
    """How a follower follows: as `[follower.NAME]` of the configuration says."""

    checkpoint: int = CHECKPOINT  # images
    window: int = 0  # images that must be seen again before a state is whole, at most `checkpoint`
    patience: float | None = None  # s; None: a missing slice is waited for


@dataclass(frozen=True)
class Stepping:
    """A call of the step that is in work."""

    run: str
    index: int
    since: float  # monotonic s
    again: bool  # whether the image was seen before


@dataclass(frozen=True)
class Taken:
    """What was decided of a slice."""

    turn: Turn
    outcome: str  # of the turn, or `FAILED`
    findings: int = 0


@dataclass
class Pass:
    """A series that is followed, with the state after the last of its images that was seen."""

    series: Series
    state: State
    number: int  # of the decision to see that image
    since: int = 0  # images seen since the last checkpoint
    shown: bool = True  # whether the files show this state
    skipped: list[Skipped] = field(default_factory=list)  # since that image


class Course:
    """An open folder of a follower, and the directory of images that it follows. For one thread."""

    def __init__(self, directory: Path, folder: Path, step: Step, habits: Habits = Habits()) -> None:
        """Open the folder and lock it. Make it if it is missing.

        Raises UsageError if another follower has it, or it holds what another step found; StoreError if it cannot be
        used.
        """
        self.directory, self.folder, self.step = directory, folder, step
        self._habits = habits
        try:
            self._folder = self.files = Folder(folder)
            self._folder.lock()
        except BlockingIOError:
            raise UsageError(f"{folder} is in use by another follower: end it, or give this one a name") from None
        except OSError as error:
            raise UsageError(f"{folder} cannot hold what a follower finds: {error.strerror}") from None
        self._checkpoints = Checkpoints(self._folder)
        try:
            self.journal = Journal(folder, step.name)
        except BaseException:
            self._folder.close()
            raise
        self._follow = Follow(directory, habits.patience)
        self._tries = 0  # at an image that cannot be read
        self.cold_starts = 0
        self.stepping: Stepping | None = None  # to be read from any thread
        self._hung = self._read_hung()
        self.passes: dict[str, Pass] = {}

    def close(self) -> None:
        """Release the folder. What is in no checkpoint is made again from the images."""
        self.journal.close()
        self._folder.close()

    @property
    def over(self) -> bool:
        """Whether nothing more can come of any run here."""
        return self._follow.over and not any(self._to_end())

    @property
    def stamp(self) -> Stamp:
        """The stamp of the ledger, when it was last looked at."""
        return self._follow.seen

    def advance(self) -> Taken | None:
        """Decide the next slice; return None if there is nothing to decide now.

        Raises NoRoomError if something cannot be written, or read, now: then it may be called again.
        """
        turn = self._follow.next(self.journal)
        if turn is None:
            return self._end_of_a_run()
        if turn.outcome == "late" and self.step.end and self.journal.has_ended(turn.series):
            self.journal.record(turn, turn.outcome, "the run was over", [])
            return Taken(turn, turn.outcome)
        followed = self._pass_of(turn.series)
        if turn.entry is None:
            self._record(followed, turn, turn.outcome, turn.reason)
            return Taken(turn, turn.outcome)
        if self._hung == [turn.series.row.run, turn.index]:
            log.error("%s, slice %d of %s: %s", self.step.name, turn.index, turn.series.name, HUNG)
            self._record(followed, turn, FAILED, HUNG)
            self._hung = []
            with suppress(OSError):
                self._folder.unlink(_HUNG)
            return Taken(turn, FAILED)
        try:
            image = self._image(followed, turn.entry, turn.outcome == "late")
        except UsageError as error:
            return self._unreadable(followed, turn, str(error))
        self._tries = 0
        try:
            state, findings = self._step(followed.state, image)
        except StepError as error:
            log.error("%s, slice %d of %s: %s", self.step.name, turn.index, turn.series.name, error, exc_info=error)
            self._record(followed, turn, FAILED, str(error))
            self._forget(turn.series)
            if (followed := self._pass_of(turn.series)).since and not self._habits.window:
                self._checkpoint(followed)  # if it fails at the next one, too, nothing is seen again
            return Taken(turn, FAILED)
        self._record(followed, turn, turn.outcome, "", findings)
        followed.state = state
        if followed.since >= self._habits.checkpoint:
            self._checkpoint(followed)
        return Taken(turn, turn.outcome, len(findings))

    def _end_of_a_run(self) -> Taken | None:
        """What is found at the end of a series that is over since the last look; its state is not needed any more."""
        series = next(self._to_end(), None)
        if series is None:
            return None
        followed = self._pass_of(series)
        if not followed.shown:
            self._show(followed)
        try:
            findings = self.step.end_of(followed.state)
        except StepError as error:
            log.error("%s, end of %s: %s", self.step.name, series.name, error, exc_info=error)
            findings = []
        turn = Turn(series, series.row.total - 1, "ended")
        self.journal.record(turn, ENDED, "", findings)
        self._forget(series)  # `end` may have changed it
        self._checkpoints.remove(series.key)
        return Taken(turn, ENDED, len(findings))

    def _to_end(self) -> Iterator[Series]:
        """Yield the series that were over at the last look, and whose end the step has not handled yet."""
        if self.step.end:
            over = self._follow.finished
            yield from (each for each in over if each.row.total and not self.journal.has_ended(each))

    def conclude(self) -> None:
        """Put on disk what shows the states as they are now, and the states themselves. Raises NoRoomError.

        A step that handles the end of a run does not need them then, and before the end images are seen again.
        """
        for followed in self.passes.values():
            if followed.since and not self._habits.window and not self.step.end:
                self._checkpoint(followed)
            elif not followed.shown:
                self._show(followed)

    def states(self) -> dict[str, State]:
        """Return, by key, the states of series that are not over, made again if not in memory. Raises NoRoomError."""
        for series in self._follow.series:
            if self.journal.position(series) and not self.journal.has_ended(series):
                self._pass_of(series)
        return {key: each.state for key, each in self.passes.items()}

    def under_way(self) -> dict[str, list[Series]]:
        """Return, by run, the series of the runs that had images seen in this life, the backlog last."""
        seen = {each.series.row.run for each in self.passes.values()}
        mine = [each for each in self._follow.series if each.row.run in seen]
        return {run: [each for each in mine if each.row.run == run] for run in dict.fromkeys(seen)}

    def how_far(self, series: Series) -> tuple[int, int]:
        """The first slice of a series that is not decided; the first whose image would be seen again by who begins."""
        position = self.journal.position(series)
        return position, min(self._needs(series), position)

    def _needs(self, series: Series) -> int:
        key = series.key
        numbers, begin = self._checkpoints.numbers(key), self.journal.cold_start(key)
        first = self.journal.first_seen_after(key, max(numbers[-1] if len(numbers) > 1 else begin, begin))
        return self.journal.position(series) if first is None else first

    def _step(self, state: State, image: FollowedImage) -> tuple[State, list[str]]:
        """Call the step. Raises StepError."""
        self.stepping = Stepping(image.run, image.index, time.monotonic(), image.known is not None)
        try:
            return self.step(state, image)
        finally:
            self.stepping = None

    def mark_hung(self, at: Stepping) -> None:
        """Notes, from any thread, the image at which the step hangs: the next life does not give it to it again."""
        if not at.again:
            with suppress(OSError):  # then it hangs once more
                self._folder.write_new(_HUNG, json.dumps([at.run, at.index]).encode())

    def _read_hung(self) -> list[object]:
        """Run and slice at which the step hung in another life; [] if it did not."""
        with suppress(OSError, ValueError):
            return list(json.loads(self._folder.read(_HUNG)))
        return []

    def _record(self, followed: Pass, turn: Turn, outcome: str, reason: str, findings: list[str] | None = None) -> None:
        """Put a decision on disk; the state of an image that is not recorded is forgotten. Raises NoRoomError."""
        try:
            number = self.journal.record(turn, outcome, reason, findings or [])
        except BaseException:
            self._forget(turn.series)
            self._follow.again()
            raise
        _count(followed, Decided(number, turn.index, outcome, reason))

    def _forget(self, series: Series) -> None:
        """The state in memory may be one that a step has changed half: it is made again."""
        self.passes.pop(series.key, None)

    def _unreadable(self, followed: Pass, turn: Turn, reason: str) -> Taken | None:
        """An image has expired since it was looked up; or it will be there again, or is passed over in the end."""
        self._follow.again()
        if turn.index not in self._stored(turn.series, turn.index, turn.index + 1):
            return None
        self._try_again(reason)
        log.error("slice %d of %s is passed over: %s", turn.index, turn.series.name, reason)
        self._follow.give_up(turn)
        self._record(followed, turn, "unreadable", reason)
        return Taken(turn, "unreadable")

    def _try_again(self, reason: str) -> None:
        """NoRoomError for an image that cannot be read now, until it was tried often enough."""
        self._tries = (self._tries + 1) % TRIES
        if self._tries:
            raise NoRoomError(reason)

    def _image(
        self, followed: Pass, entry: Entry, late: bool, known: tuple[Finding, ...] | None = None
    ) -> FollowedImage:
        """The image of a slice, after those that were seen of its series. UsageError if it cannot be read."""
        series, skipped = followed.series, tuple(followed.skipped)
        return read_followed(self.directory, series.row.name, entry, late, skipped, known, bool(series.backlog))

    def _stored(self, series: Series, first: int, end: int) -> dict[int, Entry]:
        """The images of some slices that the ledger has as stored now."""
        with closing(Ledger(self.directory, read_only=True)) as ledger:
            return {entry.index: entry for entry in ledger.entries(series.row.run, first, end)}

    def _checkpoint(self, followed: Pass) -> None:
        """The state on disk, and the files that show it. Raises NoRoomError."""
        self._show(followed)
        try:
            self._checkpoints.write(followed.series.key, followed.number, self.step.kept_of(followed.state))
        except StepError as error:  # more is seen again after a restart
            log.error("%s: %s", self.step.name, error, exc_info=error)
        followed.since = 0

    def _show(self, followed: Pass) -> None:
        """Write the files that show a state, each whole, named after the run, or its backlog."""
        followed.shown = True
        try:
            files = self.step.files_of(followed.state)
        except StepError as error:
            log.error("%s: %s", self.step.name, error, exc_info=error)
            return
        try:
            for name, content in files.items():
                self._folder.write_new(_TEMPORARY, content)
                self._folder.replace(_TEMPORARY, f"{followed.series.name}-{name}")
        except OSError as error:
            followed.shown = False
            raise NoRoomError(f"{self.folder}: a file cannot be written: {error.strerror}") from None

    def _pass_of(self, series: Series) -> Pass:
        """The state of a series; made from a checkpoint and the images since if it is not in memory."""
        known = self.passes.get(series.key)
        if known is None or known.series.row.opened != series.row.opened:  # the directory may have been cleared since
            self.passes[series.key] = self._restored(series)
        followed = self.passes[series.key]
        followed.series = series  # it may have grown
        return followed

    def _restored(self, series: Series) -> Pass:
        begin = self.journal.cold_start(series.key)
        checkpoints = [each for each in self._checkpoints.numbers(series.key) if each > begin]
        reason = ""
        for number in (*checkpoints, begin):
            if number != begin and self.journal.seen_after(series.key, number) < self._habits.window:
                continue
            state = {} if number == begin else self._checkpoints.read(series.key, number)
            if state is None:
                log.warning(
                    "%s: checkpoint %d of %s is damaged: the one before is taken", self.folder, number, series.name
                )
                continue
            try:
                return self._seen_again(Pass(series, state, number))
            except (UsageError, StepError) as error:
                reason = str(error)
        return self._cold(series, begin, reason)

    def _seen_again(self, followed: Pass) -> Pass:
        """See those images again that came after the state; what is found in them is left aside.

        Raises UsageError if one of them is gone, StepError if the step fails at one now.
        """
        series = followed.series
        decided = self.journal.decided(series.key, followed.number)
        seen = [each.index for each in decided if each.seen]
        stored = self._stored(series, min(seen), max(seen) + 1) if seen else {}
        if gone := [index for index in seen if index not in stored]:
            raise UsageError(f"the image of slice {gone[0]}, which is to be seen again, has expired")
        for each in decided:
            if each.seen:
                late, known = each.outcome == "late", self.journal.findings(series.key, each.index)
                try:
                    image = self._image(followed, stored[each.index], late, known)
                except UsageError as error:
                    if each.index in self._stored(series, each.index, each.index + 1):
                        self._try_again(str(error))
                    raise
                self._tries = 0
                followed.state, _ = self._step(followed.state, image)
            _count(followed, each)
        if seen:
            log.info("%s: %d images of %s were seen again", self.folder, len(seen), series.name)
        return followed

    def _cold(self, series: Series, begin: int, reason: str) -> Pass:
        """Begin with an empty state after the last image that was seen, and say so."""
        decided = self.journal.decided(series.key, begin)
        last = next(each for each in reversed(decided) if each.seen)
        said = f"begins with nothing after slice {last.index}: {reason}"
        log.warning("%s: %s %s", self.folder, series.name, said)
        self.journal.record_cold_start(series.key, last.number, said)
        self.cold_starts += 1
        followed = Pass(series, {}, last.number)
        for each in decided:
            if each.number > last.number:
                _count(followed, each)
        return followed


def _count(followed: Pass, decided: Decided) -> None:
    """Take into account that a slice was decided, in whatever life of the follower."""
    if decided.seen:
        followed.number, followed.since, followed.shown = decided.number, followed.since + 1, False
        followed.skipped = []
    else:
        followed.skipped.append(Skipped(decided.index, decided.outcome, decided.reason))
