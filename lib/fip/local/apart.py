"""`fip run` in a process of its own, for programs: daemons are forks, and a program with threads must not fork."""

import os
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from fip.config import Config
from fip.data.errors import FipError
from fip.local.run import EXIT_INTERRUPTED, run
from fip.runtime.parent import end_with_parent, start_python
from fip.source.pipe import Pipe
from fip.terminal.plain import PlainConsole


@dataclass(frozen=True)
class Wanted:
    """What to run, as `fip.local.run.run` takes it."""

    paths: list[Path]
    config: Config
    output: Path
    workers: Mapping[str, str]
    overwrite: bool
    web: bool
    repair: bool


@dataclass(frozen=True)
class _Stored:
    stored: int
    total: int


@dataclass(frozen=True)
class _Ended:
    code: int
    error: FipError | None = None


def run_apart(wanted: Wanted, progress: Callable[[int, int], None], said: Callable[[str], None]) -> int:
    """Run it. Call `progress` with the number of stored images and of all, and `said` with each line that is printed.

    Returns the exit code. An interrupt, or an exception of the two, stops it cleanly. Raises FipError.
    """
    pid, ours = start_python("from fip.local.apart import serve; serve({descriptor})", session=True)
    pipe = Pipe(ours)
    try:
        pipe.send(wanted)
        ended = _heard(pipe, progress, said)
    except (EOFError, OSError):
        os.kill(pid, signal.SIGKILL)
        raise FipError("the process that ran the pipeline has died; run it again to resume") from None
    except BaseException:  # an interrupt, or one of the two failed: what is in work is stored
        os.kill(pid, signal.SIGINT)
        with suppress(EOFError, OSError):
            _heard(pipe, lambda stored, total: None, lambda line: None)
        raise
    finally:
        pipe.close()
        os.waitpid(pid, 0)
    if ended.error:
        raise ended.error
    return ended.code


def _heard(pipe: Pipe, progress: Callable[[int, int], None], said: Callable[[str], None]) -> _Ended:
    """Listen until the process has ended. EOFError or OSError if it died."""
    while not isinstance(message := pipe.receive(), _Ended):
        if isinstance(message, _Stored):
            progress(message.stored, message.total)
        else:
            said(message)
    return message


class _Lines(StringIO):
    """A file that sends its lines."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe, self._rest = pipe, ""

    def write(self, text: str) -> int:
        """Send the lines that are whole."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._pipe.send(line)
        return len(text)


def serve(descriptor: int) -> None:
    """Be the process: run what the program wants, once. It is interrupted if that program ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    end_with_parent(signal.SIGTERM)
    pipe = Pipe(socket.socket(fileno=descriptor))
    ended = _Ended(EXIT_INTERRUPTED)
    with suppress(KeyboardInterrupt, EOFError):  # or it is gone before it said what it wanted
        ended = _run(pipe, pipe.receive())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over
    with suppress(OSError):
        pipe.send(ended)


def _run(pipe: Pipe, wanted: Wanted) -> _Ended:
    console = PlainConsole(file=_Lines(pipe))
    try:
        return _Ended(
            run(
                wanted.paths, wanted.config, wanted.output, wanted.workers, wanted.overwrite, wanted.web, console,
                wanted.repair, progress=lambda stored, total: pipe.send(_Stored(stored, total)),
            )
        )  # fmt: skip
    except FipError as error:
        return _Ended(error.exit_code, error)
