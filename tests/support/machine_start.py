"""Starts a test machine, waits for its end or for that of whoever started it, and clears all of it away.

    machine_start.py NAME FOLDER NETWORK [MOUNT ...]

Prints the process id of the machine's PID 1, then reads its standard input: at the end of that, however it came about
(a power cut, or the death of the tests), all processes of the machine are killed, and FOLDER is removed unless "keep"
was said. NETWORK is the network namespace that the machine is in, as /proc/PID/ns/net, or "" for one of its own;
machine_init.sh says what MOUNT is. Uses the standard library only.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
CLEAR_WITHIN = 10.0  # s for the kernel to let go of the cgroups of processes that are dead
INIT = Path(__file__).with_name("machine_init.sh")


def main() -> None:
    """The life of one machine, from boot to power cut."""
    name, folder, network, *mounts = sys.argv[1:]
    mode, groups = make_cgroups(f"fip-{name}-{os.getpid()}")
    enter = [] if not network else ["nsenter", f"--net={network}", "--"]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--uts", "--ipc", "--cgroup",
               "--propagation", "private", *([] if network else ["--net"])]  # fmt: skip
    machine = subprocess.Popen(
        [*enter, *unshare, "sh", INIT, name, folder, mode, *mounts],
        stdin=subprocess.DEVNULL, stdout=2, preexec_fn=lambda: join(groups),
    )  # fmt: skip
    first = first_child(machine)
    print(first, flush=True)  # noqa: T201 it is what the tests wait for
    ended = os.pidfd_open(machine.pid)
    select.select([sys.stdin, ended], [], [])
    with suppress(ProcessLookupError):
        if machine.poll() is None:
            os.kill(first or machine.pid, signal.SIGKILL)
    machine.wait()
    clear(groups)
    if sys.stdin.read() != "keep":
        shutil.rmtree(folder)


def make_cgroups(name: str) -> tuple[str, list[Path]]:
    """One child of our own cgroup in each hierarchy, and how they are mounted: "unified" or "hybrid"."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    unified = not (CGROUPS / "systemd").is_dir()
    groups = []
    for _, controllers, path in own:
        if unified and controllers:
            continue
        hierarchy = "" if unified else controllers.removeprefix("name=") or "unified"
        group = CGROUPS / hierarchy / path.lstrip("/") / name
        group.mkdir()
        for inherited in ("cpuset.cpus", "cpuset.mems"):  # in version 1 a child begins without any
            if (group / "cgroup.clone_children").exists() and (group / inherited).exists():
                (group / inherited).write_text((group.parent / inherited).read_text())
                (group / "cgroup.clone_children").write_text("1")
        groups.append(group)
    return ("unified" if unified else "hybrid"), groups


def join(groups: list[Path]) -> None:
    """Move the calling process into the cgroups."""
    for group in groups:
        (group / "cgroup.procs").write_text("0")


def first_child(parent: subprocess.Popen[bytes]) -> int:
    """The process id of the machine's PID 1; 0 if it never came to be."""
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while parent.poll() is None:
        with suppress(OSError):
            found = children.read_text().split()
            if found and Path(f"/proc/{parent.pid}/comm").read_text().strip() == "unshare":
                return int(found[0])
        time.sleep(0.002)
    return 0


def clear(groups: list[Path]) -> None:
    """Remove the cgroups, from the leaves up, once the kernel lets go of them."""
    give_up = time.monotonic() + CLEAR_WITHIN
    while groups and time.monotonic() < give_up:
        for group in groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
        groups = [group for group in groups if group.exists()]
        time.sleep(0.01)


if __name__ == "__main__":
    main()
