"""A receiver with a stream that a test makes: one that is waited for, that ends by itself, and that breaks."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fip.config import Receiver as Settings
from fip.config import load
from fip.data.errors import ConfigError, InputError
from fip.receiver.part import Buffers, Heard
from fip.receiver.receiver import Receiver
from fip.runtime.service import Loop
from fip.spool.reading import Spool
from fip.spool.setup import Setup
from support.stream_parts import SETUP, parts


@dataclass
class Told:
    """A stream that passes on these integrations, then does what comes last."""

    dumps: tuple[int, ...]
    last: Callable[[Heard], None] = lambda heard: None
    setup: Setup = SETUP
    buffers: tuple[Buffers, ...] = (Buffers(1, 1),)
    closed: threading.Event = field(default_factory=threading.Event)

    def listen(self, heard: Heard) -> None:
        for dump in self.dumps:
            for part in parts(dump):
                heard.put(part)
        self.last(heard)

    def close(self) -> None:
        self.closed.set()


def run(
    folder: Path, opens: Callable[[Settings], Told], then: Callable[[Receiver, Loop], None] = lambda *_: None
) -> Spool:
    """Run a receiver until it ends; return its spool."""
    (folder / "fip.toml").write_text(
        f'[receiver]\nspool = "{folder}/spools"\n[ventilator]\ncontrol = "ipc://{folder}/control"\n'
    )
    loop = Loop()
    receiver = Receiver(load(folder / "fip.toml"), loop, opens)
    loop.soon(lambda: then(receiver, loop))
    try:
        loop.run(receiver)
    except BaseException:
        loop.close()
        raise
    return Spool(folder / "spools" / SETUP.folder)


def test_a_stream_that_ends_by_itself_ends_the_receiver_and_its_spool(tmp_path: Path) -> None:
    """It is like one of a capture block: whoever starts it again waits for the next."""
    found = run(tmp_path, lambda settings: Told((1, 2, 4), lambda heard: heard.end()))
    assert found.ended
    assert found.records["dump"].tolist() == [1, 2, 4]


def test_a_stream_that_breaks_ends_the_receiver_with_the_reason(tmp_path: Path) -> None:
    """Whoever starts it again has it hear anew; what came is in the spool."""

    def breaks(heard: Heard) -> None:
        raise InputError("the set-up has changed: the receiver begins anew")

    with pytest.raises(InputError, match="the receiver begins anew"):
        run(tmp_path, lambda settings: Told((1, 2), breaks))
    found = Spool(tmp_path / "spools" / SETUP.folder)
    assert found.records["dump"].tolist() == [1, 2]
    assert not found.ended


def test_what_a_stream_is_may_be_waited_for(tmp_path: Path) -> None:
    """Meanwhile the receiver says so, and can be stopped; when it is known, it is heard."""
    known, said = threading.Event(), list[str]()

    def opens(settings: Settings) -> Told:
        assert known.wait(60)
        return Told((1, 2, 3))

    def then(receiver: Receiver, loop: Loop) -> None:
        said.append(receiver.line)
        known.set()

    found = run(tmp_path, opens, then)
    assert said == ["waits to know what fip is; 0 integrations received, 0 lost, 0 dropped"]
    assert found.records["dump"].tolist() == [1, 2, 3]


def test_a_receiver_is_stopped_while_it_waits_for_a_stream(tmp_path: Path) -> None:
    """It hears nothing at that time."""
    known = threading.Event()

    def opens(settings: Settings) -> Told:
        known.wait(60)
        raise ConfigError("nobody asks any more")

    with pytest.raises(InputError, match="no set-up of a stream"):
        run(tmp_path, opens, lambda receiver, loop: receiver.drain())
    known.set()
