"""Hosts of one layout on an emulated network, each with its own keys, as `fip keys` makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fip.config import Config, load
from fip.keys import LIST, PrivateKey, make_keys, private_key
from mesh import Mesh
from network import Network


class Cluster(Mesh):
    """A mesh with keys: each daemon has those of its host, an operator those of people."""

    def __init__(self, folder: Path, network: Network, hosts: Mapping[str, str], settings: str = "") -> None:
        self.keys = folder / "keys"
        runs = [(host, [name for name, its_host in hosts.items() if its_host == host]) for host in set(hosts.values())]
        nodes = "\n".join(f"[node.{host}]\nruns = {[_in_layout(name) for name in names]}" for host, names in runs)
        security = f'[security]\nkeys = "{self.keys}/people"\nallowed = "{self.keys}/{LIST}"'
        super().__init__(folder, settings=f"{settings}\n{security}\n{nodes}", network=network, hosts=hosts)
        make_keys(self.config, self.keys)

    def start(self, name: str, launcher: Sequence[str | Path] = ()) -> None:
        """Starts a daemon with the keys of its host."""
        super().start(name, ["env", f"FIP__SECURITY__KEYS={self.keys / self.hosts[name]}", *launcher])

    def key(self, host: str, role: str) -> PrivateKey:
        """One of the keys."""
        found = private_key(self.config_with(keys=self.keys / host).security, role)  # type: ignore[arg-type]
        assert found
        return found

    def config_with(self, **security: object) -> Config:
        """The configuration, with other settings of security."""
        overrides = {f"security.{key}": str(value) for key, value in security.items()}
        return load(self.configuration, overrides).config


def _in_layout(name: str) -> str:
    return name if name in ("ventilator", "sink") else f"worker.{name}"
