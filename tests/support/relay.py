"""A bad network between a sender and a receiver of UDP: it drops, swaps, delays and duplicates packets, and counts.

`python -m support.relay LISTEN_PORT TO_PORT [--drop 0.001] [--swap 0.01] ...` does so until it is ended, then says its
counts as JSON. In a test `Relay` does so in a thread.
"""

import argparse
import heapq
import json
import select
import signal
import socket
import threading
from collections import deque
from dataclasses import asdict, dataclass, field, fields
from random import Random
from time import monotonic
from types import TracebackType

_LONGEST = 0.05  # s for which a packet waits for the one that overtakes it
_BUFFER = 4 << 20  # bytes asked of the kernel


@dataclass(frozen=True)
class Harm:
    """What is done to packets: shares, 0 to 1, drawn by `seed` for each in the order in which they come."""

    drop: float = 0.0
    swap: float = 0.0  # it is sent behind the next
    delay: float = 0.0  # it is sent `by` seconds later
    duplicate: float = 0.0
    by: float = 0.05  # s
    seed: int = 0


@dataclass
class Done:
    """What the relay has done so far."""

    came: int = 0
    dropped: int = 0
    bytes_dropped: int = 0
    swapped: int = 0
    delayed: int = 0
    duplicated: int = 0
    sent: int = 0


@dataclass
class Relay:
    """Passes what comes to its port on to `to`. Use it as a context; `done` is right once that is left."""

    to: tuple[str, int]
    harm: Harm = Harm()
    port: int = 0  # at 127.0.0.1; 0 for a free one
    done: Done = field(default_factory=Done)

    def __post_init__(self) -> None:
        self._in, self._out = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self._in.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._in.setblocking(False)
        self._in.bind(("127.0.0.1", self.port))
        self.port = self._in.getsockname()[1]
        self._random, self._later = Random(self.harm.seed), list[tuple[float, int, bytes]]()
        self._held = deque[tuple[float, bytes]]()
        self._stop, self._thread = threading.Event(), threading.Thread(target=self.run)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Pass on what has come, and what waits, and end."""
        self._stop.set()

    def run(self) -> None:
        """Pass packets on until `stop`."""
        poll = select.poll()
        poll.register(self._in, select.POLLIN)
        while not self._stop.is_set() or poll.poll(0):
            poll.poll(10)
            self._take()
            self._release(monotonic())
        self._release(float("inf"))
        self._in.close()
        self._out.close()

    def _take(self) -> None:
        for _ in range(256):
            try:
                packet = self._in.recv(1 << 16)
            except BlockingIOError:
                return
            self._pass(packet)

    def _pass(self, packet: bytes) -> None:
        draw, harm, done = self._random.random, self.harm, self.done
        dropped, swapped, delayed, doubled = draw(), draw(), draw(), draw()
        done.came += 1
        if dropped < harm.drop:
            done.dropped += 1
            done.bytes_dropped += len(packet)
        elif swapped < harm.swap:
            done.swapped += 1
            self._held.append((monotonic() + _LONGEST, packet))
        elif delayed < harm.delay:
            done.delayed += 1
            heapq.heappush(self._later, (monotonic() + harm.by, done.came, packet))
        else:
            self._send(packet)
            if doubled < harm.duplicate:
                done.duplicated += 1
                self._send(packet)
            while self._held:
                self._send(self._held.popleft()[1])

    def _release(self, now: float) -> None:
        """Send what has waited for long enough."""
        while self._held and self._held[0][0] <= now:
            self._send(self._held.popleft()[1])
        while self._later and self._later[0][0] <= now:
            self._send(heapq.heappop(self._later)[2])

    def _send(self, packet: bytes) -> None:
        self._out.sendto(packet, self.to)
        self.done.sent += 1


def main() -> None:
    """A relay as a process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("listen", type=int)
    parser.add_argument("to", type=int)
    for each in fields(Harm):
        parser.add_argument(f"--{each.name}", type=int if each.name == "seed" else float, default=each.default)
    asked = vars(parser.parse_args())
    listen, to = asked.pop("listen"), asked.pop("to")
    relay = Relay(("127.0.0.1", to), Harm(**asked), listen)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.stop())
    print("ready", flush=True)  # noqa: T201
    relay.run()
    print(json.dumps(asdict(relay.done)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
