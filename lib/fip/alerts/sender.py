"""What carries alerts to one target: one after the other, no more than it is to get, until it has them."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from fip.alerts import ways
from fip.alerts.entries import Delivery
from fip.alerts.forms import FORMS
from fip.alerts.outbox import Outbox
from fip.alerts.policy import why_not
from fip.alerts.posting import Answer
from fip.config import AlertTarget
from fip.data.errors import FipError, NoRoomError, UsageError
from fip.data.quantities import SECONDS_PER_DAY, UNIX_EPOCH

log = logging.getLogger("fip.alerts")

Clock = Callable[[], float]
"""s UTC since MJD 0."""

Post = Callable[[AlertTarget, str, str, bytes], Answer]

FIRST, LONGEST = 1.0, 300.0  # s after a try that nobody answered, twice as many after each other one
REFUSED_AGAIN = 600.0  # s after which a target that has refused is asked again
KEPT = 7 * SECONDS_PER_DAY  # for which an alert is tried
HOUR = 3600.0
IDLE = 1.0  # s
_TRIES = 10
_OF_ONE = (400, 409, 413, 415, 422)  # answers that are about a message, and not about who sends it


def now() -> float:
    """The time, s UTC since MJD 0."""
    return time.time() + UNIX_EPOCH


class Carrier:
    """Sends to one target what outboxes have for it. For one thread, in which it is made."""

    def __init__(self, name: str, target: AlertTarget, clock: Clock = now, send: Post = ways.send) -> None:
        self.name, self._target, self._clock, self._send = name, target, clock, send
        self._boxes: dict[Path, Outbox] = {}
        self._rest = float("-inf")  # until when the target is left alone
        self._failures = 0  # one after the other
        self._key = self._stamp()

    def close(self) -> None:
        """Close the outboxes of all folders."""
        for each in self._boxes.values():
            each.close()
        self._boxes.clear()

    def carry(self, folders: Sequence[Path]) -> float:
        """Send one alert, if there is one to be sent now; return s after which to look again, 0 if at once."""
        self._open(folders)
        at, stamp = self._clock(), self._stamp()
        if stamp != self._key:  # somebody has mended it
            self._rest, self._key = float("-inf"), stamp
            for box in self._boxes.values():
                self._ask_again(box)
        if at < self._rest:
            return min(IDLE, self._rest - at)
        waiting = IDLE
        for folder, box in self._boxes.items():
            try:
                delivery = box.next_due(self.name, at)
                if delivery is None:
                    continue
                if delivery.kind in ("initial", "update") and self._sent_in_an_hour(at) >= self._target.per_hour:
                    continue
                self._carry(box, delivery, at)
                waiting = 0.0
            except NoRoomError as error:  # another writes at this moment
                log.debug("%s: %s", folder, error)
            except FipError as error:
                log.warning("%s", error)
        return waiting

    def _carry(self, box: Outbox, delivery: Delivery, at: float) -> None:
        """Try to send one, and note what came of it."""
        if why := why_not(delivery.id, delivery.tense, delivery.facts, self._target):
            log.error("alert %s is not sent to %s: %s", delivery.id, self.name, why)
            box.settle(delivery, "dropped", why, delivery.after, at)
            return
        if at - delivery.issued > KEPT:
            said = f"given up after {KEPT / SECONDS_PER_DAY:g} days: {delivery.said or 'it was held, or waited'}"
            box.settle(delivery, "dropped", said, delivery.after, at)
            return
        if not box.begin_try(delivery, at + self._back_off(), at):
            return
        try:
            answer = self._send(self._target, delivery.id, FORMS[delivery.form].content_type, delivery.body)
        except UsageError as error:
            answer = Answer(401, str(error))
        for left in reversed(range(_TRIES)):
            try:
                self._take(box, delivery, answer, self._clock())
                break
            except NoRoomError:  # another writes at this moment; what is not noted is sent again
                if not left:
                    raise

    def _take(self, box: Outbox, delivery: Delivery, answer: Answer, at: float) -> None:
        if 200 <= answer.status < 300:
            self._failures = 0
            box.settle(delivery, "sent", answer.said, at, at)
            self._fault(box, "", at)
        elif 300 <= answer.status < 500 and answer.status not in (408, 425, 429):
            again = at + REFUSED_AGAIN
            box.settle(delivery, "refused", answer.said, again, at)
            if answer.status not in _OF_ONE:
                self._rest = again
            self._fault(box, f"{delivery.id}: {answer.said}" if answer.status in _OF_ONE else answer.said, at)
        else:
            self._rest = at + min(max(self._back_off(), answer.wait or 0.0), HOUR)
            box.settle(delivery, "due", answer.said, self._rest, at)
            self._failures += 1
            self._fault(box, answer.said, at)

    def _back_off(self) -> float:
        return min(LONGEST, FIRST * 2.0 ** min(self._failures + 1, 20))

    def _fault(self, box: Outbox, said: str, at: float) -> None:
        """Say what is wrong with the target once, and that it is mended."""
        known = next((each for each in box.faults() if each.target == self.name), None)
        if said and known is None:
            log.warning("alerts to %s: %s; it is tried again", self.name, said)
        elif known is not None and not said:
            log.info("alerts to %s: are taken again", self.name)
        for each in self._boxes.values() if not said else [box]:
            each.note_fault(self.name, said, at)

    def _sent_in_an_hour(self, at: float) -> int:
        return sum(len(box.sent_since(self.name, at - HOUR)) for box in self._boxes.values())

    def _open(self, folders: Sequence[Path]) -> None:
        for folder in set(self._boxes) - set(folders):
            self._boxes.pop(folder).close()
        for folder in folders:
            if folder not in self._boxes:
                with suppress(FipError):  # it is tried again soon
                    self._boxes[folder] = Outbox(folder)
                    self._ask_again(self._boxes[folder])

    def _ask_again(self, box: Outbox) -> None:
        with suppress(NoRoomError):  # then in a while
            box.ask_again(self.name, self._clock())

    def _stamp(self) -> tuple[int, int] | None:
        """Return the stamp of the file with the token: it may be mended while nothing is restarted."""
        try:
            status = self._target.token_file.stat() if self._target.token_file else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_ctime_ns) if status else None
