"""Hosts of one layout on an emulated network, each with its own keys, as `fip keys` makes them."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fip.config import Config, load
from fip.layout.keys import LIST, PrivateKey, Role, make_keys, private_key
from support.mesh import SCRIPTS, Mesh
from support.network import Network


class Cluster(Mesh):
    """A mesh with keys: each daemon has those of its host, an operator those of people.

    `hosts` says which host runs "ventilator", "sink" and, as "HOST/NAME", workers; these have no file, and are given
    no more than the ventilator's address.
    """

    def __init__(
        self,
        folder: Path,
        network: Network,
        hosts: Mapping[str, str],
        settings: str = "",
        data: str = "encrypted",
    ) -> None:
        self.keys = folder / "keys"
        runs = {host: [_runs(name) for name in hosts if hosts[name] == host] for host in hosts.values()}
        layout = "".join(f"[node.{host}]\nruns = {names}\n" for host, names in runs.items())
        security = f'[security]\nkeys = "{self.keys}/people"\nallowed = "{self.keys}/{LIST}"\ndata = "{data}"'
        super().__init__(folder, settings=f"{settings}\n{security}\n{layout}", network=network, hosts=hosts)
        make_keys(self.config, self.keys)
        for name, host in hosts.items():
            self.launchers[name] = [*self.launchers[name], "env", f"FIP__SECURITY__KEYS={self.keys / host}"]

    def start(self, name: str) -> None:
        """Start a daemon with the keys of its host."""
        host, _, worker = name.partition("/")
        if worker:
            self.start_worker(host, worker, self.keys / host)
        else:
            super().start(name)

    def start_worker(self, host: str, name: str, keys: Path) -> None:
        """Start a worker on a host of the network, which need not be in the layout."""
        assert self.network is not None
        words: list[str | Path] = [
            SCRIPTS / "fip-worker",
            "--name",
            name,
            "--ventilator",
            self.config.ventilator.control,
        ]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FIP__")}
        self.daemons[f"{host}/{name}"] = subprocess.Popen(
            self.network.command(host, *words),
            stdout=self.log_file, stderr=self.log_file,
            env=environment | {"FIP__SECURITY__KEYS": str(keys)},
        )  # fmt: skip

    def key(self, host: str, role: Role) -> PrivateKey:
        """Return one of the keys."""
        found = private_key(self.config_with(keys=self.keys / host).security, role)
        assert found
        return found

    def config_with(self, keys: Path) -> Config:
        """The configuration, with the keys of another folder."""
        return load(self.configuration, {"security.keys": str(keys)}).config


def _runs(name: str) -> str:
    """What a layout calls a daemon."""
    worker = name.partition("/")[2]
    return f"worker.{worker}" if worker else name
