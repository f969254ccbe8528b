"""A real sink in this process, whose orders a test gives, and workers that hand images to it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, cast

import pytest
import zmq

from fip.config import Config, Loaded
from fip.data.settings import Asked
from fip.data.values import ImageFile
from fip.runtime.service import Loop
from fip.runtime.sockets import data_socket
from fip.sink.sink import Sink
from fip.wire.codec import encode_image
from fip.wire.messages import Control, Followed, RunPlan, SinkOrders, SinkState
from fip.worker.writing import Handed, Writing
from support.stored_run import RUN

PLAN = RunPlan(RUN, "night", 100, "/data/night.ms", Asked(), "")
WORKER = "head/cpu0"
TURN = 0.01  # s that a turn of the loop waits at most


class _Link:
    """A control connection on which nobody is."""

    def __init__(self, *given: Any) -> None:
        self.heard = 0.0
        self.hear, self.state = cast(tuple[Callable[[Control], None], Callable[[], SinkState]], given[4:6])

    def hear_all(self) -> None:
        """Do nothing; in place of that of `Link`."""

    def changed(self, waited_for: bool = False) -> None:
        """Do nothing; in place of that of `Link`."""

    def close(self) -> None:
        """Do nothing; in place of that of `Link`."""


class SinkHere:
    """A sink whose loop the test turns, in a folder; images from 1 kB on are written by their workers."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, written_from: str = "1kB") -> None:
        links = list[_Link]()

        def linked(*given: Any) -> _Link:
            links.append(_Link(*given))
            return links[-1]

        monkeypatch.setattr("fip.sink.sink.Link", linked)
        self.images, self.loop = folder / "out", Loop()
        self.address = f"ipc://{folder}/in"
        settings = {"sink": {"directory": self.images, "images": self.address, "written_from": written_from}}
        self.sink = Sink(Loaded(Config.model_validate(settings), {}), self.loop)
        self.sink.start()
        self._link = links[-1]
        self.order()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *given: object) -> None:
        self.sink.close()
        self.loop.close()

    def order(self, tickets: bytes = b"", followed: Sequence[Followed] = ()) -> None:
        """Give it the run's orders."""
        self._link.hear(SinkOrders((PLAN,), (), tickets=tickets, followed=tuple(followed)))

    @property
    def state(self) -> SinkState:
        """Return the state that the sink says."""
        return self._link.state()

    def counted(self, *names: str) -> tuple[int, ...]:
        """Its counters of these names."""
        return tuple(self.state.status.counters[name] for name in names)

    def until(self, seen: Callable[[], bool]) -> None:
        """Turn its loop until something is seen; the test's own time-out ends it."""
        while not seen():
            self.loop.at(time.monotonic() + TURN, lambda: None)  # else a turn waits for what comes from outside
            self.loop._turn()  # noqa: SLF001


class WorkerHere:
    """What of a worker hands on images, in the sink's loop."""

    def __init__(self, sink: SinkHere) -> None:
        self._sink = sink
        self.writing = Writing(sink.loop, WORKER)
        self.writing.point(sink.state.brief.files, "")
        self.socket = data_socket(sink.loop.context, zmq.PUSH, linger=10_000)
        self.socket.connect(sink.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *given: object) -> None:
        self.writing.close()
        self.socket.close()

    def written(self, image: ImageFile) -> Handed:
        """An image, written if that can be."""
        found = list[Handed]()
        self.writing.write(image, found.append)
        self._sink.until(lambda: bool(found))
        return found[0]

    def send(self, image: ImageFile) -> None:
        """Send an image as it is, and have the sink do with it what it does."""
        before = self._sink.counted("images", "bad_messages", "unknown", "duplicates")
        self.socket.send_multipart(encode_image(image))
        self._sink.until(lambda: self._sink.counted("images", "bad_messages", "unknown", "duplicates") != before)
