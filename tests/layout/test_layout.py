"""Layouts: what a host runs, and what `fip check` warns of."""

from pathlib import Path

import pytest

from fip.config import load
from fip.layout.cluster import placement, warnings
from support.fip_command import fip
from support.repository import CONFIG

CLUSTER = CONFIG / "cluster.toml"


def of(tmp_path: Path, changes: dict[str, str] | None = None, more: str = "") -> list[str]:
    """The warnings of the cluster's layout with these changes."""
    text = CLUSTER.read_text() + more
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "fip.toml"
    file.write_text(text)
    return warnings(load(file).config, lambda host: host == "head")


def test_the_shipped_layouts_are_right() -> None:
    """Neither warns; GPUs follow the names of workers, unless a table says otherwise."""
    assert placement(load(CLUSTER).config) == [
        "head runs ventilator, sink, monitor",
        "gpu-a runs worker.gpu0 (cuda:0), worker.gpu1 (cuda:1)",
        "gpu-b runs worker.gpu0 (cuda:0), worker.gpu1 (cuda:3)",
    ]
    for file in (CLUSTER, CLUSTER.with_name("fip.toml")):
        assert warnings(load(file).config, lambda host: host == "head") == []


CONTROL, LANES = 'control = "tcp://head:5557"', 'lanes = "tcp://head:5600-5699"'


@pytest.mark.parametrize(
    ("changes", "more", "says"),
    [
        ({CONTROL: ""}, "", "ventilator.control = 'ipc:///run/fip/control' cannot be reached from gpu-a, gpu-b"),
        ({LANES: 'lanes = "ipc:///run/fip/l"'}, "", "ventilator.lanes = 'ipc:///run/fip/l' cannot be reached from"),
        ({"tcp://head:5559": "tcp://localhost:5559"}, "", "sink.images = 'tcp://localhost:5559' cannot be reached"),
        ({"tcp://head:5558": "tcp://head:5557"}, "", "ventilator.control and ventilator.status are both at port 5557"),
        ({"head:5559": "head:5650"}, "", "ventilator.lanes and sink.images are both at port 5650 of one host"),
        ({"head:5559": "head:8570"}, "", "sink.images and monitor.address are both at port 8570 of one host"),
        ({"5600-5699": "5600-5602"}, "", "ventilator.lanes has 3 ports for 4 workers"),
        ({"tcp://head:5557": "tcp://haed:5557"}, "", "ventilator.control: this host knows no address of 'haed'"),
        ({"tcp://head:5557": "tcp://gpu-a:5557"}, "", "control is at gpu-a, which does not run the ventilator"),
        ({'"gpu-b/gpu1"': '"gpu-c/gpu1"'}, "", 'worker."gpu-c/gpu1": there is no [node.gpu-c]; there are head'),
        ({'"gpu-b/gpu1"': "gpu7"}, "", 'worker."gpu7": no host runs it'),
        ({"cuda:3": "cuda:0"}, "", "worker.gpu0 and worker.gpu1 on gpu-b share cuda:0"),
        ({'"worker.gpu0", ': '"worker.fast", '}, "", "worker.fast on gpu-a has no device, and no name like gpu0"),
        ({', "sink", ': ", "}, "", "node: no host runs a sink"),
        ({}, '[node.spare]\nruns = ["ventilator"]', "node: head and spare all run a ventilator"),
        ({'"worker.gpu0", ': '"worker.gpu1", '}, "", "node.gpu-a.runs: names worker.gpu1 2 times"),
    ],
)
def test_what_cannot_work_is_said(changes: dict[str, str], more: str, says: str, tmp_path: Path) -> None:
    """Each fault of a layout is named, with its key and its host."""
    assert any(says in line for line in of(tmp_path, changes, more)), of(tmp_path, changes, more)


def test_fip_check_says_all_of_it(tmp_path: Path) -> None:
    """Hosts, settings with the places they come from, and every warning, in one go."""
    file = tmp_path / "fip.toml"
    file.write_text(CLUSTER.read_text().replace("tcp://head", "tcp://127.0.0.1").replace('"gpu-b/gpu1"', "gpu7"))
    done = fip("check", file)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "gpu-b runs worker.gpu0 (cuda:0), worker.gpu1 (cuda:1)" in lines
    assert f"sink.directory = '/data/fip'  ({file})" in lines
    assert "ventilator.lane_depth = 2  (default)" in lines
    assert [line.split()[1] for line in lines if line.startswith("warning: ")] == [
        'worker."gpu7":', "ventilator.control", "ventilator.lanes", "sink.images",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("", "receiver.listen: has no address"),
        ("", "receiver.setup: is not given; it is the path of a JSON file"),
        ('setup = "/nowhere.json"', "receiver.setup: /nowhere.json: no set-up of a stream: No such file or directory"),
        ('buffer = "1TB"', "receiver.buffer: the kernel gives a socket "),
    ],
)
def test_fip_check_says_what_a_receiver_cannot_use(settings: str, says: str, tmp_path: Path) -> None:
    """It says this if a host runs one: for a layout without a receiver it says nothing of it."""
    file = tmp_path / "fip.toml"
    runs = '"ventilator", "sink", "worker.cpu0"'
    file.write_text(f"[receiver]\n{settings}\n[node.localhost]\nruns = [{runs}]\n")
    assert "warning: receiver" not in " ".join(fip("check", file).stdout.split())
    file.write_text(f'[receiver]\n{settings}\n[node.localhost]\nruns = [{runs}, "receiver"]\n')
    assert f"warning: {says}" in " ".join(fip("check", file).stdout.split())
