"""`fip run`: the real daemons as child processes on private ipc addresses, one job, and what became of it."""

import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from fip.client.operator import Operator, find_job
from fip.client.run_file import remove_run_file, write_run_file
from fip.config import ALL_WORKERS, DETECTOR, Config, Monitor
from fip.data.addresses import LONGEST_SOCKET
from fip.data.errors import FipError, UsageError
from fip.layout.keys import CREDENTIALS
from fip.local.forks import Fork
from fip.local.written import ARRIVALS
from fip.runtime.service import PARENT_VARIABLE
from fip.source.child import Child
from fip.ventilator.reader import CHILD_VARIABLE
from fip.wire.messages import UNFINISHED, Ask, JobStatus, PipelineStatus, Submit

MONITOR, FOLLOWER = "monitor", "follower "  # of the latter each with its name; the detector is one, too
SHORT_PLACES = ("/tmp", "/var/tmp")  # for sockets, if the path of the folder for temporary files is too long for them
LONGEST_NAME = len("/fip-12345678/lane-123456")  # below that folder
STOP_WITHIN = 60.0  # s for a daemon to drain before it is killed
STOP_BROKEN_WITHIN = 2.0  # s, if another daemon has died, or nothing can be stored


class Pipeline:
    """A ventilator, a sink and workers (name -> device), as children. Use it as a context: it ends what it started."""

    def __init__(
        self,
        config: Config,
        output: Path,
        workers: Mapping[str, str],
        log: Path,
        reader: Child,
        page: str | None = None,
        readers: int = 1,
        detect: bool = False,
    ) -> None:
        """The ventilator reads by the child `reader`, and by others, in all `readers`.

        With `page`, for example 127.0.0.1:8570, a monitor serves the web page. With `detect`, there is a detector too.
        """
        self._reader = reader
        self._page = page
        self._output, self._log = output, log
        self._folder = private_folder()
        self._private = _with_private_addresses(config, self._folder, output, page, readers)
        self._workers = workers
        self._detect = detect
        self._over = False  # whether the job is: nothing is out any more
        self._stalled = False  # whether the sink cannot store: what is out stays out
        self._children: dict[str, Fork] = {}

    def __enter__(self) -> "Pipeline":
        write_run_file(self._output, self._private.ventilator.control, self._private.ventilator.status)
        configuration = self._folder / "fip.toml"
        configuration.write_text(self._toml())
        child = {CHILD_VARIABLE: self._reader.name}
        self._start("ventilator", "fip-ventilator", "--config", str(configuration), given=child)
        self._reader.give_away()
        self._start("sink", "fip-sink", "--config", str(configuration))
        for name, device in self._workers.items():
            self._start(name, "fip-worker", "--config", str(configuration), "--name", name, "--device", device)
        if self._page:
            self._start(MONITOR, "fip-monitor", "--config", str(configuration))
        for name in self._private.follower:
            self._start(FOLLOWER + name, "fip-follower", "--config", str(configuration), "--name", name)
        if self._detect:
            self._start(FOLLOWER + DETECTOR, "fip-detector", "--config", str(configuration))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Drain in the order of the flow: what is out is stored before its storer ends.

        Do not wait for long for a pipeline that has lost a daemon, or cannot store; an interrupt meanwhile stops all at
        once. Nothing is lost by that: what is not stored is cut again when the run is resumed.
        """
        patience = STOP_WITHIN if kind is None and not self._stalled else STOP_BROKEN_WITHIN
        workers, storers = [*self._workers], ["sink", *([MONITOR] if self._page else [])]
        storers += [FOLLOWER + name for name in self._private.followers if FOLLOWER + name in self._children]
        try:
            for names in (["ventilator", *workers], storers) if self._over else (["ventilator"], workers, storers):
                self._stop(names, patience)
        except KeyboardInterrupt:
            pass
        finally:
            for child in self._children.values():
                child.kill()
                child.wait()
            remove_run_file(self._output)
            shutil.rmtree(self._folder, ignore_errors=True)

    def image(self, submit: Submit) -> Iterator[tuple[JobStatus, PipelineStatus]]:
        """Submit a job, and yield its status until it is over.

        Raises FipError, with its name, if a child ends before that; the run can then be resumed.
        """
        job: JobStatus | None = None
        with Operator(self._private) as operator:
            while job is None or job.state in UNFINISHED:
                self._check_children()
                status = operator.next_status(Ask() if job else submit)
                if status:
                    self._stalled = bool(status.sink and status.sink.brief.stalled)
                job = find_job(status, submit.job) if status else job
                if job and status:
                    yield job, status
        self._over = True

    def _check_children(self) -> None:
        for name, child in self._children.items():
            code = child.poll()
            if code is not None and name != MONITOR and not name.startswith(FOLLOWER):  # nothing depends on those
                how = f"killed by {signal.Signals(-code).name}" if code < 0 else "ended"
                raise FipError(f"{name} was {how}: {last_error(self._log, child.pid)}; run it again to resume")

    def _start(self, name: str, command: str, *arguments: str, given: dict[str, str] | None = None) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("FIP__", CREDENTIALS))}
        environment = environment | {PARENT_VARIABLE: str(os.getpid())} | (given or {})
        keep = [self._reader.fileno()] if given else []
        self._children[name] = Fork(command, arguments, self._log, environment, keep)

    def _stop(self, names: list[str], patience: float) -> None:
        """End some children at once and wait for them; kill those that take longer than `patience`."""
        give_up = time.monotonic() + patience
        for name in names:
            self._children[name].terminate()
        for name in names:
            child = self._children[name]
            with suppress(TimeoutExpired):
                child.wait(max(0.0, give_up - time.monotonic()))
            child.kill()
            child.wait()
            del self._children[name]

    def _toml(self) -> str:
        """Return the configuration of the children."""
        tables = {"ventilator", "sink", "monitor", DETECTOR}
        values = self._private.model_dump(mode="json", exclude_none=True, include=tables)
        for table in ("follower", "alerts"):
            named = getattr(self._private, table).items()
            values |= {f'{table}."{name}"': each.model_dump(mode="json", exclude_none=True) for name, each in named}
        every = self._private.worker[ALL_WORKERS]
        values["worker"] = every.model_dump(mode="json", include={"stages", "kernels", "entry_points"})
        return "\n".join(
            f"[{table}]\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in keys.items())
            for table, keys in values.items()
        )


def _toml(value: Any) -> str:
    """Return a value as text in TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def private_folder() -> Path:
    """Make a folder for the sockets of a run: in that of temporary files, if the path of a socket may be so long.

    UsageError if there is no place for one.
    """
    usual = tempfile.gettempdir()
    for place in (usual, f"/run/user/{os.getuid()}", *SHORT_PLACES):
        if len(os.fsencode(place)) + LONGEST_NAME <= LONGEST_SOCKET and os.access(place, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix="fip-", dir=place))
    raise UsageError(
        f"TMPDIR {usual}: sockets cannot be made in it, its path is {len(os.fsencode(usual))} characters long; "
        f"set TMPDIR to a folder of at most {LONGEST_SOCKET - LONGEST_NAME}"
    )


