"""Where daemons log: one line a message, for the journal or a terminal."""

from __future__ import annotations

import logging
import os

_PRIORITIES = {logging.ERROR: "<3>", logging.WARNING: "<4>", logging.INFO: "<6>", logging.DEBUG: "<7>"}  # syslog's


def log_to_stderr(name: str) -> None:
    """The journal is told the priority of a message, people its time and which process it is from."""
    form = f"%(asctime)s {name}[{os.getpid()}] %(levelname)s %(message)s"
    if "JOURNAL_STREAM" in os.environ:
        form = "%(priority)s%(message)s"
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(form))
    handler.addFilter(_add_priority)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def set_level(level: str) -> None:
    """From now on messages below "debug", "info", "warning" or "error" are dropped."""
    logging.getLogger().setLevel(level.upper())


def _add_priority(record: logging.LogRecord) -> bool:
    record.priority = _PRIORITIES.get(record.levelno, "<6>")
    return True
