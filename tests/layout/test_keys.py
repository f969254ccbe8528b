"""Keys: how they are made and kept, and that they keep out whoever has none, or one of another role."""

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import zmq

from fip.client.operator import Operator, new_job
from fip.config import Config, Node, Security
from fip.data.errors import ConfigError, FipError
from fip.data.quantities import ARCSEC
from fip.data.settings import Asked, asked
from fip.layout.keys import CREDENTIALS, LIST, Holder, PrivateKey, Role, make_keys, private_key, read_allowed
from fip.runtime.sockets import bind, connect, control_socket, data_socket
from fip.wire.codec import encode_control
from fip.wire.messages import PipelineStatus
from support.cluster import Cluster
from support.fip_command import images
from support.mesh import SCRIPTS, WITHIN
from support.network import Network

LAYOUT = Config.model_validate(
    {
        "follower": {"mean": {"step": "fip.archive.mean:step"}},
        "node": {
            "head": {"runs": ("ventilator", "sink", "follower.mean")},
            "left.example": {"runs": ("worker.cpu0", "worker.cpu1")},
        },
    }
)
KEYS = ("head/ventilator", "head/sink", "left.example/worker", "head/follower", "people/operator", "people/viewer")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_key_for_each_role_of_each_host(tmp_path: Path) -> None:
    """Private keys are their owner's alone, and name the ventilator's; the list has the public ones."""
    make_keys(LAYOUT, tmp_path)
    assert set(contents(tmp_path)) == {*(f"{name}.key" for name in KEYS), LIST}
    assert {(tmp_path / f"{name}.key").stat().st_mode & 0o777 for name in KEYS} == {0o600}
    held = {name: private_key(Security(keys=tmp_path / name.split("/")[0]), name.split("/")[1]) for name in KEYS}  # type: ignore[arg-type]
    allowed = read_allowed(tmp_path / LIST)
    assert {str(holder) for holder in allowed.values()} == {f"{n.split('/')[1]} key of {n.split('/')[0]}" for n in KEYS}
    ventilator = held["head/ventilator"]
    assert ventilator
    for name, key in held.items():
        assert key
        assert allowed[key.public] == Holder(key.role, key.host)
        assert f"{key.host}/{key.role}" == name
        assert key.ventilator == ventilator.public
        assert key.secret not in (tmp_path / LIST).read_text()
        assert key.secret not in repr(key)


def test_making_keys_again_changes_none_and_adds_what_is_new(tmp_path: Path) -> None:
    """If a layout has grown, only the new host gets keys; all is as it was otherwise."""
    make_keys(LAYOUT, tmp_path)
    before = contents(tmp_path)
    assert all("is kept" in line for line in make_keys(LAYOUT, tmp_path))
    assert contents(tmp_path) == before
    nodes = {host: node.model_dump() for host, node in LAYOUT.node.items()}
    make_keys(
        LAYOUT.model_validate(
            {"follower": LAYOUT.model_dump()["follower"], "node": nodes | {"right": {"runs": ("worker.cpu0",)}}}
        ),
        tmp_path,
    )
    after = contents(tmp_path)
    assert set(after) - set(before) == {"right/worker.key"}
    assert {name for name in before if after[name] != before[name]} == {LIST}
    assert read_allowed(tmp_path / LIST).items() > {}.items()


def test_the_detector_has_a_followers_key(tmp_path: Path) -> None:
    """One for all followers of a host, whichever they are."""
    layout = Config.model_validate({"node": {"head": {"runs": ("ventilator", "sink", "detector")}}})
    make_keys(layout, tmp_path)
    assert (tmp_path / "head" / "follower.key").exists()
    both = LAYOUT.model_copy(update={"node": {"head": Node(runs=("ventilator", "sink", "detector", "follower.mean"))}})
    assert [line.rpartition("/")[2] for line in make_keys(both, tmp_path)].count("follower.key is kept") == 1


def test_a_receiver_has_a_key_of_its_own(tmp_path: Path) -> None:
    """It is none of those who may submit, or image."""
    make_keys(Config.model_validate({"node": {"head": {"runs": ("ventilator", "sink", "receiver")}}}), tmp_path)
    key = private_key(Security(keys=tmp_path / "head"), "receiver")
    assert key
    assert read_allowed(tmp_path / LIST)[key.public] == Holder("receiver", "head")


