"""Daemons as forks of a process that has imported what they need: each would import the same again.

See docs/decisions/0055. A fork is left as `subprocess.Popen` leaves a child: in a session of its own, with its own
environment and signal handlers, and without descriptors but those that it is given.
"""

import ctypes
import os
import select
import signal
import sys
import traceback
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from subprocess import TimeoutExpired

from fip.runtime.process_name import call_itself

_MALLOPT = {  # parameter, as mallopt(3) numbers it, and value
    "MALLOC_TRIM_THRESHOLD_": (-1, 20_000_000_000),
    "MALLOC_MMAP_MAX_": (-4, 0),
    "MALLOC_ARENA_MAX": (-8, 1),
}
MEMORY_IS_KEPT = {name: str(value) for name, (_, value) in _MALLOPT.items()}
"""For glibc: an image's memory is used again for the next, and not mapped anew (docs/decisions/0051)."""

_LARGEST = 2**31 - 1


class Fork:
    """A child of this process that runs a daemon; to its parent it is as a `subprocess.Popen`."""

    def __init__(
        self,
        command: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        keep: Collection[int] = (),
    ) -> None:
        """Start fip-NAME with the descriptors `keep`; its output goes to the end of the file `log`."""
        self.returncode: int | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(command, arguments, log, environment, keep)
        self._ended = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """Return the code with which it has ended, negative for the number of a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                os.close(self._ended)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended. TimeoutExpired if that takes longer than so many seconds."""
        while (code := self.poll()) is None:
            waiting = select.poll()
            waiting.register(self._ended, select.POLLIN)
            if not waiting.poll(None if timeout is None else 1000 * timeout):
                raise TimeoutExpired("a daemon", timeout or 0.0)
        return code

    def terminate(self) -> None:
        """Make the daemon drain: it ends its work, and then itself."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End the child at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def import_daemons(names: Collection[str]) -> None:
    """Import the modules that forks will need."""
    for name in names:
        import_module(_module(name))


def keep_memory() -> None:
    """Make glibc keep the memory of an image for the next one, here and in what this process starts.

    It reads these variables only when a process starts, so here a call sets them. Call this before there are threads.
    """
    for name, (parameter, value) in _MALLOPT.items():
        os.environ.setdefault(name, str(value))
        with suppress(AttributeError):  # another libc
            ctypes.CDLL(None).mallopt(parameter, min(value, _LARGEST))


def _module(command: str) -> str:
    return f"fip_daemons.{command.removeprefix('fip-')}"


def _become(
    command: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str], keep: Collection[int]
) -> None:
    """Be the child; never return."""
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        with log.open("ab") as out, Path(os.devnull).open("rb") as nothing:
            for descriptor, opened in enumerate((nothing, out, out)):
                os.dup2(opened.fileno(), descriptor)
        _close_all_but({0, 1, 2, *keep})
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [command, *arguments]
        call_itself(sys.argv)
        import_module(_module(command)).main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 nobody else will say it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _close_all_but(kept: Collection[int]) -> None:
    first = 0
    for descriptor in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        if first < descriptor:  # of nothing, os.closerange of Python 3.11 closes all
            os.closerange(first, descriptor)
        first = descriptor + 1
