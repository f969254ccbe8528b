"""Lives of a follower: real processes of the daemon. Each may end itself, as by `kill -9`, at a named moment.

`python -m support.follower_lives` imports what a daemon needs once, and forks a process for each line that it reads;
hundreds of lives then take seconds. Nothing in the daemon knows of this.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType

from support.sabotage import sabotage

Point = tuple[str, str, int]
"""Before or after which function the process dies, and at which of its calls."""

FOLLOWER = "fip_daemons.follower"


class Life:
    """One process of a daemon."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor = os.pidfd_open(pid)
        self.over = False

    def ended(self, within: float) -> bool:
        """Whether it has ended, now or within so many seconds."""
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        return bool(waiting.poll(1000 * within))

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it by `kill -9`, or another signal, and wait until it is gone."""
        if self.over:
            return
        self.over = True
        with suppress(ProcessLookupError):  # it has ended itself
            signal.pidfd_send_signal(self._descriptor, how)
        assert self.ended(30)
        os.close(self._descriptor)


class FollowerLives:
    """What starts them; use it as a context, which in the end kills those that are left."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab")
        self._lives: list[Life] = []
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.follower_lives"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment, text=True,
        )  # fmt: skip

    def __enter__(self) -> "FollowerLives":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for life in self._lives:
            life.kill()
        self._process.communicate()
        self._log.close()

    def start(self, arguments: Sequence[object], point: Point | None = None, module: str = FOLLOWER) -> Life:
        """Start the daemon of a module with these arguments, that ends itself at a point, or goes on."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps([module, list(map(str, arguments)), point]), file=self._process.stdin, flush=True)
        self._lives.append(Life(int(self._process.stdout.readline())))
        return self._lives[-1]


def main() -> None:
    """Fork a process for each line read."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that end
    for line in sys.stdin:
        module, arguments, point = json.loads(line)
        daemon = import_module(module)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            if point:
                sabotage(*point)
            sys.argv = [f"fip-{module.rpartition('.')[2]}", *arguments]
            try:
                daemon.main()
            finally:
                os._exit(1)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