def test_a_renewed_key_is_listed_beside_the_old(tmp_path: Path) -> None:
    """The file has the new key, the list both; a key that all others name cannot be renewed alone."""
    make_keys(LAYOUT, tmp_path)
    mine = Security(keys=tmp_path / "left.example")
    old = private_key(mine, "worker")
    make_keys(LAYOUT, tmp_path, renew=["left.example/worker"])
    new, allowed = private_key(mine, "worker"), read_allowed(tmp_path / LIST)
    assert old
    assert new
    assert old != new
    assert allowed[old.public] == allowed[new.public] == Holder("worker", "left.example")
    for name, says in (("head/ventilator", "all other keys name it"), ("nowhere/worker", "there is no such key")):
        with pytest.raises(ConfigError, match=says):
            make_keys(LAYOUT, tmp_path, renew=[name])


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The message names the file and what to do; the secret is in no message."""
    make_keys(LAYOUT, tmp_path)
    path = tmp_path / "head" / "sink.key"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=f"{path}: others may read this private key .mode 0644.; `chmod 600"):
        private_key(Security(keys=tmp_path / "head"), "sink")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("role = 1", "is not a key"),
        ("role", "is not TOML"),
        ('role = "sink"\nhost = "h"\npublic = "x"\nsecret = "hush"\nventilator = "x"', "public: String should match"),
    ],
)
def test_a_file_that_is_not_a_key_is_refused(text: str, says: str, tmp_path: Path) -> None:
    """What is wrong is said, and nothing of what may be secret."""
    (tmp_path / "sink.key").touch(0o600)
    (tmp_path / "sink.key").write_text(text)
    with pytest.raises(ConfigError, match=says) as error:
        private_key(Security(keys=tmp_path), "sink")
    assert "hush" not in str(error.value)


def test_where_a_key_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configuration names must be there; systemd's credentials may be empty; people's are in their home."""
    make_keys(LAYOUT, tmp_path)
    with pytest.raises(ConfigError, match=r"there is no viewer\.key in .*; `fip keys` makes it"):
        private_key(Security(keys=tmp_path / "head"), "viewer")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(CREDENTIALS, raising=False)
    assert private_key(Security(), "worker") is None
    assert private_key(Security(), "operator", "viewer") is None
    (tmp_path / ".config").mkdir()
    (tmp_path / "people").rename(tmp_path / ".config" / "fip")
    found = private_key(Security(), "operator", "viewer")
    assert found
    assert found.role == "operator"
    monkeypatch.setenv(CREDENTIALS, str(tmp_path / "head"))
    (tmp_path / "head" / "sink.key").chmod(0o440)  # as systemd's, whose lists of rights show so
    assert private_key(Security(), "sink")
    (tmp_path / "head" / "sink.key").chmod(0o600)
    (tmp_path / "head" / "sink.key").write_text("# no key")
    assert private_key(Security(), "sink") is None


def test_a_key_has_one_holder(tmp_path: Path) -> None:
    """One key in two roles would be of both."""
    make_keys(LAYOUT, tmp_path)
    key = next(iter(read_allowed(tmp_path / LIST)))
    with (tmp_path / LIST).open("a") as file:
        file.write(f'[monitor]\n"x" = ["{key}"]\n')
    with pytest.raises(ConfigError, match="is not a list as `fip keys` makes it: monitor"):
        read_allowed(tmp_path / LIST)
    text = (tmp_path / LIST).read_text().replace("[monitor]", "").replace('"people" = []', "")
    (tmp_path / LIST).write_text(text)
    with pytest.raises(ConfigError, match="is listed as"):
        read_allowed(tmp_path / LIST)


HOSTS = {"ventilator": "head", "sink": "head", "worker/cpu0": "worker"}


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """The hosts of a pipeline, and a third."""
    with Network(["head", "worker", "stranger"]) as network:
        yield network