def page_address(monitor: Monitor, elsewhere: bool = True) -> str:
    """Return the address of a run's page: as configured, or, with `elsewhere`, on a free port if that one is taken.

    OSError if there is none.
    """
    try:
        return _bound(monitor.host, monitor.port)
    except OSError:
        if not elsewhere:
            raise
    return _bound("127.0.0.1", 0)


def last_error(log: Path, pid: int) -> str:
    """Return the last error that a child logged."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if f"[{pid}] ERROR " in line]
    return lines[-1].partition(" ERROR ")[2] if lines else f"see {log}"


def _bound(host: str, port: int) -> str:
    """Return HOST:PORT that can be bound now; OSError if it cannot."""
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(place)
        return f"{f'[{host}]' if ':' in host else host}:{tried.getsockname()[1]}"


def _with_private_addresses(config: Config, folder: Path, output: Path, page: str | None, readers: int) -> Config:
    """Return the user's configuration, with addresses in a folder and this output directory."""
    address = f"ipc://{folder}/{{}}".format
    ventilator = {
        "control": address("control"), "status": address("status"), "lanes": address("lane-"),
        "queue": folder / "jobs.sqlite", "arrivals": output.resolve() / ARRIVALS, "readers": readers,
    }  # fmt: skip
    sink = {"directory": output.resolve(), "images": address("images"), "address": None}
    monitor = {"token_file": folder / "token", "directory": None} | ({"address": page} if page else {})
    return config.model_copy(
        update={
            "ventilator": config.ventilator.model_copy(update=ventilator),
            "sink": config.sink.model_copy(update=sink),
            "monitor": config.monitor.model_copy(update=monitor),
            "detector": config.detector.model_copy(update={"directory": None}),
        }
    )
