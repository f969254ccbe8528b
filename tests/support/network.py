"""Hosts in network namespaces, joined by a switch: cables that are pulled, ports that swallow, hosts kept apart.

Switch and hosts are namespaces of their own, each kept by a process that ends with the test's, so nothing of the
machine's network is touched, and all addresses are inside. It needs the rights to make namespaces (root), and iproute2.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pytest

SWITCH = "switch"
CLONE_NEWNET = 0x40000000  # sched.h


class Network:
    """Hosts at 10.0.0.1, 10.0.0.2, ... in the order in which they are named. Use it as a context."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.addresses = {host: f"10.0.0.{number}" for number, host in enumerate(hosts, 1)}
        self._keepers: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> "Network":
        if os.geteuid() != 0 or not shutil.which("ip"):
            pytest.skip("hosts in network namespaces need root, and iproute2")
        for name in (SWITCH, *self.addresses):
            self._keepers[name] = _keeper(name)
        self._ip(SWITCH, "link", "add", "name", SWITCH, "type", "bridge")
        self._ip(SWITCH, "link", "set", "dev", SWITCH, "up")
        for host, address in self.addresses.items():
            peer = ("peer", "name", "eth0", "netns", str(self._keepers[host].pid))
            self._ip(SWITCH, "link", "add", "name", host, "type", "veth", *peer)
            self._ip(SWITCH, "link", "set", "dev", host, "master", SWITCH, "up")
            self._ip(host, "address", "add", f"{address}/24", "dev", "eth0")
            self._ip(host, "link", "set", "lo", "up")
            self._ip(host, "link", "set", "eth0", "up")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for keeper in self._keepers.values():
            keeper.communicate()  # it ends when its input does; so does the namespace, once its processes have ended

    def command(self, host: str, *words: str | Path) -> list[str | Path]:
        """A command line that runs `words` on a host."""
        return ["nsenter", "--target", str(self._keepers[host].pid), "--net", "--uts", "--", *words]

    def namespace(self, host: str) -> Path:
        """The network namespace of a host."""
        return Path(f"/proc/{self._keepers[host].pid}/ns/net")

    @contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """Sockets that this thread opens, and those of threads that it starts, are the host's."""
        with Path("/proc/thread-self/ns/net").open() as here:
            with self.namespace(host).open() as there:
                _enter(there.fileno())
            try:
                yield
            finally:
                _enter(here.fileno())

    def pull(self, host: str) -> None:
        """Pull a host's cable: its card sees that there is no carrier."""
        self._ip(SWITCH, "link", "set", "dev", host, "down")

    def plug(self, host: str) -> None:
        """Put the cable back in."""
        self._ip(SWITCH, "link", "set", "dev", host, "up")

    def swallow(self, host: str) -> None:
        """Lose all that a host sends and all that is sent to it; nobody gets a notice."""
        self._ip(SWITCH, "link", "set", "dev", host, "nomaster")

    def forward(self, host: str) -> None:
        """End what `swallow` has begun."""
        self._ip(SWITCH, "link", "set", "dev", host, "master", SWITCH)

    def separate(self, *hosts: str) -> None:
        """Keep these hosts from each other; all others still reach them, and they the others."""
        self._isolate(hosts, "on")

    def join(self, *hosts: str) -> None:
        """End what `separate` has begun."""
        self._isolate(hosts, "off")

    def _isolate(self, hosts: Sequence[str], how: str) -> None:
        for host in hosts:  # isolated ports of a Linux bridge reach only those that are not
            self._ip(SWITCH, "link", "set", "dev", host, "type", "bridge_slave", "isolated", how)

    def _ip(self, host: str, *words: str) -> None:
        subprocess.run(self.command(host, "ip", *words), check=True)


def _keeper(host: str) -> subprocess.Popen[str]:
    """A process that keeps a new network, and a host name, until its input ends; returns once both are there."""
    script = f"hostname {host} && echo ready && exec cat"
    keeper = subprocess.Popen(
        ["unshare", "--net", "--uts", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "ready\n", "no rights to make a network namespace"
    return keeper


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
