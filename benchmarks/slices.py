"""Bytes and CPU seconds of a slice on its way, FIP's wire against the prototype's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

import zmq

from benchmarks import prototype
from benchmarks.programs import ARCSEC, EPSILON, USUAL, simulated
from benchmarks.report import Line
from fip.data.quantities import parse_angle
from fip.data.settings import asked
from fip.data.values import Slice
from fip.imaging.compression import compress
from fip.source.open_run import open_run
from fip.wire.codec import decode_slice, encode_slice, size


def compare(scratch: Path, integrations: int, repeats: int) -> list[Line]:
    """Encoding and decoding alone, then the same with an ipc:// PUSH/PULL pair in between."""
    path = simulated(scratch, integrations).path
    values, ancestor = cut(path), prototype.prototype_slice(path)
    frames, text = encode_slice(values), prototype.encode(ancestor)
    few = max(1, repeats // 100)  # the prototype's takes that much longer
    alone = (
        cpu(lambda: decode_slice(encode_slice(values)), repeats),
        cpu(lambda: prototype.decode(prototype.encode(ancestor)), few),
    )
    with Pair(scratch) as pair:
        sent = (
            cpu(lambda: decode_slice(pair.through(encode_slice(values))), max(few, repeats // 10)),
            cpu(lambda: prototype.decode(str(pair.through([prototype.encode(ancestor).encode()])[0], "ascii")), few),
        )
    return [
        Line("MB of a slice", size(frames) / 1e6, len(text) / 1e6, len(text) / size(frames), ">= 15"),
        Line("CPU ms of encoding and decoding it", 1e3 * alone[0], 1e3 * alone[1], alone[1] / alone[0], ">= 50"),
        Line("CPU ms with PUSH/PULL over ipc", 1e3 * sent[0], 1e3 * sent[1], sent[1] / sent[0], ""),
    ]


def cut(path: Path) -> Slice:
    """The first slice, as the ventilator cuts it."""
    scale = parse_angle(f"{ARCSEC}arcsec")
    run = open_run(path, asked(size=(USUAL.size, USUAL.size), scale=scale, epsilon=EPSILON))
    values = run.read(0)
    run.close()
    return compress(values)


def cpu(call: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one call, all threads of this process; the first, which fills caches, is not counted."""
    call()
    start = process_time()
    for _ in range(repeats):
        call()
    return (process_time() - start) / repeats


class Pair:
    """A PUSH and a PULL socket in one process, so that its CPU time is that of both ends."""

    def __init__(self, scratch: Path) -> None:
        self._address = f"ipc://{scratch}/pair"

    def __enter__(self) -> "Pair":
        self._context = zmq.Context()
        self._push, self._pull = self._context.socket(zmq.PUSH), self._context.socket(zmq.PULL)
        self._pull.bind(self._address)
        self._push.connect(self._address)
        return self

    def __exit__(self, *error: object) -> None:
        self._context.destroy(linger=0)

    def through(self, frames: Sequence[bytes | memoryview]) -> list[memoryview]:
        """The frames as they arrive, neither end copying."""
        self._push.send_multipart(frames, copy=False)
        return [frame.buffer for frame in self._pull.recv_multipart(copy=False)]
