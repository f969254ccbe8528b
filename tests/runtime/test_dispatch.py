"""What comes in is data: an error that nobody thought of costs one message, unless what the daemon knows is wrong."""

import logging
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
import zmq

from fip.config import Config
from fip.runtime.service import Daemon, Loop
from fip.runtime.vitals import Vitals


def _look_up(word: bytes) -> None:
    raise KeyError(word)


class Hearer(Daemon):
    """Hears the words of a socket, and ends after "end"; some words are more than it can take."""

    reloads = restarts = ()

    def __init__(self, loop: Loop, address: str) -> None:
        self._loop, self._address = loop, address
        self.heard: list[bytes] = []
        self._over = False

    def start(self) -> None:
        """Bind the socket and hear it."""
        self._socket = self._loop.context.socket(zmq.PULL)
        self._socket.bind(self._address)
        self._loop.on(self._socket, self._hear)

    def _hear(self) -> None:
        word = self._socket.recv()
        self.heard.append(word)
        if word == b"strange":
            _look_up(word)
        elif word == b"later":
            self._loop.soon(partial(_look_up, word))
        assert word != b"wrong", "this cannot be"
        self._over = word == b"end"

    @property
    def finished(self) -> bool:
        """Whether the last word was heard."""
        return self._over

    def drain(self) -> None:
        """Do nothing: there is no work to end."""

    def close(self) -> None:
        """Close the socket at once."""
        self._socket.close(0)

    def reload(self, config: Config) -> None:
        """Take nothing from the configuration."""

    @property
    def line(self) -> str:
        """Return "": it has nothing to say."""
        return ""


@pytest.fixture
def loop() -> Loop:
    """Return a loop without sockets."""
    return Loop()


def run(loop: Loop, folder: Path, *words: bytes) -> list[bytes]:
    """What a daemon heard of these words."""
    hearer = Hearer(loop, f"ipc://{folder}/in")
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.linger = 0
        push.connect(f"ipc://{folder}/in")
        for word in words:
            push.send(word)
        try:
            loop.run(hearer)
        except BaseException:
            hearer.close()
            loop.close()
            raise
    return hearer.heard


def test_an_error_costs_its_message_and_is_logged_once_a_kind(
    loop: Loop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is counted; the traceback of the first shows its origin."""
    vitals = Vitals(loop, "sink", "here", "sink", ("bad_messages",))
    with caplog.at_level(logging.ERROR, "fip"):
        assert run(loop, tmp_path, b"strange", b"one", b"strange", b"end") == [b"strange", b"one", b"strange", b"end"]
    (said,) = caplog.records
    assert said.exc_info
    assert said.exc_info[0] is KeyError
    assert vitals.counters["bad_messages"] == 2


def test_what_cannot_be_ends_the_daemon(loop: Loop, tmp_path: Path) -> None:
    """An AssertionError in a handler, or any error of a call that nobody has sent."""
    with pytest.raises(AssertionError, match="cannot be"):
        run(loop, tmp_path, b"wrong", b"end")
    with pytest.raises(KeyError, match="later"):
        run(Loop(), tmp_path, b"later")


def test_one_of_very_many_sockets_is_heard_without_a_look_at_the_others(loop: Loop) -> None:
    """All that came is, though its descriptor shows it once; and nothing more once it is not watched."""
    pairs = []
    heard = list[tuple[int, bytes]]()
    for number in range(50):
        ends = [loop.context.socket(zmq.PAIR) for _ in range(2)]
        ends[0].bind(f"inproc://pair{number}")
        ends[1].connect(f"inproc://pair{number}")
        pairs.append(ends)
        loop.on_any(ends[0], partial(_hear_one, ends[0], number, heard))
    assert len(loop._poller.sockets) < 5  # noqa: SLF001 what each turn looks at
    for word in (b"a", b"b", b"c"):
        pairs[7][1].send(word)
        pairs[9][1].send(word)
    while len(heard) < 6:
        loop._turn()  # noqa: SLF001 one turn of it
    assert sorted(heard) == [(number, word) for number in (7, 9) for word in (b"a", b"b", b"c")]
    loop.off_any(pairs[7][0])
    pairs[7][1].send(b"d")
    pairs[9][1].send(b"e")
    while len(heard) < 7:
        loop._turn()  # noqa: SLF001 one turn of it
    assert heard[-1] == (9, b"e")
    for each in chain.from_iterable(pairs):
        each.close(0)
    loop.close()


def _hear_one(opened: zmq.Socket[bytes], number: int, heard: list[tuple[int, bytes]]) -> None:
    """Take one message, if one is there."""
    if opened.poll(0):
        heard.append((number, opened.recv()))
