"""A layout: which host runs what, and what in it cannot work as it is written. Pure; nobody is asked over a network."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from fip.config import ALL_WORKERS, DETECTOR, Config
from fip.data.addresses import is_local

ONE_OF = ("ventilator", "sink")
"""The daemons that a layout has once; a detector may be missing, but there are not two."""


@dataclass(frozen=True)
class Listening:
    """Ports of a host, and the key of the configuration that says so."""

    key: str
    daemon: str  # that binds them
    host: str  # as the address names it
    first: int
    last: int


def hosts(config: Config, what: str) -> list[str]:
    """Return the hosts that run "ventilator", "receiver", ..., any "worker" or "follower"; a detector is a follower."""
    return [host for host, node in config.node.items() if any(what in _said(each) for each in node.runs)]


def _said(runs: str) -> tuple[str, ...]:
    """What it runs, in words of `hosts`."""
    return (DETECTOR, "follower") if runs == DETECTOR else (runs.partition(".")[0],)


def placement(config: Config) -> list[str]:
    """A line for each host: what it runs, workers with what they image on."""
    return [f"{host} runs {', '.join(_described(config, host)) or 'nothing'}" for host in config.node]


def warnings(config: Config, resolves: Callable[[str], bool]) -> list[str]:
    """Return all that cannot work in this layout; `resolves`: whether a host name has an address, seen from here."""
    if not config.node:
        return []
    checks = (_missing, _twice, _unused, _devices, _clashes, _lanes, _unreachable)
    return [line for check in checks for line in check(config)] + list(_unknown(config, resolves))


def _described(config: Config, host: str) -> Iterator[str]:
    for what in config.node[host].runs:
        name = what.partition(".")[2]
        yield f"{what} ({config.device_of(name, host)})" if name else what


def _workers(config: Config) -> list[tuple[str, str]]:
    """(host, name) of every worker."""
    return [
        (host, what.partition(".")[2])
        for host, node in config.node.items()
        for what in node.runs
        if what.startswith("worker.")
    ]


def _missing(config: Config) -> Iterator[str]:
    for what in (*ONE_OF, "worker"):
        running = hosts(config, what)
        if not running:
            yield f"node: no host runs a {what}"
    for what in (*ONE_OF, DETECTOR):
        if len(running := hosts(config, what)) > 1:
            yield f"node: {' and '.join(running)} all run a {what}; there may be one"


def _twice(config: Config) -> Iterator[str]:
    for host, node in config.node.items():
        for what, times in Counter(node.runs).items():
            if times > 1:
                yield f"node.{host}.runs: names {what} {times} times"


def _unused(config: Config) -> Iterator[str]:
    """Settings of workers that nobody runs."""
    running = _workers(config)
    for table in (table for table in config.worker if table != ALL_WORKERS):
        host, _, name = table.rpartition("/")
        if host and host not in config.node:
            yield f'worker."{table}": there is no [node.{host}]; there are {", ".join(config.node)}'
        elif not any(name == its_name and host in ("", its_host) for its_host, its_name in running):
            yield f'worker."{table}": no host runs it'


def _devices(config: Config) -> Iterator[str]:
    for host, name in _workers(config):
        if not config.worker_named(name, host).device and not re.fullmatch(r"[cg]pu\d+", name):
            yield f"worker.{name} on {host} has no device, and no name like gpu0 or cpu0: it images on the CPU"
    for host in config.node:
        names = [name for its_host, name in _workers(config) if its_host == host]
        for one, other in combinations(names, 2):
            device = config.device_of(one, host)
            if one != other and device != "cpu" and device == config.device_of(other, host):
                yield f"worker.{one} and worker.{other} on {host} share {device}"


def _clashes(config: Config) -> Iterator[str]:
    """Ports that two daemons of one host, or one daemon twice, would bind."""
    for one, other in combinations(_listening(config), 2):
        together = one.daemon == other.daemon or set(hosts(config, one.daemon)) & set(hosts(config, other.daemon))
        if together and one.first <= other.last and other.first <= one.last:
            port = max(one.first, other.first)
            yield f"{one.key} and {other.key} are both at port {port} of one host"


def _lanes(config: Config) -> Iterator[str]:
    workers = len(_workers(config))
    for each in _listening(config):
        ports = each.last - each.first + 1
        if each.key == "ventilator.lanes" and workers > ports:
            yield f"{each.key} has {ports} ports for {workers} workers: one each is needed"


def _unreachable(config: Config) -> Iterator[str]:
    """Yield the addresses that do not leave their host, although others must reach them."""
    needed = {
        "ventilator.control": ("ventilator", ("worker", "sink", "receiver")),
        "ventilator.lanes": ("ventilator", ("worker",)),
        "sink.images": ("sink", ("worker",)),
    }
    for key, (daemon, peers) in needed.items():
        address = _address(config, key)
        others = {host for peer in peers for host in hosts(config, peer)} - set(hosts(config, daemon)[:1])
        if others and is_local(address):
            cut_off = ", ".join(sorted(others))
            yield f"{key} = '{address}' cannot be reached from {cut_off}; name the host of the {daemon}"


def _unknown(config: Config, resolves: Callable[[str], bool]) -> Iterator[str]:
    """Yield host names in addresses that are another host's, or that are not known here."""
    for each in _listening(config):
        if is_local(f"tcp://{each.host}:0") or not re.search("[A-Za-z]", each.host):
            continue
        if each.host in config.node and each.host not in hosts(config, each.daemon):
            yield f"{each.key} is at {each.host}, which does not run the {each.daemon}"
        elif not resolves(each.host):
            yield f"{each.key}: this host knows no address of '{each.host}'"


def _listening(config: Config) -> Iterator[Listening]:
    """The addresses that are of TCP."""
    for key in ("ventilator.control", "ventilator.status", "ventilator.lanes", "sink.images", "monitor.address"):
        found = re.fullmatch(r"tcp://(.+):(\d+)(?:-(\d+))?", _address(config, key))
        if found:
            host, first, last = found.groups()
            yield Listening(key, key.partition(".")[0], host, int(first), int(last or first))


def _address(config: Config, key: str) -> str:
    section, _, name = key.partition(".")
    address = str(getattr(getattr(config, section), name))
    return address if "://" in address else f"tcp://{address}"
