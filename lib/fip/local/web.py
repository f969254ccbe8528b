"""`fip web`: the page of a directory of images, whether a run images into it or none does."""

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import TimeoutExpired

from rich.console import Console

from fip.archive.at_rest import at_rest
from fip.config import Config, Monitor
from fip.data.errors import FipError, UsageError
from fip.local.forks import Fork
from fip.local.launch import last_error, page_address
from fip.runtime.service import PARENT_VARIABLE

SERVES_WITHIN = 60.0  # s that the monitor may take to start
END_WITHIN = 5.0  # s that it may take to end
LOOK_EVERY = 0.1  # s


def serve(directory: Path, config: Config, port: int | None, console: Console) -> int:
    """Serve the page of a directory on loopback until it is interrupted; return the exit code.

    UsageError if the directory holds no images of FIP's, or the port is taken; FipError if its ledger cannot be
    read, or the page ends.
    """
    at_rest(directory, time.time())
    address = _free(port) if port is not None else page_address(config.monitor)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _monitor(directory, address) as (monitor, log):
            give_up = time.monotonic() + SERVES_WITHIN
            while not _answers(address) and monitor.poll() is None and time.monotonic() < give_up:
                time.sleep(LOOK_EVERY)
            if monitor.poll() is None:
                console.print(f"{directory}: http://{address}/ (Ctrl-C ends it)", style="bold", soft_wrap=True)
                monitor.wait()
            raise FipError(f"the page of {directory} has ended: {last_error(log, monitor.pid)}")
    except KeyboardInterrupt:
        return 0


@contextmanager
def _monitor(directory: Path, address: str) -> Iterator[tuple[Fork, Path]]:
    """Give, for a context, the monitor as a child, and its log; end it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fip-"))
    monitor = None
    try:
        log, token = folder / "log", folder / "token"
        environment = os.environ | {PARENT_VARIABLE: str(os.getpid()), "FIP__MONITOR__TOKEN_FILE": str(token)}
        arguments = ["--images", str(directory.resolve()), "--address", address]
        monitor = Fork("fip-monitor", arguments, log, environment)
        yield monitor, log
    finally:
        if monitor:
            _end(monitor)
        shutil.rmtree(folder, ignore_errors=True)


def _end(monitor: Fork) -> None:
    """End the monitor: at once, if somebody is in a hurry."""
    try:
        monitor.terminate()
        monitor.wait(END_WITHIN)
    except (KeyboardInterrupt, TimeoutExpired):
        pass
    finally:
        monitor.kill()
        monitor.wait()


def _free(port: int) -> str:
    """Return the address of this port on loopback. UsageError if it is taken."""
    try:
        return page_address(Monitor(address=f"127.0.0.1:{port}"), elsewhere=False)
    except OSError as error:
        raise UsageError(f"--port {port}: {error.strerror}; give another one, or 0 for any that is free") from None


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), LOOK_EVERY).close()
    except OSError:
        return False
    return True
