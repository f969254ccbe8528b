"""The real monitor as a process, and requests to it as attackers write them: path and headers go out as they are."""

import http.client
import os
import re
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MONITOR = Path(sysconfig.get_path("scripts")) / "fip-monitor"
WITHIN = 60.0  # s


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Web:
    """A running process of the monitor."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def origin(self) -> str:
        """Return the origin of its page."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a path, exactly as it is given."""
        return self._ask("GET", path, headers)

    def post(self, path: str, **headers: str) -> Answer:
        """Ask for a change of state."""
        return self._ask("POST", path, headers)

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in ({"Host": f"127.0.0.1:{self.port}"} | headers).items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders()
        answer = connection.getresponse()
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return found


@contextmanager
def monitor(folder: Path, address: str = "127.0.0.1:0") -> Iterator[Web]:
    """Start the monitor of the images in `folder`/images and the pipeline, if any, at `folder`/status."""
    log = folder / "monitor.log"
    with log.open("ab") as file:
        begin = file.tell()
        process = subprocess.Popen(_command(folder, address), stderr=file)
    try:
        give_up = time.monotonic() + WITHIN
        while not (found := re.search(rb"the page is at http://\S+:(\d+)/", log.read_bytes()[begin:])):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.05)
        yield Web(int(found[1]), process)
    finally:
        process.kill()
        process.wait()


def refused_start(folder: Path, address: str) -> subprocess.CompletedProcess[str]:
    """Start the monitor in a state in which it should not start."""
    return subprocess.run(_command(folder, address), capture_output=True, text=True, timeout=WITHIN, check=False)


def _command(folder: Path, address: str) -> list[str | os.PathLike[str]]:
    configuration = folder / "monitor.toml"
    configuration.write_text(
        f"""[ventilator]
control = "ipc://{folder}/control"
status = "ipc://{folder}/status"
[sink]
directory = "{folder}/images"
[monitor]
token_file = "{folder}/token"
"""
    )
    return [MONITOR, "--config", str(configuration), "--address", address]
