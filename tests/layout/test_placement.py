"""What a layout gives a host: its units, and drop-ins for the folders that they write."""

import subprocess
from pathlib import Path

import pytest

from fip.config import load
from fip.data.errors import ConfigError
from fip.layout.placement import drop_in, units
from support.repository import ROOT, TESTS

LAYOUT = """
[ventilator]
queue = "/data/queue/jobs.sqlite"
readers = 2
[sink]
directory = "/home/observer/50% \\"fast\\" images"
ledger = "/var/lib/ledgers"
[monitor]
token_file = "/var/lib/fip/token"
[node.head]
runs = ["ventilator", "sink"]
[node.gpu1]
runs = ["worker.gpu0", "worker.gpu1"]
"""


def test_a_host_runs_what_the_layout_says(tmp_path: Path) -> None:
    """Each host its own units; for a host that is not in the layout, the message lists those that are."""
    (tmp_path / "fip.toml").write_text(LAYOUT)
    config = load(tmp_path / "fip.toml").config
    assert units(config, "head") == (
        "fip-ventilator.service", "fip-sink.service", "fip-reader@0.service", "fip-reader@1.service",
    )  # fmt: skip
    assert units(config, "gpu1") == ("fip-worker@gpu0.service", "fip-worker@gpu1.service")
    with pytest.raises(ConfigError, match=r"no \[node.gpu7\] in the layout, which has head, gpu1"):
        units(config, "gpu7")


def test_a_layout_of_localhost_is_that_of_any_host() -> None:
    """The file that is shipped suits one machine, whatever its name."""
    config = load(ROOT / "config" / "fip.toml").config
    assert units(config, "pulsar") == (
        "fip-ventilator.service", "fip-sink.service", "fip-worker@cpu0.service", "fip-monitor.service",
        "fip-reader@0.service",
    )  # fmt: skip
    assert [drop_in(config, unit) for unit in units(config, "pulsar")] == [""] * 5  # each has its own folder


def test_units_may_write_where_the_layout_has_them_write(tmp_path: Path) -> None:
    """A path with blanks, quotes and per cent signs is one path to systemd; one in a home is not hidden."""
    (tmp_path / "fip.toml").write_text(LAYOUT)
    config = load(tmp_path / "fip.toml").config
    said = drop_in(config, "fip-sink.service").splitlines()
    paths = '"/home/observer/50%% \\"fast\\" images" "/var/lib/ledgers"'
    assert said[1:] == [
        "[Unit]", f"RequiresMountsFor={paths}", "", "[Service]", f"ReadWritePaths={paths}", "ProtectHome=read-only",
    ]  # fmt: skip
    assert 'ReadWritePaths="/var/lib/fip"' in drop_in(config, "fip-monitor.service")  # it is no folder of its own
    assert 'ReadWritePaths="/data/queue"' in drop_in(config, "fip-ventilator.service")
    assert drop_in(config, "fip-worker@gpu0.service") == ""


def test_a_follower_has_a_unit_of_its_name_and_a_folder_of_its_own(tmp_path: Path) -> None:
    """Another folder is named in systemd's drop-in, and belongs to its user."""
    (tmp_path / "fip.toml").write_text(
        '[follower.mean]\nstep = "fip.archive.mean:step"\n[follower.far]\nstep = "a.b:c"\nfolder = "/data/found"\n'
        '[node.head]\nruns = ["sink", "follower.mean", "follower.far"]\n'
    )
    config = load(tmp_path / "fip.toml").config
    assert units(config, "head") == ("fip-sink.service", "fip-follower@mean.service", "fip-follower@far.service")
    assert drop_in(config, "fip-follower@mean.service") == ""
    assert 'ReadWritePaths="/data/found"' in drop_in(config, "fip-follower@far.service")


def test_a_receiver_writes_spools_alone_and_only_another_format_may_compile(tmp_path: Path) -> None:
    """FIP's own format has nothing to compile."""
    node = '[node.head]\nruns = ["receiver"]\n'
    (tmp_path / "fip.toml").write_text(node)
    config = load(tmp_path / "fip.toml").config
    assert units(config, "head") == ("fip-receiver.service",)
    assert drop_in(config, "fip-receiver.service") == ""
    (tmp_path / "fip.toml").write_text(f'[receiver]\nspool = "/data/spools"\nformat = "meerkat-l0"\n{node}')
    said = drop_in(load(tmp_path / "fip.toml").config, "fip-receiver.service").splitlines()
    assert said[-2:] == ['ReadWritePaths="/data/spools"', "MemoryDenyWriteExecute=no"]
    live = config.receiver.model_copy(update={"format": "meerkat-l0", "setup": "redis://telstate:6379"})
    assert (
        "Restart=always" in drop_in(config.model_copy(update={"receiver": live}), "fip-receiver.service").splitlines()
    )
    assert "MemoryDenyWriteExecute=yes" in (ROOT / "systemd" / "fip-receiver.service").read_text()


def test_the_detector_writes_where_images_are(tmp_path: Path) -> None:
    """It writes as the sink's user, even if only the sink is given another directory."""
    (tmp_path / "fip.toml").write_text('[sink]\ndirectory = "/data/fip"\n[node.head]\nruns = ["sink", "detector"]\n')
    config = load(tmp_path / "fip.toml").config
    assert units(config, "head") == ("fip-sink.service", "fip-detector.service")
    assert 'ReadWritePaths="/data/fip"\n' in drop_in(config, "fip-detector.service")
    (tmp_path / "fip.toml").write_text('[detector]\ndirectory = "/data/far"\n')
    config = load(tmp_path / "fip.toml").config
    assert 'ReadWritePaths="/data/far"\n' in drop_in(config, "fip-detector.service")
    assert drop_in(config, "fip-sink.service") == ""


def test_scripts_are_clean() -> None:
    """shellcheck finds nothing in the shell scripts."""
    scripts = [ROOT / "install.sh", ROOT / "systemd" / "node.sh", ROOT / ".ci" / "run", *TESTS.rglob("*.sh")]
    try:
        checked = subprocess.run(
            ["shellcheck", "--external-sources", *scripts], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("shellcheck is absent: apt-get install shellcheck")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_detector_has_the_network_only_if_somebody_elsewhere_is_told(tmp_path: Path) -> None:
    """It also has it if the ventilator is on another host."""
    node = '[node.head]\nruns = ["sink", "detector"]\n'
    here, far = (f'[alerts.hub]\nurl = "{url}"\n' for url in ("http://127.0.0.1:8000", "https://example.org"))
    elsewhere = '[ventilator]\ncontrol = "tcp://head:5557"\n'
    told = []
    for text in ("", here, far, elsewhere):
        (tmp_path / "fip.toml").write_text(text + node)
        told.append("IPAddressAllow=any" in drop_in(load(tmp_path / "fip.toml").config, "fip-detector.service"))
    assert told == [False, False, True, True]
    assert "IPAddressDeny=any" in (ROOT / "systemd" / "fip-detector.service").read_text()
