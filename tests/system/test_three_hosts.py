"""A head and two hosts with a worker each: machines that boot, on one network, set up as docs/deploy.md says.

What happens is read as an operator reads it: `systemctl status`, and the journal of each host.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.machine import Machine
from support.many_slices import OPTIONS
from support.mesh import SCRIPTS
from support.network import Network
from support.node import LAYOUT, Installed, Node
from support.repository import CONFIG, ROOT

pytestmark = pytest.mark.timeout(900)

WORKERS = ("left", "right")
STRANGER = "outside"
CHANGES = {  # what an operator makes of the layout that is shipped
    "gpu-a": "left",
    "gpu-b": "right",
    '"worker.gpu0", "worker.gpu1"': '"worker.cpu0"',
    '"right/gpu1"': '"right/cpu0"',
    '"cuda:3"': '"cpu"',
}
WORKER = "fip-worker@cpu0"
UNITS = {"head": ("fip-monitor", "fip-reader@0", "fip-sink", "fip-ventilator"), "left": (WORKER,), "right": (WORKER,)}
RUN = ("/data/many.ms", *OPTIONS, "--pace", "24")  # 50 s, were it left alone


def layout() -> str:
    """Return config/cluster.toml for these hosts."""
    text = (CONFIG / "cluster.toml").read_text()
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    return text


@dataclass
class Hosts:
    """The three, and the network that they are on, to which a fourth host is connected."""

    network: Network
    nodes: dict[str, Node]

    @property
    def head(self) -> Node:
        """Return the host of ventilator and sink."""
        return self.nodes["head"]

    def wait_for_news(self, news: str, times: int = 1) -> None:
        """Wait until the journal of the head's daemons has a line so many times."""
        machine = self.head.machine
        machine.wait(lambda: machine.journal("fip-*").count(news) >= times, f"say {news} {times} times")


def make_keys(nodes: dict[str, Node]) -> None:
    """Make the keys on the head, and give each host its own."""
    head = nodes["head"].machine
    assert "warning" not in head.run("fip", "check", LAYOUT).stdout
    head.run("fip", "keys", LAYOUT, "--output", "/root/fip-keys")
    head.run("install", "-m", "644", "/root/fip-keys/allowed.toml", "/etc/fip/")
    head.run("install", "-D", "-m", "600", "/root/fip-keys/people/operator.key", "/root/.config/fip/operator.key")
    for host, node in nodes.items():
        shutil.copytree(head.path(f"/root/fip-keys/{host}"), node.machine.path("/root/keys"))
        node.machine.run("install", "-d", "-m", "700", "/etc/fip/keys")
        node.machine.run("sh", "-ec", "install -m 600 /root/keys/*.key /etc/fip/keys/")


@pytest.fixture(scope="module")
def hosts(installed: Installed, many_ms: Path, undisturbed: dict[str, bytes], wheels: Path) -> Iterator[Hosts]:
    """Three bare hosts that become nodes of one layout, with keys: by the commands of docs/deploy.md, docs/keys.md."""
    shown = {"/src": ROOT, "/wheels": wheels, "/data/many.ms": many_ms}
    with ExitStack() as stack:
        network = stack.enter_context(Network([*UNITS, STRANGER]))
        known = "".join(f"{address} {host}\n" for host, address in network.addresses.items())
        nodes = {}
        for host in UNITS:
            machine = Machine(host, shown, copied=installed.copies, network=network.namespace(host))
            nodes[host] = Node(stack.enter_context(machine), undisturbed)
            machine.path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{known}")
            machine.run("install", "-D", "-m", "644", "/dev/stdin", LAYOUT, text=layout())
            nodes[host].install("node", "--offline", "/wheels")
        make_keys(nodes)
        for node in nodes.values():
            node.machine.systemctl("start", "fip.target")
        yield Hosts(network, nodes)


def test_each_host_runs_what_the_layout_gives_it(hosts: Hosts) -> None:
    """No more than that is enabled; all of it is up, has found each other, and says so."""
    for host, node in hosts.nodes.items():
        assert node.enabled() == [f"{unit}.service" for unit in UNITS[host]]
        assert set(node.machine.systemctl("is-active", *UNITS[host], check=False).split()) == {"active"}
    hosts.head.wait_to_say("fip-ventilator", "no job is under way; 2 workers")
    hosts.head.wait_to_say("fip-sink", "waits for a run; 0 stored")
    for host in WORKERS:
        hosts.nodes[host].wait_to_say(WORKER, "waits for slices; 0 imaged")
        status = hosts.nodes[host].machine.systemctl("status", WORKER)
        assert "Active: active (running)" in status
        assert f"{host}/cpu0 images on cpu for the ventilator at tcp://head:5557" in status


def test_a_run_outlives_a_cable_and_a_power_cut(hosts: Hosts) -> None:
    """Both hosts image; one is cut off and comes back; one loses power, comes back by itself, and does the rest."""
    head = hosts.head
    directory = head.submit(*RUN, under="/data/fip")
    for host in WORKERS:
        hosts.nodes[host].wait_to_say(WORKER, r"; [1-9]\d* imaged")
    cable, power = WORKERS

    hosts.network.pull(cable)
    hosts.wait_for_news(f"worker {cable}/cpu0 is silent: its slices go to others")
    head.wait_to_say("fip-ventilator", r"many: \d+ of 150 stored, .*; 1 worker$")
    hosts.nodes[cable].wait_to_say(WORKER, "waits for the ventilator at tcp://head:5557")
    hosts.network.plug(cable)
    hosts.wait_for_news(f"worker {cable}/cpu0 joins", times=2)

    hosts.network.swallow(power)  # a host without power says no good-bye
    hosts.nodes[power].machine.power_cut()
    hosts.network.forward(power)
    hosts.wait_for_news(f"worker {power}/cpu0 is silent: its slices go to others")
    head.wait_for(head.stored(directory) + 3, directory)
    hosts.nodes[power].machine.boot()
    hosts.wait_for_news(f"worker {power}/cpu0 joins", times=2)
    hosts.nodes[cable].machine.systemctl("stop", WORKER)
    hosts.nodes[power].wait_to_say(WORKER, r"; [1-9]\d* imaged")  # since it came back
    assert head.stored(directory) < len(head.whole)
    head.assert_whole(directory)
    assert happened(head.machine, f"{cable}/cpu0") == ["joins", "is silent", "joins", "leaves"]
    assert happened(head.machine, f"{power}/cpu0") == ["joins", "is silent", "joins"]
    assert "draining" in hosts.nodes[cable].machine.journal(WORKER)


def happened(head: Machine, worker: str) -> list[str]:
    """What the head's journal says of a worker."""
    return re.findall(rf"worker {worker} (joins|leaves|is silent|hangs)", head.journal("fip-*"))


def test_a_stranger_gets_nothing_and_is_shown(hosts: Hosts) -> None:
    """A worker of a fourth host that has no key does not join, and the head's journal names its address and why."""
    address, head = hosts.network.addresses[STRANGER], hosts.head.machine
    command = hosts.network.command(STRANGER, SCRIPTS / "fip-worker", "--ventilator", "tcp://10.0.0.1:5557")

    def shown() -> bool:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as stranger:
            assert stranger.stdout
            assert any("WARNING control: no connection with tcp://10.0.0.1:5557" in line for line in stranger.stdout)
            stranger.kill()
        return bool(re.search(f"control: no connection with tcp://{address}: .*one end has no key", head.journal()))

    head.wait(shown, f"say why {address} was refused")
    assert happened(head, f"{STRANGER}/cpu0") == []
