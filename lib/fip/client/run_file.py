"""`DIR/.fip-run.json`: the addresses of the daemons of the `fip run` that images into DIR, while it runs."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import TypeAdapter, ValidationError

from fip.config import Config
from fip.data.errors import UsageError
from fip.runtime.sockets import host_name

FILE_NAME = ".fip-run.json"


@dataclass(frozen=True)
class RunFile:
    """What the file says, a JSON object of these keys; only its owner may read it.

    A file whose process is gone was left by a run that was killed: it counts as none.
    """

    host: str  # of `fip run`; ipc addresses hold there alone
    pid: int  # of `fip run`
    born: float  # ticks of the kernel from its start to that of this process, so that another one of its number is not
    # taken for it; the time of day would not do, which may be set while it runs
    control: str  # address of the ventilator's control socket
    status: str  # address of the socket that sends the pipeline's status

    def reached(self, config: Config) -> Config:
        """Return the configuration, pointed at this run."""
        place = {"control": self.control, "status": self.status}
        return config.model_copy(update={"ventilator": config.ventilator.model_copy(update=place)})


_RUN_FILE = TypeAdapter(RunFile)


def write_run_file(directory: Path, control: str, status: str) -> None:
    """Note that this process images into the directory. The file appears whole."""
    here = RunFile(host_name(), os.getpid(), _born(os.getpid()), control, status)
    temporary = directory / f".fip-run-{here.pid}.tmp"
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_RUN_FILE.dump_json(here))
    temporary.replace(directory / FILE_NAME)


def read_run_file(directory: Path) -> RunFile | None:
    """Return what images into the directory now; None if nothing does. UsageError if that cannot be known."""
    place = directory / FILE_NAME
    try:
        found = _RUN_FILE.validate_json(place.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not what `fip run` writes"
        raise UsageError(f"{place} cannot be read: {reason}") from None
    if found.host != host_name():
        raise UsageError(f"{directory} is being imaged on {found.host}, or was when that was killed: ask there")
    return found if _lives(found) else None


def remove_run_file(directory: Path) -> None:
    """Take away what this process wrote."""
    with suppress(OSError, ValidationError):
        place = directory / FILE_NAME
        if _RUN_FILE.validate_json(place.read_bytes()).pid == os.getpid():
            place.unlink()


def _lives(found: RunFile) -> bool:
    try:
        process = psutil.Process(found.pid)
        same = _born(found.pid) == found.born or abs(process.create_time() - found.born) < 1.0  # as was written before
        return process.status() != psutil.STATUS_ZOMBIE and same
    except (psutil.NoSuchProcess, OSError):
        return False


def _born(pid: int) -> float:
    """Return when a process began, in ticks since the kernel did (proc_pid_stat(5)). OSError if there is none."""
    return float(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
