"""`fip run`: the real daemons as child processes on private ipc addresses, one job, and what became of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import zmq

from fip.config import Config
from fip.data import Selection
from fip.errors import FipError, WireError
from fip.messages import STATE_INTERVAL, JobStatus, PipelineStatus, Submit
from fip.service import PARENT_VARIABLE
from fip.sockets import control_socket
from fip.wire import decode_control, encode_control

STOP_WITHIN = 60.0  # s for a daemon to drain before it is killed
STOP_BROKEN_WITHIN = 2.0  # s, where another daemon has died
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "DUCC0_NUM_THREADS")


class Pipeline:
    """A ventilator, a sink and `workers` CPU workers, as children. Use it as a context: it ends what it started."""

    def __init__(self, config: Config, output: Path, workers: int, log: Path) -> None:
        self._config, self._output, self._log = config, output, log
        self._folder = Path(tempfile.mkdtemp(prefix="fip-"))
        self._names = [f"cpu{number}" for number in range(workers)]
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._context = zmq.Context()

    def __enter__(self) -> Pipeline:
        self._status = control_socket(self._context, zmq.SUB)
        self._status.connect(self._address("status"))
        self._control = control_socket(self._context, zmq.DEALER)
        self._control.connect(self._address("control"))
        configuration = self._folder / "fip.toml"
        configuration.write_text(self._toml())
        self._start("ventilator", "fip-ventilator", "--config", str(configuration))
        self._start("sink", "fip-sink", "--config", str(configuration))
        for name in self._names:
            self._start(name, "fip-worker", "--config", str(configuration), "--name", name)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Drains in the order of the flow: what is out is stored before its storer ends.

        A pipeline that has lost a daemon is not waited for long; an interrupt meanwhile stops all at once. Neither
        loses anything: what is not stored is cut again when the run is resumed.
        """
        patience = STOP_WITHIN if kind is None else STOP_BROKEN_WITHIN
        try:
            for names in (["ventilator"], self._names, ["sink"]):
                self._stop(names, patience)
        except KeyboardInterrupt:
            pass
        finally:
            for child in self._children.values():
                child.kill()
                child.wait()
            self._context.destroy(linger=0)
            shutil.rmtree(self._folder, ignore_errors=True)

    def image(self, paths: list[Path], selection: Selection) -> Iterator[tuple[JobStatus, PipelineStatus]]:
        """Submits a job and yields its status until it is done or has failed.

        Raises FipError, naming it, when a child ends before that; the run can then be resumed.
        """
        submit = Submit(uuid4().hex[:12], tuple(str(path.resolve()) for path in paths), selection, "")
        state = ""
        while state not in ("done", "failed"):
            if not state and self._control.poll(0, zmq.POLLOUT):
                self._control.send(encode_control(submit))
            self._check_children()
            if not self._status.poll(int(1000 * STATE_INTERVAL)):
                continue
            with suppress(WireError):
                status = decode_control(self._status.recv())
                assert isinstance(status, PipelineStatus)
                for job in status.jobs:
                    if job.job == submit.job:
                        state = job.state
                        yield job, status

    def _check_children(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                how = f"killed by {signal.Signals(-child.returncode).name}" if child.returncode < 0 else "ended"
                raise FipError(f"{name} was {how}: {self._last_error(child.pid)}; run it again to resume")

    def _last_error(self, pid: int) -> str:
        """The last error that a child logged."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if f"[{pid}] ERROR " in line]
        return lines[-1].partition(" ERROR ")[2] if lines else f"see {self._log}"

    def _start(self, name: str, command: str, *arguments: str) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FIP__")}
        environment |= dict.fromkeys(ONE_THREAD, "1") | {PARENT_VARIABLE: str(os.getpid())}
        with self._log.open("ab") as log:
            self._children[name] = subprocess.Popen(
                [Path(sysconfig.get_path("scripts")) / command, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip

    def _stop(self, names: list[str], patience: float) -> None:
        """Ends some children at once and waits for them; those that take longer than `patience` are killed."""
        give_up = time.monotonic() + patience
        for name in names:
            self._children[name].terminate()
        for name in names:
            child = self._children[name]
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, give_up - time.monotonic()))
            child.kill()
            child.wait()
            del self._children[name]

    def _address(self, name: str) -> str:
        return f"ipc://{self._folder}/{name}"

    def _toml(self) -> str:
        """The configuration of the children: the user's, with private addresses and this output directory."""
        tables: dict[str, dict[str, Any]] = {
            "ventilator": self._config.ventilator.model_dump(mode="json", exclude_none=True)
            | {key: self._address(key) for key in ("control", "status")}
            | {"lanes": self._address("lane-"), "queue": str(self._folder / "jobs.sqlite")},
            "sink": {"directory": str(self._output.resolve()), "images": self._address("images")},
        }
        return "\n".join(
            f"[{table}]\n" + "\n".join(f"{key} = {_toml_value(value)}" for key, value in values.items())
            for table, values in tables.items()
        )


def _toml_value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # of numbers, booleans and strings JSON is TOML
