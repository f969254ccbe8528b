"""The logs of daemons: one line a message, for the journal or a terminal."""

import logging
import os
import time

from fip.data.errors import RefusedError
from fip.runtime.allowance import Allowance
from fip.state.words import printable_lines

log = logging.getLogger("fip")

_PRIORITIES = {logging.ERROR: "<3>", logging.WARNING: "<4>", logging.INFO: "<6>", logging.DEBUG: "<7>"}  # syslog's
SAID_AGAIN_AFTER = 60.0  # s
REMEMBERED = 1000  # texts
MESSAGES = 100, 1.0  # about single messages: so many at once, and then so many a second


def log_to_stderr(name: str) -> None:
    """Log to stderr: for the journal with the priority of a message, for people with its time and its process."""
    form = f"%(asctime)s {name}[{os.getpid()}] %(levelname)s %(message)s"
    if "JOURNAL_STREAM" in os.environ:
        form = "%(priority)s%(message)s"
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable(form))
    handler.addFilter(_add_priority)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def set_level(level: str) -> None:
    """Drop messages below "debug", "info", "warning" or "error" from now on."""
    logging.getLogger().setLevel(level.upper())


class PeerWarnings:
    """Warnings about peers: one that is refused says the same thing twice a second, which is logged once a minute."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}  # monotonic s
        self._allowance = Allowance(*MESSAGES)
        self._unsaid = 0

    def warning(self, text: str, error: Exception | None = None) -> None:
        """Log it, unless it was logged just now; if it is about one message alone, log it unless there are too many."""
        now = time.monotonic()
        if error and not isinstance(error, RefusedError):
            self._about_one(text, error, now)
            return
        text = f"{text}{error or ''}"
        if now - self._said.get(text, float("-inf")) < SAID_AGAIN_AFTER:
            return
        if len(self._said) >= REMEMBERED:
            del self._said[next(iter(self._said))]
        self._said[text] = now
        log.warning("%s", text)

    def _about_one(self, text: str, error: Exception, now: float) -> None:
        if self._allowance.left(now) < 1:
            self._unsaid += 1
            return
        self._allowance.use(1, now)
        more = f" (and {self._unsaid} others of late)" if self._unsaid else ""
        log.warning("%s%s%s", text, error, more)
        self._unsaid = 0


class _Printable(logging.Formatter):
    """Makes what is logged of data, files and peers harmless to the terminal that shows the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as printable text."""
        return printable_lines(super().format(record))


def _add_priority(record: logging.LogRecord) -> bool:
    record.priority = _PRIORITIES.get(record.levelno, "<6>")
    return True
