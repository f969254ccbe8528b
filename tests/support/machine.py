"""A machine for tests: a real systemd, booted in under a second in namespaces over an overlay of this one's root.

Nothing of the host is changed: what the machine writes goes to a folder of the test, what it mounts and starts ends
with it, also when the tests are killed. It has the host's programs, none of its enabled services, no network but
loopback unless it is given one, and its own /run, /tmp and /dev.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

WITHIN = 120.0  # s, for anything that a test waits for, on a busy host
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
START = Path(__file__).with_name("machine_start.py")
TOOLS = ("unshare", "nsenter", "pivot_root", "ip", "systemctl")


def why_not() -> str:
    """Return why no machine can be booted here, for a skip; "" if one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a machine with systemd needs Linux, and root"
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=PATH)]
    if missing or not Path("/lib/systemd/systemd").exists():
        return f"a machine with systemd needs {' '.join(missing or ['systemd'])}"
    if Path("/").stat().st_dev != Path("/usr").stat().st_dev:
        return "a machine with systemd needs /usr on the same file system as /"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "sh", "-ec",
         "mount -t tmpfs none /mnt; mkdir /mnt/1 /mnt/2 /mnt/3;"
         "mount -t overlay -o lowerdir=/usr,upperdir=/mnt/1,workdir=/mnt/2 none /mnt/3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"a machine with systemd needs namespaces and overlayfs: {tried.stderr.strip()}" if tried.returncode else ""


class Machine:
    """One machine. Use it as a context: it boots, and in the end is cut off and cleared away.

    `shown` are folders and files of the host that it has, read-only, by the path at which it has them. `copied` are
    folders that it may change, for itself alone; they must not change on the host. `network` is the network namespace
    that it is in, as /proc/PID/ns/net; it must be there at each boot. `folder` is for what it writes.
    """

    def __init__(
        self,
        name: str,
        shown: Mapping[str, Path] | None = None,
        copied: Mapping[str, Path] | None = None,
        network: Path | None = None,
    ) -> None:
        self.name = name
        self._mounts = [f"show:{source}:{target}" for target, source in (shown or {}).items()]
        self._mounts += [f"copy:{source}:{target}" for target, source in (copied or {}).items()]
        self._network = str(network or "")
        self.folder = Path(tempfile.mkdtemp(prefix=f"fip-{name}-", dir=_where_layers_can_be()))
        self._supervisor: subprocess.Popen[str] | None = None
        self._init = 0

    def __enter__(self) -> "Machine":
        try:
            self.boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind and self._init:
                print(self.run("journalctl", "--no-pager", "-n", "100", check=False).stdout)  # noqa: T201 pytest shows it
        finally:
            self._end()

    def boot(self) -> None:
        """Switch it on; return when its systemd has started all that is enabled."""
        with (self.folder / "console").open("ab") as console:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", START, self.name, self.folder, self._network, *self._mounts],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=console, text=True, start_new_session=True,
            )  # fmt: skip
        assert self._supervisor.stdout
        self._init = int(self._supervisor.stdout.readline() or 0)
        self.wait(self._is_systemd, "boot")
        self.wait(self._is_up, "start what is enabled")

    def power_cut(self) -> None:
        """All its processes die at once; what they wrote is there when it boots again."""
        self._end("keep")

    def reboot(self) -> None:
        """Stop all units in order, and boot again."""
        with os.fdopen(os.pidfd_open(self._init)) as ended:
            os.kill(self._init, signal.SIGRTMIN + 4)  # systemd: start poweroff.target
            stopped, _, _ = select.select([ended], [], [], WITHIN)
        assert stopped, f"{self.name} did not stop its units in order: {self._console()}"
        self.power_cut()
        self.boot()

    def run(
        self, *command: str | Path, check: bool = True, timeout: float = WITHIN, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root, with `text` as its input; with `check` one that fails fails the test."""
        done = subprocess.run(
            self._inside(*command), capture_output=True, text=True, timeout=timeout, input=text or "", check=False,
            env=_ENVIRONMENT,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{self.name}: {command} ended with {done.returncode}: {_said(done)}"
        return done

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command in it, which ends with the machine at the latest."""
        return subprocess.Popen(
            self._inside(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env=_ENVIRONMENT,
        )  # fmt: skip

    def path(self, inside: str) -> Path:
        """A file of the machine, as the host reads and writes it while the machine runs."""
        return Path(f"/proc/{self._init}/root{inside}")

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """Return what systemctl prints on the machine."""
        return self.run("systemctl", "--no-pager", *arguments, check=check).stdout

    def show(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd has it now."""
        return self.systemctl("show", unit, f"--property={name}", "--value").strip()

    def journal(self, unit: str = "") -> str:
        """The messages of a unit (its name, or a pattern), or of all, since the machine booted."""
        return self.run("journalctl", "--no-pager", "--output=cat", *([f"--unit={unit}"] if unit else [])).stdout

    def wait(self, seen: Callable[[], bool], what: str) -> None:
        """Wait until `seen`; fails when that takes too long, or the machine ends."""
        give_up = time.monotonic() + WITHIN
        while not seen():
            alive = Path(f"/proc/{self._init}/comm").exists()
            assert alive and time.monotonic() < give_up, f"{self.name} did not {what}: {self._console()}"
            time.sleep(0.02)

    def _inside(self, *command: str | Path) -> list[str]:
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        return ["nsenter", f"--target={self._init}", *spaces, "--", *map(str, command)]

    def _is_systemd(self) -> bool:
        return Path(f"/proc/{self._init}/comm").read_text() == "systemd\n"

    def _is_up(self) -> bool:
        state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        return state in ("running", "degraded")  # degraded: a unit has failed, which tests may want

    def _console(self) -> str:
        return (self.folder / "console").read_text(errors="replace")[-2000:]

    def _end(self, folder: str = "") -> None:
        if self._supervisor:
            self._supervisor.communicate(folder)
        self._supervisor, self._init = None, 0


_ENVIRONMENT = {
    "PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0",
}  # fmt: skip


def _where_layers_can_be() -> str | None:
    """Return a folder for an overlay's upper layer: the temporary one, unless that is on an overlay itself."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tempfile.gettempdir()], capture_output=True, text=True, check=True)
    return "/dev/shm" if kind.stdout.strip() == "overlayfs" else None


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return f"{done.stdout}{done.stderr}"[-6000:]
