"""A ventilator, a sink and workers as processes of their own, without `fip run`: for tests that kill them."""

import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from fip.client.operator import Operator, find_job, new_job
from fip.config import Config, load
from fip.data.settings import Asked
from fip.wire.messages import JobStatus, PipelineStatus
from support.network import Network

SCRIPTS = Path(sysconfig.get_path("scripts"))
WITHIN = 240.0  # s, for anything that a test waits for, on a busy machine


class Mesh:
    """Daemons of one layout; in the end it kills what is left of them, by their process ids.

    They are on ipc addresses in one folder, or, if `hosts` says which host of a network runs which of them, on tcp.
    `settings` goes into the configuration's table [ventilator], and may begin other tables, `sink` into [sink].
    `launchers` has what is put before the command lines of some daemons, `arguments` what is put behind; both may be
    changed before they are started again. What a test waits for comes `within` so many seconds.
    """

    def __init__(
        self,
        folder: Path,
        workers: int = 2,
        settings: str = "",
        network: Network | None = None,
        hosts: Mapping[str, str] | None = None,
        launchers: Mapping[str, Sequence[str | Path]] | None = None,
        within: float = WITHIN,
        sink: str = "",
        arguments: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.folder, self._within = folder, within
        folder.mkdir(exist_ok=True)
        self.images = folder / "images"
        self.hosts = hosts or {}
        self.names = list(self.hosts) or ["ventilator", "sink", *(f"cpu{number}" for number in range(workers))]
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.launchers = dict(launchers or {})
        self.arguments = dict(arguments or {})
        if network:
            self.launchers |= {name: network.command(host) for name, host in self.hosts.items()}
        self.network = network
        self.configuration = folder / "fip.toml"
        self.configuration.write_text(self._toml(settings, sink))
        self.log_file = (folder / "log").open("ab")

    @property
    def config(self) -> Config:
        """Return the configuration that the daemons read."""
        return load(self.configuration).config

    @property
    def log(self) -> str:
        """What the daemons said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        for name in self.names:
            self.start(name)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()
        self.log_file.close()
        if kind:
            print(self.log[-6000:])  # noqa: T201 pytest shows it

    def start(self, name: str) -> None:
        """Start one of the daemons, again or for the first time."""
        role = (
            name
            if name in ("ventilator", "sink", "detector")
            else "follower"
            if name.startswith("follower.")
            else "worker"
        )
        named = [] if name == role else ["--name", name.removeprefix("follower.")]
        arguments = ["--config", str(self.configuration), *named]
        arguments += self.arguments.get(name, ())
        command = [*self.launchers.get(name, ()), SCRIPTS / f"fip-{role}", *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.daemons[name] = subprocess.Popen(command, stdout=self.log_file, stderr=self.log_file, env=environment)

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a daemon; one that is killed is waited for."""
        self.daemons[name].send_signal(how)
        if how == signal.SIGKILL:
            self.daemons[name].wait()

    @contextmanager
    def operator(self) -> Iterator[Operator]:
        """An operator beside the ventilator."""
        with ExitStack() as stack:
            with self.network.inside(self.hosts["ventilator"]) if self.network else nullcontext():
                operator = stack.enter_context(Operator(self.config))
            yield operator

    def submit(self, paths: Sequence[Path], selection: Asked) -> str:
        """Submit a job, once the ventilator has started; return its name."""
        self.wait(lambda status: True)
        with self.operator() as operator:
            return operator.submit(new_job(list(paths), selection)).job

    def wait(self, seen: Callable[[PipelineStatus], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until the status shows something; fails when that takes too long."""
        give_up = time.monotonic() + self._within
        with self.operator() as operator:
            while (status := operator.next_status()) is None or not seen(status):
                meanwhile()
                failed = [name for name, daemon in self.daemons.items() if (daemon.poll() or 0) > 0]
                assert not failed, self.log[-3000:]
                assert time.monotonic() < give_up, self.log[-3000:]

    def job(self, status: PipelineStatus, name: str) -> JobStatus:
        """A job of a status."""
        found = find_job(status, name)
        assert found is not None
        return found

    def job_now(self, name: str) -> JobStatus:
        """A job as the next status has it."""
        found: list[JobStatus] = []

        def seen(status: PipelineStatus) -> bool:
            found.append(self.job(status, name))
            return True

        self.wait(seen)
        return found[0]

    def wait_for_job(self, name: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until a job is done."""
        self.wait(lambda status: self.job(status, name).state == "done", meanwhile)

    def _toml(self, settings: str, sink: str) -> str:
        control, status, lanes, images = self._addresses()
        return f"""[ventilator]
control = "{control}"
status = "{status}"
lanes = "{lanes}"
queue = "{self.folder}/jobs.sqlite"
{settings}
[sink]
directory = "{self.images}"
images = "{images}"
{sink}
"""

    def _addresses(self) -> tuple[str, str, str, str]:
        """Return the addresses of control, status, lanes and images."""
        if self.network is None:
            control, status, lanes, images = (f"ipc://{self.folder}/{n}" for n in ("control", "status", "lane-", "in"))
            return control, status, lanes, images
        head, store = (f"tcp://{self.network.addresses[self.hosts[name]]}" for name in ("ventilator", "sink"))
        return f"{head}:5557", f"{head}:5558", f"{head}:5600-5699", f"{store}:5559"
