"""The real command with its real daemons, for tests."""

import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from fip.archive.ledger import Ledger

FIP = Path(sysconfig.get_path("scripts")) / "fip"
WITHIN = 100  # s, for anything that a test waits for


def fip(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [FIP, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=WITHIN, check=False
    )


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start the command, and in the end kill what is left of it and its daemons."""
    process = subprocess.Popen(
        [FIP, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_heed_interrupts,
    )  # fmt: skip
    known = psutil.Process(process.pid)
    try:
        yield process
    finally:
        left = [known, *daemons(process.pid)] if process.poll() is None else []
        for each in left:
            each.kill()
        if process.stdout and not process.stdout.closed:  # else somebody has heard it to its end
            process.communicate()


def _heed_interrupts() -> None:
    """Heed SIGINT: a background job of a shell, as tests may be, ignores it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def daemons(pid: int) -> list[psutil.Process]:
    """The daemons that a running `fip run` has started."""
    return psutil.Process(pid).children()


def images(directory: Path) -> list[Path]:
    """The images of a directory, by name."""
    return sorted(directory.glob("*-dirty.fits"))


def wait_for_images(output: Path, number: int, process: subprocess.Popen[str]) -> None:
    """Wait until the ledger has so many images of a run that is under way."""
    while len(images(output)) < number or totals(output)[0] < number:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
            raise AssertionError(process.communicate()[0])


def totals(output: Path) -> tuple[int, int, bool]:
    """Slices stored and known, and whether these are all."""
    ledger = Ledger(output, read_only=True)
    (run,) = ledger.totals()
    ledger.close()
    return run.stored, run.total, run.final
