"""A program that writes a MeasurementSet as a telescope does: an integration for each line that it is given.

`python ms_writer.py OUT.ms INTEGRATIONS`; it says how many it has written.
"""

import subprocess
import sys
from pathlib import Path
from types import TracebackType

from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation

CADENCE = 0.01  # s; how fast it goes is up to whoever gives it lines


class Writer:
    """The program as a process, for tests; in the end it is killed."""

    def __init__(self, path: Path, integrations: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, path, str(integrations)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._written()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def write(self, integrations: int) -> None:
        """Write some more; return when others can see them."""
        assert self._process.stdin is not None
        for _ in range(integrations):
            self._process.stdin.write("go on\n")
            self._process.stdin.flush()
            self._written()

    def _written(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip().isdigit()


def _main() -> None:
    def wait(done: int, total: int) -> None:
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()
        sys.stdin.readline()

    path, integrations = Path(sys.argv[1]), int(sys.argv[2])
    simulate(
        path,
        Simulation(antennas=8, channels=4, integrations=integrations, cadence=CADENCE),
        live=True,
        progress=wait,
    )


if __name__ == "__main__":
    _main()
