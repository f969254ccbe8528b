"""A third party beside a pipeline: it compares what the sink says with ledger and directory while the pipeline runs.

`python -m support.auditor STATUS DIRECTORY REPORT` is its process. It follows the status as any watcher does, reads the
ledgers as another process sees them, and writes each fault that it finds as a line of REPORT; the last line says how
many words it has checked.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

import zmq

from fip.archive.ledger import Ledger
from fip.data.errors import FipError, WireError
from fip.data.ranges import Ranges, add, added, contains
from fip.wire.codec import decode_control
from fip.wire.messages import PipelineStatus, RunStored

ENDED = "checked"


class Auditor:
    """The process; use it as a context, and ask it for `faults` at the end."""

    def __init__(self, status: str, directory: Path, report: Path) -> None:
        self._report = report
        command = [sys.executable, "-m", "support.auditor", status, str(directory), str(report)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = subprocess.Popen(command, env=environment)
        self.checked = 0  # words of the sink, known at the end

    def __enter__(self) -> "Auditor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def faults(self) -> list[str]:
        """End it, and return what it has found."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(30) == 0, "the auditor itself has failed"
        *found, last = self._report.read_text().splitlines()
        self.checked = int(last.removeprefix(ENDED))
        return found


class Audit:
    """What was said of each run, and what of it was found to be so."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._right: dict[str, Ranges] = {}  # of each run, what was found stored
        self.checked = 0

    def hear(self, status: PipelineStatus) -> Iterator[str]:
        """Check what the sink says in a status; what cannot be looked at now is looked at with the next."""
        folders = {run.run: job.job for job in status.jobs for run in job.runs}
        for said in status.sink.brief.runs if status.sink else ():
            new = added(said.stored, self._right.get(said.run, ()))
            if new and said.run in folders:
                with suppress(FipError, OSError):  # a disk that is away, a ledger that is locked: as if not said yet
                    yield from self._check(self._place(folders[said.run]), said, new)

    def _place(self, job: str) -> Path:
        return self._directory / job if (self._directory / job).is_dir() else self._directory

    def _check(self, place: Path, said: RunStored, new: list[int]) -> Iterator[str]:
        with closing(Ledger(place, read_only=True)) as ledger:
            has = ledger.stored(said.run)
            files = {entry.index: (entry.file, entry.size) for entry in ledger.entries(said.run)}
        for index in new:
            self.checked += 1
            self._right[said.run] = add(self._right.get(said.run, ()), index)
            if not contains(has, index):
                yield f"slice {index} of run {said.run} was said to be stored; the ledger does not have it"
            elif index in files:
                file, size = files[index]
                if not _is_whole(place / file, size) and not self._expired(place, said.run, index):
                    yield f"{place / file} was said to be stored; it is not there, or not whole"

    def _expired(self, place: Path, run: str, index: int) -> bool:
        """Whether it has gone since the ledger was read, as images do that are not to be kept any longer."""
        for _ in range(50):  # a file is removed, and then entered in the ledger
            with closing(Ledger(place, read_only=True)) as ledger:
                if not list(ledger.entries(run, index, index + 1)):
                    return True
            select.select([], [], [], 0.1)
        return False


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def main() -> None:
    """Run the process of the auditor."""
    status, directory, report = sys.argv[1:]
    audit, ended = Audit(Path(directory)), False

    def end(number: int, frame: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    with zmq.Context[zmq.Socket[bytes]]() as context, Path(report).open("w") as told:
        with context.socket(zmq.SUB) as follower:
            follower.subscribe(b"")
            follower.connect(status)
            while not ended:
                if follower.poll(200):
                    with suppress(WireError):
                        message = decode_control(follower.recv())
                        if isinstance(message, PipelineStatus):
                            for fault in audit.hear(message):
                                print(fault, file=told, flush=True)
        print(f"{ENDED} {audit.checked}", file=told)


if __name__ == "__main__":
    main()
