"""The ventilator's supply of slices: opens the MeasurementSets of its jobs, one after the other, and reads ahead."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import chain
from math import inf
from pathlib import Path

from fip.config import Ventilator
from fip.data.antennas import told
from fip.data.arriving import Writing
from fip.data.errors import LeftTheRingError, LostReaderError, NotYetError, StoodStillError, UsageError
from fip.data.names import RunId, SliceId
from fip.data.needs import files_of, sets_of
from fip.data.primary_beam import file_of
from fip.data.settings import Asked
from fip.data.values import Fingerprint
from fip.runtime.vitals import Vitals
from fip.source.requests import Cut, RunFacts
from fip.ventilator.active_run import ActiveRun
from fip.ventilator.antenna_window import Antennas
from fip.ventilator.jobs import Job, Jobs
from fip.ventilator.keeping import Keeping
from fip.ventilator.manifests import manifest_name
from fip.ventilator.pacing import Pace
from fip.ventilator.reader import ASKED_AHEAD
from fip.ventilator.readers import Readers, arrivals_of
from fip.ventilator.ring import Ring
from fip.wire.batches import most_together
from fip.wire.messages import STATE_INTERVAL, RunPlan, Submit

log = logging.getLogger("fip.ventilator")

LOOK_EVERY = 0.1  # s between two looks at what is being written: one with nothing new is cheap (docs/benchmarks.md)
UNREADABLE_WITHIN = 60.0  # s for which what is being written may not be readable: its writer is at work now and then
MOST_LOST = 5  # first looks at what is being written in which the children died, before that counts as damage
TOLD_AFTER = 2.0  # s of it after which that is reported


class Supply:
    """Slices that are read and wait for a worker, of all jobs."""

    def __init__(
        self,
        readers: Readers,
        jobs: Jobs,
        vitals: Vitals,
        changed: Callable[[], None],
        ready: Callable[[], None],
        ring: Ring,
        roots: Sequence[Path] = (),
    ) -> None:
        """`changed` is called when a run or a job has changed, `ready` when a slice was read, or put into the `ring`.
        Files that corrections turn out to be read from must be in `roots`, if there are any.
        """
        self._roots = tuple(roots)
        self._jobs, self._vitals, self._changed, self._on_ready = jobs, vitals, changed, ready
        self._readers, self.ring = readers, ring
        self._keeping = Keeping(ring, jobs, self._cut, self._left, ready)
        self._looking: set[RunId] = set()  # runs whose MeasurementSets are being looked into again
        self._once_more: set[RunId] = set()  # of them, those to be looked into again then
        self._unreadable: set[RunId] = set()  # runs whose MeasurementSets cannot be read at the moment
        self._stood_still: set[SliceId] = set()  # slices at which reading did, since one was read
        self._told_left, self._untold_left = -inf, 0  # monotonic s, and slices that left their ring since
        self._expected = 0  # bytes of the slice that was read last
        self._comparing: set[SliceId] = set()  # that are being read again
        self.read_again: dict[SliceId, Fingerprint | None] = {}  # None of those that can no longer be read
        self.read: dict[SliceId, Cut] = {}
        self.reading: set[SliceId] = set()
        self.antennas = Antennas()

    def ready(self) -> list[SliceId]:
        """Return the slices that may be sent, in their order, the backlog last; what is no longer wanted is dropped."""
        leases = self._jobs.leases
        for key in list(self.read):
            if key.run not in leases or not leases[key.run].waiting(key.slice) or self._jobs.active[key.run].waits:
                del self.read[key]
        return sorted(self.read, key=lambda key: (self._jobs.in_backlog(key), key))

    def refill(self, config: Ventilator, sink: bool = True) -> None:
        """Open the next MeasurementSet, and read ahead, so many slices and bytes as the configuration allows.

        Without a sink, what is put into the ring of cut slices, and what is needed for that.
        """
        if following := self._jobs.next_to_open(time.monotonic(), all_kinds=sink):
            job, path = following
            opened = partial(self._opened, job, path, config.pace)
            submit = job.submit
            self._readers.look(submit.job, opened, path, submit.asked, writing_of(submit, path))
        if sink:
            self._read_ahead(config)
        self._keeping.go_on(self.read, self.reading, len(self._readers), alone=not sink)

    def _read_ahead(self, config: Ventilator) -> None:
        held = Counter(map(self._jobs.in_backlog, chain(self.reading, self.read)))
        ahead = max(config.read_ahead * len(self._readers), most_together(self._expected))
        if held[False] >= ahead and (held[True] >= ahead or not self._jobs.has_backlog):
            return
        out, nbytes = self._jobs.out(), sum(leases.bytes_out() for leases in self._jobs.leases.values())
        nbytes += sum(each.nbytes for each in self.read.values()) + len(self.reading) * self._expected
        for key in self._jobs.upcoming(ahead, time.monotonic()):
            over = nbytes + self._expected > config.window
            if over and held.total() + out:
                break
            aside = self._jobs.in_backlog(key)  # of it as much is read ahead, and does not keep others from being read
            if held[aside] < ahead and not (key in self.reading or key in self.read or key in self._keeping.busy):
                held[aside], nbytes = held[aside] + 1, nbytes + self._expected
                self.reading.add(key)
                if self.ring.holds(key):
                    self.ring.take(key, partial(self._was_taken, key))
                else:
                    self._cut(key, partial(self._was_read, key))

    def _cut(self, key: SliceId, then: Callable[[Future[Cut]], None]) -> None:
        """Cut a slice of a run under way, and call `then` with it."""
        active = self._jobs.active[key.run]
        plan, path = active.plan, Path(active.plan.measurement_set)

        def timed(future: Future[Cut]) -> None:
            if future.exception() is None:
                self._vitals.took("cut", future.result().seconds)
                for name, seconds in future.result().corrected.items():
                    self._vitals.took(name, seconds)
            then(future)

        self._readers.cut(self._job_of(key.run), timed, path, plan.asked, active.writing, plan.run, key.slice)

    def compare(self) -> None:
        """Read again what the sink wants to compare, a few at a time."""
        wanted = {SliceId(run, index): active for run, active in self._jobs.active.items()
                  for begin, end in active.compare for index in range(begin, end)}  # fmt: skip
        self.read_again = {key: found for key, found in self.read_again.items() if key in wanted}
        for key, active in wanted.items():
            if len(self._comparing) >= ASKED_AHEAD * len(self._readers):
                break
            if key not in self.read_again and key not in self._comparing:
                self._comparing.add(key)
                plan, writing, then = active.plan, active.writing, partial(self._was_read_again, key)
                job, path = self._job_of(key.run), Path(plan.measurement_set)
                self._readers.fingerprint(job, then, path, plan.asked, writing, plan.run, key.slice)

    def _was_read_again(self, key: SliceId, future: Future[Fingerprint]) -> None:
        self._comparing.discard(key)
        active, error = self._jobs.active.get(key.run), future.exception()
        if active is None:
            return
        if isinstance(error, StoodStillError):
            self.end(active, str(error))
            return
        self.read_again[key] = None if error else future.result()
        self.compare()
        if not self._comparing:  # that was all that is wanted now
            self._changed()

    def look_again(self) -> None:
        """Look again how far the MeasurementSets are that are being written."""
        for run in [*self._jobs.active]:
            self._look(run)

    def look_at(self, path: str) -> None:
        """Look into the runs of a path, or once more after the present look: its writer says that there is more."""
        for run in [run for run, active in self._jobs.active.items() if active.plan.measurement_set == path]:
            if run in self._looking:
                self._once_more.add(run)
            else:
                self._look(run)
        self._jobs.hurry(Path(path))

    def _look(self, run: RunId) -> None:
        """Look into a run that is being written, if no look is under way."""
        active = self._jobs.active.get(run)
        if not active or not (follow := active.follow) or active.plan.final or run in self._looking:
            return
        self._looking.add(run)
        quiet = time.monotonic() - active.grew
        waits = bool(active.arrivals and active.arrivals.waits)  # what has come and is no slice yet
        complete, ended = quiet >= follow.complete_after, quiet >= follow.end_after and not waits
        path, asked = Path(active.plan.measurement_set), active.plan.asked
        then, known = partial(self._looked_again, run, ended), active.plan.total
        self._readers.look(self._job_of(run), then, path, asked, active.writing, complete, ended, known)

    def cancelled(self, name: str) -> None:
        """Read nothing more for a job; whether its children answer shows before the next job needs them."""
        log.info("job %s is cancelled", name)
        self._readers.drop(name)
        job = self._jobs.named(name)
        for run in job.runs.values():
            path, submit = Path(run.measurement_set), job.submit
            self._readers.forget(name, path, submit.asked, writing_of(submit, path), wanted=False)

    def close(self) -> None:
        """End the children, whatever they do, and let go of the ring."""
        self._readers.close()
        self.ring.close()

    def end(self, active: ActiveRun, reason: str = "") -> None:
        """End a run that is over; with a reason, it did not end well."""
        plan = active.plan
        log.log(logging.ERROR if reason else logging.INFO, "%s: %s", plan.name, reason or "done")
        for what, names in told(*self.antennas.of_run(plan.run)).items():
            log.warning("%s: antennas %s: %s", plan.name, what, names)
        if active.complete and active.complete.lacking:
            log.warning("%s: %s", plan.name, active.complete.words)
        job = self._job_of(plan.run)
        self._jobs.end(plan.run, time.monotonic(), reason)
        self._readers.forget(job, Path(plan.measurement_set), plan.asked, active.writing, wanted=not reason)
        self._changed()

    def _job_of(self, run: RunId) -> str:
        """Return the name of the job of a run that is under way."""
        return self._jobs.of(run).submit.job

    def _opened(self, job: Job, path: Path, pace: float, future: Future[RunFacts]) -> None:
        now, error = time.monotonic(), future.exception() or self._outside(future.result())
        if job.opening != path:  # the job was cancelled meanwhile
            return
        job.lost = job.lost + 1 if _was_lost(error) and job.submit.follow else 0
        if _worth_waiting(job, error) or 0 < job.lost < MOST_LOST:
            self._jobs.later(job, now + STATE_INTERVAL)
            return
        if error is None:
            facts = future.result()
            if facts.run in self._jobs.active or facts.older in self._jobs.active:
                self._jobs.later(job, now + STATE_INTERVAL)  # another job is at this run
                return
            _say_notes(facts)
            self._jobs.begin(job, _active(job.submit, path, facts, pace, now), now)
        else:
            log.error("job %s: %s", job.submit.job, error)
            self._jobs.fail(job, str(error))
        self._changed()

    def _outside(self, facts: RunFacts) -> UsageError | None:
        """Return the error of a run that reads files elsewhere: a cal library names tables. None if it reads none."""
        reason = next(filter(None, (refusal(each, self._roots) for each in facts.files)), "")
        return UsageError(reason) if reason else None

    def _looked_again(self, run: RunId, ended: bool, future: Future[RunFacts]) -> None:
        self._looking.discard(run)
        self._take_look(run, ended, future)
        if run in self._once_more:
            self._once_more.discard(run)
            self._look(run)

    def _take_look(self, run: RunId, ended: bool, future: Future[RunFacts]) -> None:
        """Take what a look has found."""
        active, error, now = self._jobs.active.get(run), future.exception(), time.monotonic()
        if active is None:
            return
        active.arrivals = arrivals_of(future) or active.arrivals
        if (isinstance(error, NotYetError) or _was_lost(error)) and now - active.looked < UNREADABLE_WITHIN:
            if now - active.looked >= TOLD_AFTER and run not in self._unreadable:
                self._unreadable.add(run)
                log.warning("%s: cannot be read now, which is tried again: %s", active.plan.name, error)
            return
        self._unreadable.discard(run)
        if error is not None or run not in ((facts := future.result()).run, facts.older):
            self.end(active, str(error or f"{active.plan.measurement_set}: is another one than when the run began"))
            return
        active.observed(facts.known, facts.times)
        _say_notes(facts)
        total = facts.known + len(facts.times)
        active.cadence = facts.cadence or active.cadence
        if active.grow(total, facts.rows, ended if facts.ended is None else facts.ended, now):
            self._changed()

    def _was_read(self, key: SliceId, future: Future[Cut]) -> None:
        active, error = self._jobs.active.get(key.run), future.exception()
        if error is None:
            self._stood_still.clear()
            self._has(key, future.result())
            return
        self.reading.discard(key)
        if isinstance(error, LeftTheRingError):
            self._left(key, str(error))
        elif active and active.leases:
            log.error("slice %d of %s cannot be read", key.slice, active.plan.name, exc_info=error)
            active.leases.blame(key.slice, f"{type(error).__name__}: {error}".splitlines()[0][:500])
            self._vitals.counters["failures"] += 1
            if isinstance(error, StoodStillError):
                self._stood_still.add(key)
                if len(self._stood_still) > 1:  # it is not this one slice
                    self.end(active, str(error))
        self._on_ready()

    def _left(self, key: SliceId, reason: str) -> None:
        """Fail a slice that cannot be cut any more, at once, unless somebody has it."""
        active = self._jobs.active.get(key.run)
        if active and active.leases and key.slice not in active.leases.failed:
            self._tell_left(f"slice {key.slice} of {active.plan.name}: {reason}")
            active.leases.cannot_be_cut(key.slice, reason)
            self._vitals.counters["failures"] += 1

    def _tell_left(self, what: str) -> None:
        """Log this now and then: there may be thousands, and the ledger has all."""
        self._untold_left += 1
        if (now := time.monotonic()) - self._told_left >= TOLD_AFTER:
            others = f"; and {self._untold_left - 1} more since" if self._untold_left > 1 else ""
            log.error("%s%s", what, others)
            self._told_left, self._untold_left = now, 0

    def _was_taken(self, key: SliceId, cut: Cut | None, later: bool) -> None:
        """Take a slice that was read from the ring, or have it cut again."""
        if cut is not None:
            self._has(key, cut)
        elif later or key.run not in self._jobs.active:  # the next tick tries it again
            self.reading.discard(key)
        else:
            self._cut(key, partial(self._was_read, key))

    def _has(self, key: SliceId, cut: Cut) -> None:
        self.reading.discard(key)
        self.read[key] = cut
        self.antennas.add(key.run, cut.antennas, time.monotonic())
        self.antennas.note(key.run, cut.ill)
        self._expected = cut.nbytes
        self._on_ready()


def refused(submit: Submit, roots: Sequence[Path]) -> str:
    """Return why a job cannot be taken by a ventilator that takes data from these folders (none: from all); or ""."""
    beam = submit.asked.imaging.primary_beam
    file = file_of(beam) if beam else None
    if file and not file[1]:
        return f"--primary-beam {beam}: it is a file without a digest: submit it by `fip submit`, on a host that has it"
    sets = (each for path in submit.paths for each in sets_of(path, submit.asked.source))
    files = (*sets, *([file[0]] if file else []), *files_of(submit.asked.source))
    return next(filter(None, (refusal(path, roots) for path in files)), "")


def refusal(path: str, roots: Sequence[Path]) -> str:
    """Return why a path may not be submitted to a ventilator that takes data from these folders (none: all); or "".

    If any path may be, it is not looked at: its disk may be dead, and the loop would wait for it.
    """
    if not roots:
        return ""
    try:
        place = Path(path).resolve()
        inside = any(place.is_relative_to(root.resolve()) for root in roots)
    except (OSError, RuntimeError, ValueError) as error:  # as links that lead to each other
        return f"{path}: leads nowhere: {error}"
    folders = ", ".join(map(str, roots))
    where = f"data are taken from {folders} only ([source] roots of the ventilator)"
    return "" if inside else f"{path}: {where}"


def _say_notes(facts: RunFacts) -> None:
    for note in facts.notes:
        log.info("%s: %s", facts.name, note)


def _was_lost(error: BaseException | None) -> bool:
    """Return whether the reading children died: while data are being written that may pass, as after a kill."""
    return isinstance(error, LostReaderError) and not isinstance(error, StoodStillError)


def _worth_waiting(job: Job, error: BaseException | None) -> bool:
    """Return whether a MeasurementSet that is to be followed may still come to hold something.

    A stream says itself when it ends, so its silence means nothing.
    """
    follow = job.submit.follow
    if not isinstance(error, NotYetError) or follow is None:
        return False
    return time.time() < job.submitted + follow.end_after if error.ended is None else not error.ended


def plan_of(path: Path, facts: RunFacts, asked: Asked, directory: str = "") -> RunPlan:
    """Return the run of a MeasurementSet as the sink must know it; its images go into this folder of the sink's."""
    return RunPlan(
        run=facts.run, name=facts.name, total=len(facts.times), measurement_set=str(path), asked=asked,
        directory=directory, final=facts.final, older=facts.older,
        hints=facts.hints, others=dict(facts.others),
    )  # fmt: skip


def _active(submit: Submit, path: Path, facts: RunFacts, pace: float, now: float) -> ActiveRun:
    """Return a run as it begins."""
    plan = plan_of(path, facts, submit.asked, submit.directory)
    if submit.follow is None:
        due = Pace(pace if submit.pace is None else submit.pace, list(facts.times))
    else:
        due = Pace.of_arrivals([now] * len(facts.times))
    active = ActiveRun(
        plan, due, submit.follow, facts.rows, now, looked=now, writing=writing_of(submit, path),
        arrivals=facts.arrivals, cadence=facts.cadence, passes=facts.passes, found=len(facts.times),
    )  # fmt: skip
    active.observed(0, facts.times)
    return active


def writing_of(submit: Submit, path: Path) -> Writing | None:
    """Return how one of the recordings of a job is read, if it is being written."""
    follow = submit.follow
    return Writing(follow.rules, manifest_name(submit.directory, path)) if follow else None
