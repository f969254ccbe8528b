"""Messages as no daemon sends them: valid ones with a value, a type, a size or a name that is wrong."""

import math
import random
from typing import Any

import msgpack
import zmq

from fip.data.names import Attempt
from fip.wire.codec import encode_control
from fip.wire.messages import WorkerBrief, WorkerState
from fip.wire.status import Status
from simulated.cluster import Cluster
from simulated.network import SimContext
from simulated.world import Host

VALUES: tuple[Any, ...] = (
    None, True, -1, 1 << 63, math.nan, math.inf, -0.0, "", "\0", "x" * 70, "a/../b", b"\xff", (), {}, {"a": {}},
    [[[]]], "xyz://", "tcp://:0", "ipc://", 1e308,
)  # fmt: skip


def mutated(message: Any, chance: random.Random) -> Any:
    """The same value with one thing in it that is another."""
    if isinstance(message, dict) and message and chance.random() < 0.9:
        key = chance.choice(list(message))
        if chance.random() < 0.1:
            return {name: value for name, value in message.items() if name != key}
        return message | {key: mutated(message[key], chance)}
    if isinstance(message, list | tuple) and message and chance.random() < 0.9:
        place = chance.randrange(len(message))
        return [*message[:place], mutated(message[place], chance), *message[place + 1 :]]
    return chance.choice(VALUES)


def stranger_state(name: str) -> WorkerState:
    """What a worker would say that nobody knows."""
    attempt = Attempt("f" * 16, 3, 1)
    brief = WorkerBrief("stranger", name, "boot", "", "", (attempt,), (attempt,), (0.1, 0.2), (), attempt, 1.0, False)
    return WorkerState(brief, Status("worker", "stranger", name, 7, "running", counters={"images": 3}))


class Stranger:
    """Somebody who can reach the ventilator's control socket and the sink's for images, and speaks nonsense."""

    def __init__(self, cluster: Cluster) -> None:
        self._chance = cluster.world.chance
        context = SimContext(cluster.network, Host("stranger"), lambda: None, lambda: False)
        self._sockets = [context.socket(zmq.DEALER), context.socket(zmq.DEALER)]
        for opened, address in zip(self._sockets, ("control", "images"), strict=True):
            opened.connect(f"ipc:///made/{address}")
        cluster.world.after(3.0, context.abort)

    def speak(self, number: int) -> None:
        """Send so many random messages."""
        for _ in range(number):
            self._sockets[self._chance.random() < 0.2].send_multipart(self._message())

    def _message(self) -> list[bytes]:
        kind = self._chance.randrange(4)
        if kind == 0:
            return [self._chance.randbytes(self._chance.randrange(40)) for _ in range(self._chance.randint(1, 3))]
        if kind == 1:
            return [msgpack.packb(self._chance.choice(VALUES))]
        header = msgpack.unpackb(encode_control(stranger_state(f"cpu{self._chance.randrange(3)}")), use_list=False)
        return [msgpack.packb(header | {"message": mutated(header["message"], self._chance)})]
