"""The sink and slices that have just come to be known: their images wait for the orders that announce them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import zmq

from fip.config import Config, Loaded
from fip.runtime.service import Loop
from fip.runtime.sockets import data_socket
from fip.sink.sink import Sink
from fip.wire.codec import encode_image
from fip.wire.messages import Control, SinkOrders, SinkState
from support.smallest_images import PLAN, image


class LateLink:
    """A control connection with orders that were not read yet."""

    def __init__(self, *given: Any) -> None:
        self.heard, self.waiting = 0.0, list[SinkOrders]()
        self._hear, self.state = cast(tuple[Callable[[Control], None], Callable[[], SinkState]], given[4:6])

    def hear_all(self) -> None:
        """Hear all that waits, as `Link` does."""
        while self.waiting:
            self._hear(self.waiting.pop(0))

    def changed(self, waited_for: bool = False) -> None:
        """Do nothing: nobody listens, unlike for a `Link`."""

    def close(self) -> None:
        """Do nothing; in place of that of `Link`."""


def test_an_image_is_not_dropped_as_its_sink_has_not_read_its_orders_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They came before it, by another socket: while the sink was at work. What no orders announce is still none."""
    links = list[LateLink]()

    def linked(*given: Any) -> LateLink:
        links.append(LateLink(*given))
        return links[0]

    monkeypatch.setattr("fip.sink.sink.Link", linked)
    address, loop = f"ipc://{tmp_path}/images", Loop()
    sink = Sink(Loaded(Config.model_validate({"sink": {"directory": tmp_path / "out", "images": address}}), {}), loop)
    sink.start()

    def counted() -> tuple[int, int]:
        counters = links[0].state().status.counters
        return counters["images"], counters["unknown"]

    links[0].waiting = [SinkOrders((replace(PLAN, total=total, final=False),), ()) for total in (1, 2)]
    with data_socket(loop.context, zmq.PUSH, linger=10_000) as worker:
        worker.connect(address)
        for index, then in ((0, (1, 0)), (1, (2, 0)), (2, (2, 1))):
            worker.send_multipart(encode_image(image(index)))
            while sum(counted()) <= index:
                loop._turn()  # noqa: SLF001
            assert counted() == then
    sink.close()
    loop.close()
