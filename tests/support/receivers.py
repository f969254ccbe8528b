"""The real receiver as a process, a sender beside it, and one who hears what it sends to the ventilator."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import zmq

from fip.receiver.datagrams.encoding import packets
from fip.receiver.datagrams.sending import Sender
from fip.spool.setup import SETUP as AS_JSON
from fip.spool.setup import Setup
from fip.wire.codec import decode_control
from fip.wire.receiving import ReceiverBrief, ReceiverState
from support.keeping_systemd import KeepingSystemd
from support.spools import SETUP, START

WITHIN = 60.0  # s
SIZE = 512  # bytes of a packet: an integration has many
COMMAND = (sys.executable, "-c", "from fip_daemons.receiver import main; main()")


class Receiving:
    """A receiver, its settings and its log, in a folder."""

    def __init__(
        self,
        folder: Path,
        setup: Setup = SETUP,
        keep: str = "10MB",
        grace: float = 0.2,
        buffer: str = "200kB",
        systemd: KeepingSystemd | None = None,
    ) -> None:
        """Write the configuration; `systemd` keeps its sockets."""
        self.folder, self.setup, self.systemd = folder, setup, systemd
        self.port = free_port()
        self.spool = folder / "spools" / setup.folder
        (folder / "setup.json").write_bytes(AS_JSON.dump_json(setup))
        (folder / "fip.toml").write_text(
            f'[receiver]\nlisten = ["udp://127.0.0.1:{self.port}"]\nsetup = "{folder}/setup.json"\n'
            f'spool = "{folder}/spools"\nkeep = "{keep}"\ngrace = {grace}\nbuffer = "{buffer}"\n'
            f'[ventilator]\ncontrol = "ipc://{folder}/control"\n'
        )
        self._context = zmq.Context()
        self._control = self._context.socket(zmq.ROUTER)
        self._control.bind(f"ipc://{folder}/control")
        self._control.rcvtimeo = 1000
        self.state: ReceiverState | None = None
        self.brief: ReceiverBrief | None = None
        self.sender = Sender(f"udp://127.0.0.1:{self.port}", setup, SIZE)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        self.sender.__exit__(kind, error, at)
        self._context.destroy(0)

    def start(self) -> None:
        """Start it, and wait until it hears."""
        with (self.folder / "log").open("ab") as log:
            self.process = started([*COMMAND, "--config", str(self.folder / "fip.toml")], log, self.systemd)
        begins = self.log.count("hearing ")
        process = self.process
        self.wait(lambda: self.log.count("hearing ") > begins or process.poll() is not None, "hear")

    def kill(self) -> None:
        """End it with kill -9."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """Send SIGTERM and return its exit code."""
        assert self.process
        self.process.terminate()
        code = self.process.wait(WITHIN)
        self.process = None
        return code

    @property
    def log(self) -> str:
        """Return what it has logged."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def send(self, dumps: Iterable[int], share: float = 1.0) -> None:
        """Send integrations, of each the first share of its packets."""
        for dump in dumps:
            time_of, found = START + self.setup.cadence * dump, sent(self.setup, dump)
            made = [bytes(each) for each in packets(self.setup, dump, time_of, 0, found, SIZE)]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                for each in made[: round(share * len(made))]:
                    out.sendto(each, ("127.0.0.1", self.port))

    def wait(self, seen: Callable[[], bool], what: str) -> None:
        """Hear what it sends until something is so."""
        until = time.monotonic() + WITHIN
        while not seen():
            assert time.monotonic() < until, f"it did not {what}: {self.brief}\n{self.log}"
            self._hear()

    def wait_for(self, committed: int) -> None:
        """Wait until it has announced so many integrations."""
        self.wait(lambda: self.brief is not None and self.brief.committed >= committed, f"commit {committed}")

    def _hear(self) -> None:
        self._control.rcvtimeo = 50
        try:
            message = decode_control(self._control.recv_multipart()[1])
        except zmq.Again:
            return
        if isinstance(message, ReceiverState):
            self.state, self.brief = message, message.brief
        elif isinstance(message, ReceiverBrief):
            self.brief = message


def started(command: Sequence[str], log: IO[bytes], systemd: KeepingSystemd | None) -> subprocess.Popen[bytes]:
    """A process, with the sockets that `systemd` has kept of its last life."""
    if systemd is None:
        return subprocess.Popen(command, stdout=log, stderr=log)
    command, descriptors = systemd.command(command)
    environment = os.environ | systemd.environment()
    return subprocess.Popen(command, stdout=log, stderr=log, env=environment, pass_fds=descriptors)


def sent(setup: Setup, dump: int) -> dict[str, np.ndarray]:
    """What is sent of an integration: no two are alike."""
    random = np.random.default_rng(dump)
    found: dict[str, np.ndarray] = {}
    for band, of in enumerate(setup.bands):
        cell = of.channels, len(setup.products)
        found[f"{band}.visibility"] = random.normal(size=(*cell, 2)).astype(np.float32).view(np.complex64)[..., 0]
        found[f"{band}.flag"] = random.integers(0, 2, cell, np.uint8)
        found[f"{band}.weight"] = random.integers(1, 255, cell, np.uint8)
        found[f"{band}.scale"] = random.uniform(0.5, 2.0, of.channels).astype(np.float32)
    return found


def free_port() -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
