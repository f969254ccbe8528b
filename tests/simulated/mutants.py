"""Faults of FIP that trials found, put back one by one: a simulation that does not find them would prove nothing.

The letters are those of docs/reliability.md.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fip.archive.ledger_file as ledger_file
import simulated.cluster as cluster
from fip.archive.clock import Clock
from fip.archive.ledger_file import LedgerFile
from fip.data.errors import NoRoomError
from fip.ventilator.job_queue import Queue
from fip.ventilator.jobs import Jobs
from fip.wire.messages import Failure


@dataclass(frozen=True)
class Mutant:
    """A fault, and a seed that finds it."""

    what: str
    seed: int
    found: str  # what the simulation says of it, in part
    place: Any  # the place that was mended
    name: str
    wrong: Callable[..., Any]

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Put the fault back into FIP, within this context."""
        with patch.object(self.place, self.name, self.wrong):
            yield


def _no_room(path: Path, done: str, error: Exception) -> NoRoomError:
    return NoRoomError(f"ledger {path} cannot be {done}: {error}")


def _is_an_error(self: Queue, trouble: str) -> None:
    if trouble:
        raise sqlite3.OperationalError(trouble)


def _all_failures(self: Jobs) -> tuple[Failure, ...]:
    runs: list[Any] = [active for active in self.active.values() if active.leases]
    return tuple(Failure(run.plan.run, index, 3, reason) for run in runs for index, reason in run.leases.failed.items())


def _by_the_wall_clock(boot: str, seconds: Callable[[], float]) -> Clock:
    return Clock("the same", lambda: time.time())  # that of the world


MUTANTS: Mapping[str, Mutant] = {
    "A1": Mutant(
        "what a transaction did not commit stays open", 175, "was left open", LedgerFile, "_undo", lambda self: None
    ),
    "A2": Mutant("ages are told by the wall clock", 17, "expired after", cluster, "Clock", _by_the_wall_clock),
    "B1": Mutant("a full disk of the queue is an error", 66, "ventilator.queue", Queue, "_tell", _is_an_error),
    "B2": Mutant("all failures are told at once", 2, "a SinkOrders of", Jobs, "untold_failures", _all_failures),
    "B3": Mutant("a damaged ledger is waited for", 7, "never ends", ledger_file, "_fault", _no_room),
}
"""Each fault by the line that it is of."""
