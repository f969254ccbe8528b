"""The receiver as a process: datagrams in, a spool out, whoever is killed in between."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fip.spool.reading import Spool
from support.keeping_systemd import KeepingSystemd
from support.receivers import COMMAND, WITHIN, Receiving, free_port, sent
from support.spools import SETUP, START, writer


@pytest.fixture
def receiving(tmp_path: Path) -> Iterator[Receiving]:
    """Run a receiver that hears."""
    with Receiving(tmp_path) as made:
        yield made


def test_one_that_is_stopped_says_that_it_leaves(tmp_path: Path) -> None:
    """It says its name, too: one that died is an alarm."""
    with Receiving(tmp_path) as receiving:
        receiving.send([0])
        receiving.wait_for(1)
        assert receiving.state is None or not receiving.state.leaving
        assert receiving.stop() == 0
        receiving.wait(lambda: receiving.state is not None and receiving.state.leaving, "say that it leaves")
        assert receiving.state
        assert receiving.state.status.name == "receiver"
        assert receiving.state.brief.spool == str(receiving.spool.resolve())


def test_what_is_sent_is_in_the_spool_and_the_ventilator_is_told_at_once(receiving: Receiving) -> None:
    """Bit for bit, and the run ends as the stream does."""
    receiving.send(range(3))
    receiving.wait_for(3)
    assert receiving.brief
    assert not receiving.brief.ended
    receiving.send([3])
    receiving.sender.end()
    receiving.wait(lambda: receiving.brief is not None and receiving.brief.ended, "end")
    brief = receiving.brief
    assert (brief.received, brief.lost, brief.dropped, brief.late, brief.samples) == (4, 0, 0, 0, 1.0)
    assert (brief.spool, brief.committed, brief.oldest, brief.newest) == (str(receiving.spool), 4, 0, START + 6.0)
    assert (brief.ring, brief.cadence) == (10_000_000, 2.0)
    found = Spool(receiving.spool)
    assert found.ended
    assert found.records["dump"].tolist() == [0, 1, 2, 3]
    for number in range(4):
        arrays = found.integration(number)
        for name, array in sent(SETUP, number).items():
            assert np.array_equal(arrays[name], array)
    assert receiving.stop() == 0


def test_what_is_lost_while_it_is_killed_is_counted_and_the_spool_goes_on(receiving: Receiving) -> None:
    """kill -9 costs what it had not written, and what came before it heard again."""
    receiving.send(range(3))
    receiving.wait_for(3)
    receiving.send([3], share=0.5)
    receiving.kill()
    receiving.send([4])
    receiving.start()
    receiving.send([2, 5, 6])
    receiving.wait_for(5)
    brief = receiving.brief
    assert brief
    assert (brief.received, brief.lost, brief.dropped) == (5, 2, 0)
    assert Spool(receiving.spool).records["dump"].tolist() == [0, 1, 2, 5, 6]
    receiving.wait(lambda: receiving.state is not None and receiving.state.status.counters["late"] > 0, "count")


def test_what_comes_while_it_is_away_waits_in_sockets_that_systemd_keeps(tmp_path: Path) -> None:
    """Killed in the middle of an integration: that one lacks what was in its memory, and all others are whole."""
    with KeepingSystemd(tmp_path) as systemd, Receiving(tmp_path, systemd=systemd, buffer="2MB") as receiving:
        receiving.send(range(2))
        receiving.wait_for(2)
        for round_ in range(2):
            receiving.kill()
            receiving.send([2 + 2 * round_, 3 + 2 * round_])
            receiving.start()
            receiving.wait_for(4 + 2 * round_)
        assert receiving.brief
        assert (receiving.brief.received, receiving.brief.lost, receiving.brief.dropped) == (6, 0, 0)
        assert Spool(receiving.spool).records["received"].tolist() == [1.0] * 6
        assert len(systemd.stored) == 1


def test_a_socket_of_an_address_that_is_heard_no_more_is_let_go(tmp_path: Path) -> None:
    """The new one is kept in its place."""
    with KeepingSystemd(tmp_path) as systemd, Receiving(tmp_path, systemd=systemd) as receiving:
        (before,) = systemd.stored
        receiving.kill()
        config, port = tmp_path / "fip.toml", free_port()
        config.write_text(config.read_text().replace(f":{receiving.port}", f":{port}"))
        receiving.port = port
        receiving.start()
        receiving.send([0])
        receiving.wait_for(1)
        receiving.wait(lambda: before not in systemd.stored, "let it go")
        assert len(systemd.stored) == 1


def test_stopping_writes_what_was_begun(tmp_path: Path) -> None:
    """What came is in the spool, and the rest of it is NaN."""
    with Receiving(tmp_path, grace=1000.0) as receiving:
        receiving.send([0])
        receiving.wait_for(1)
        receiving.send([1], share=0.5)
        receiving.wait(lambda: receiving.state is not None and receiving.state.status.queues.get("begun") == 1, "begin")
        assert receiving.stop() == 0
    found = Spool(receiving.spool)
    assert found.records["dump"].tolist() == [0, 1]
    share = float(found.records["received"][1])
    assert 0.4 < share < 0.6
    arrays = [found.integration(1)[f"{band}.visibility"] for band in range(2)]
    there = sum(int(np.isfinite(each).sum()) for each in arrays)
    assert there / sum(each.size for each in arrays) == pytest.approx(share)
    assert not found.ended


def test_junk_is_counted_and_stops_nothing_good(tmp_path: Path) -> None:
    """Packets of nobody, of another set-up, and some whose numbers fit nothing."""
    slow = replace(SETUP, cadence=1000.0)  # so that none of it is ever silent for long
    with Receiving(tmp_path, slow) as receiving, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for dump in range(4):
            for size in (0, 3, 56, 400):
                out.sendto(b"\xff" * size, ("127.0.0.1", receiving.port))
            receiving.send([dump], share=1.0)
            receiving.send([1 << 20], share=0.5)
            receiving.wait_for(dump + 1)
        assert Spool(receiving.spool).records["dump"].tolist() == [0, 1, 2, 3]
        receiving.wait(lambda: receiving.state is not None and receiving.state.status.counters["junk"] == 16, "count")
        assert receiving.log.count("a packet is not believed") == 2


def test_two_receivers_do_not_write_one_spool(receiving: Receiving) -> None:
    """The second says who has it, and is not started again."""
    second = run(receiving.folder, listen="udp://127.0.0.1:0")
    assert second.returncode == 78
    assert "another receiver writes to it: stop that one first" in second.stderr
    taken = run(receiving.folder, listen=f"udp://127.0.0.1:{receiving.port}")
    assert taken.returncode == 78
    assert f"receiver.listen: udp://127.0.0.1:{receiving.port}: Address already in use" in taken.stderr


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('setup = "/nowhere.json"', "/nowhere.json: no set-up of a stream: No such file or directory"),
        ('keep = "1kB"\nsetup = "{folder}/setup.json"', "keep = 1000 bytes: an integration of block-1 has"),
        ('setup = "{folder}/setup.json"\nspool = "{folder}/setup.json/x"', "receiver.spool: "),
    ],
)
def test_what_cannot_be_is_said_in_one_line(settings: str, says: str, tmp_path: Path) -> None:
    """The exit code is 78, which systemd does not try again."""
    from fip.spool.setup import SETUP as AS_JSON

    (tmp_path / "setup.json").write_bytes(AS_JSON.dump_json(SETUP))
    lines = f'listen = ["udp://127.0.0.1:0"]\nspool = "{tmp_path}/spools"\n'
    for line in settings.format(folder=tmp_path).splitlines():
        key = line.partition(" = ")[0]
        lines = "".join(f"{each}\n" for each in lines.splitlines() if not each.startswith(f"{key} ")) + f"{line}\n"
    (tmp_path / "fip.toml").write_text(f'[receiver]\n{lines}[ventilator]\ncontrol = "ipc://{tmp_path}/control"\n')
    refused = run(tmp_path)
    assert refused.returncode == 78
    (error,) = [line for line in refused.stderr.splitlines() if " ERROR " in line]
    assert says in error
    assert "Traceback" not in refused.stderr


def test_a_spool_goes_on_that_another_receiver_wrote(tmp_path: Path) -> None:
    """It goes on as its ring says; the account is of all of it."""
    before = writer(tmp_path / "spools")
    for dump in (4, 6):
        before.commit(before.begin(dump, START + 2.0 * dump, 0), 1.0)
    before.close()
    with Receiving(tmp_path) as receiving:
        receiving.send([7])
        receiving.wait_for(3)
        assert receiving.brief
        assert (receiving.brief.received, receiving.brief.lost) == (3, 1)


def run(folder: Path, listen: str = "") -> subprocess.CompletedProcess[str]:
    """One that is to end by itself."""
    words = [*COMMAND, "--config", str(folder / "fip.toml"), *(["--listen", listen] if listen else [])]
    return subprocess.run(words, capture_output=True, text=True, timeout=WITHIN, check=False)