@pytest.fixture(scope="module")
def cluster(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A pipeline with keys, its worker on a lane."""
    with Cluster(tmp_path_factory.mktemp("keys") / "m", network, HOSTS) as cluster:
        cluster.wait(lambda status: any(worker.brief.lane for worker in status.workers))
        yield cluster


STRANGER = "tcp://10.0.0.3"
PORTS = {"control": 5557, "status": 5558, "lanes": 5600, "images": 5559}
WRONG: dict[str, tuple[str, Role]] = {
    "control": ("head", "ventilator"),
    "status": ("worker", "worker"),
    "lanes": ("people", "viewer"),
    "images": ("people", "operator"),
}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    """A worker's key of another pipeline."""
    folder = tmp_path_factory.mktemp("other")
    make_keys(LAYOUT, folder)
    key = private_key(Security(keys=folder / "left.example"), "worker")
    assert key
    return key


@contextmanager
def joined(network: Network, socket: str, key: PrivateKey | None, server: str) -> Iterator[zmq.Socket[bytes]]:
    """A socket of the host `stranger`, connected to one of the pipeline's."""
    with zmq.Context() as context, network.inside("stranger"):
        if socket in ("lanes", "images"):
            opened = data_socket(context, zmq.PULL if socket == "lanes" else zmq.PUSH)
        else:
            opened = control_socket(context, zmq.SUB if socket == "status" else zmq.DEALER)
        connect(opened, f"tcp://{network.addresses['head']}:{PORTS[socket]}", key, server)
        with opened:
            yield opened
            opened.close(0)


@pytest.mark.parametrize("socket", PORTS)
@pytest.mark.parametrize("who", ["no key", "unknown key", "wrong role", "another pipeline's key"])
def test_a_stranger_is_refused_and_shown(
    who: str, socket: str, network: Network, cluster: Cluster, other: PrivateKey
) -> None:
    """Whoever has no key for a socket is cut off in the handshake; the status names the socket, the peer and why."""
    server = cluster.key("head", "sink" if socket == "images" else "ventilator").public
    wrong = cluster.key(*WRONG[socket])
    key, there, why = {
        "no key": (None, "", "one end has no key"),
        "unknown key": (other, server, "its key is not allowed"),
        "wrong role": (wrong, server, f"a {wrong.role} key of {wrong.host} is not for this socket"),
        "another pipeline's key": (other, other.ventilator, "keys that do not belong together"),
    }[who]

    def shown(status: PipelineStatus) -> bool:
        assert status.sink
        tells = status.sink.status if socket == "images" else status.ventilator
        failed = [event for event in tells.events if (event.event, event.socket) == ("handshake failed", socket)]
        return any(why in event.reason and event.peer == STRANGER for event in failed) and tells.counters["refused"] > 0

    def try_to_join() -> None:
        with joined(network, socket, key, there) as opened:
            assert not opened.poll(300)  # without a handshake nothing comes, and nothing is taken

    cluster.wait(shown, meanwhile=try_to_join)
    assert f"{socket}: no connection with {STRANGER}: " in cluster.log


def test_a_peer_may_say_what_its_role_may_say(network: Network, cluster: Cluster) -> None:
    """Jobs are refused from a viewer's and a worker's key, taken from an operator's; a viewer is sent the state."""
    job = new_job([Path("nothing.ms")], Asked())

    def dropped(key: PrivateKey, status: PipelineStatus) -> bool:
        return f"the {Holder(key.role, key.host)} may not say this" in cluster.log

    for key in (cluster.key("people", "viewer"), cluster.key("worker", "worker")):
        with joined(network, "control", key, key.ventilator) as opened:
            opened.send(encode_control(job))
            cluster.wait(partial(dropped, key))
    (cluster.keys / "people" / "operator.key").rename(cluster.keys / "operator.key")
    with cluster.operator() as viewer:
        status = viewer.status()
        assert status.ventilator.counters["bad_messages"] >= 2
        assert status.jobs == ()
    (cluster.keys / "operator.key").rename(cluster.keys / "people" / "operator.key")
    with cluster.operator() as operator:
        assert operator.submit(job).job == job.job


def test_an_operator_is_told_why_nobody_answers(
    network: Network, cluster: Cluster, other: PrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without a key, or with one that is not allowed, does not only hear that nobody answers."""
    monkeypatch.setenv("HOME", str(tmp_path))
    without = cluster.config.model_copy(update={"security": Security()})
    key = other.model_dump() | {"role": "operator", "ventilator": cluster.key("head", "ventilator").public}
    (tmp_path / "operator.key").touch(0o600)
    (tmp_path / "operator.key").write_text("".join(f'{name} = "{value}"\n' for name, value in key.items()))
    for config, why in (
        (without, "one end has no key"),
        (cluster.config_with(keys=tmp_path), "our key is not allowed there"),
    ):
        with (
            network.inside("stranger"),
            Operator(config) as operator,
            pytest.raises(FipError, match=f"cannot be joined: .*{why}"),
        ):
            operator.status()


def test_without_keys_other_hosts_are_let_in_only_when_that_is_said(network: Network) -> None:
    """Without that no address of tcp is bound, also not on loopback; a host's name is bound on all its interfaces."""
    with zmq.Context() as context, network.inside("stranger"), control_socket(context, zmq.ROUTER) as opened:
        for address in ("tcp://*:5557", "tcp://0.0.0.0:5557", "tcp://stranger:5557", "tcp://10.0.0.3:5557"):
            with pytest.raises(ConfigError, match=r"ventilator\.control: .* is open to other hosts, without keys"):
                bind(opened, address, "ventilator.control", guarded=False)
        for address in ("tcp://127.0.0.1:5557", "tcp://localhost:5557"):
            with pytest.raises(ConfigError, match=r"ventilator\.control: .* is open to all users of this host"):
                bind(opened, address, "ventilator.control", guarded=False)
        assert bind(opened, "tcp://127.0.0.1:5557", "ventilator.control", guarded=True) == "tcp://:5557"
        bind(opened, "tcp://localhost:5558", "ventilator.control", guarded=True)
        bind(opened, "tcp://stranger:5559", "ventilator.control", guarded=True)
        assert opened.getsockopt_string(zmq.LAST_ENDPOINT) == "tcp://0.0.0.0:5559"


def test_a_socket_of_ipc_is_for_user_and_group(tmp_path: Path) -> None:
    """Whoever is in neither may not join it, whatever the umask is."""
    before = os.umask(0)
    try:
        with zmq.Context() as context, control_socket(context, zmq.ROUTER) as opened:
            bind(opened, f"ipc://{tmp_path}/control", "ventilator.control", guarded=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "control").stat().st_mode) == 0o660


def test_a_new_key_works_beside_the_old_until_that_is_taken_away(network: Network, cluster: Cluster) -> None:
    """Each time the list is read again, as `systemctl reload` has it done; the old key's worker then counts no more."""
    old = cluster.key("worker", "worker")
    make_keys(cluster.config, cluster.keys, renew=["worker/worker"])

    def reload() -> None:
        for name in ("ventilator", "sink"):
            cluster.kill(name, signal.SIGHUP)

    def workers(status: PipelineStatus) -> set[str]:
        return {worker.brief.name for worker in status.workers if worker.brief.lane}

    reload()
    cluster.start_worker("worker", "renewed", cluster.keys / "worker")
    cluster.wait(lambda status: workers(status) == {"cpu0", "renewed"})
    allowed = cluster.keys / LIST
    allowed.write_text(allowed.read_text().replace(f'"{old.public}"', "").replace(", ]", "]"))
    reload()
    cluster.wait(lambda status: workers(status) == {"renewed"})
    assert f"its key {old.public} is not allowed any more" in cluster.log


def test_slices_and_images_need_not_be_encrypted(simulated_ms: Path, tmp_path: Path) -> None:
    """If data = "plain", control is encrypted alone, and the daemons warn; the images come."""
    with (
        Network(["head", "worker", "stranger"]) as network,
        Cluster(tmp_path / "m", network, HOSTS, data="plain") as cluster,
    ):
        job = cluster.submit([simulated_ms], asked(size=(64, 64), scale=40 * ARCSEC))
        cluster.wait_for_job(job)
        assert len(images(cluster.images / job)) == 10
        for socket in ("ventilator.lanes", "sink.images"):
            assert f"WARNING {socket}: tcp://10.0.0.1:" in cluster.log
            assert "is open to other hosts, and not encrypted" in cluster.log
        with joined(network, "images", None, "") as opened:
            assert opened.poll(int(1000 * WITHIN), zmq.POLLOUT)
        with joined(network, "control", None, "") as opened:
            cluster.wait(lambda status: any(event.reason for event in status.ventilator.events))
            assert not opened.poll(0)


def test_a_daemon_without_the_key_that_it_should_have_says_so(tmp_path: Path) -> None:
    """It ends with the code that systemd does not start it again for, and names file and command."""
    done = subprocess.run(
        [SCRIPTS / "fip-worker", "--ventilator", "tcp://10.0.0.1:5557"],
        env=os.environ | {"FIP__SECURITY__KEYS": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert f"security.keys: there is no worker.key in {tmp_path}; `fip keys` makes it" in done.stderr
