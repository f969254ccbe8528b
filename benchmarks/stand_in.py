"""Runs a daemon with parts of it replaced: `python benchmarks/stand_in.py SETTINGS DAEMON ...`, with SETTINGS as JSON.

    megabytes   a ventilator sends slices of this size, and reads none but the first from the MeasurementSet
    seconds     a worker sleeps so long instead of imaging, and hands on the smallest of FITS files
    store       false: a sink stores nothing, and says that it has
    trace       a ventilator writes a line into this file for each hello of a worker and each lease

The daemon is the installed one; nothing in it knows of this.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

import fip.imaging.kernels
import fip.sink.store
import fip.ventilator.lanes
import fip.ventilator.leases
import fip.ventilator.reader
import fip.worker.stages
from fip.data.settings import Asked
from fip.data.values import Block, FitsFile, ImageFile, Slice
from fip.source.calls import Cut, cut
from fip.wire.codec import decode_slice, encode_slice

SMALLEST = b"SIMPLE  = " + bytes(2870)
NODES = 64
ANY_INDEX = 0x7FABCDEF  # in whose place a slice's own is put
BYTES_OF_A_SAMPLE = 8 + 4  # complex64 and float32


def launcher(**settings: object) -> list[str]:
    """What is put before the command line of a daemon to have it run so."""
    return [sys.executable, __file__, json.dumps(settings)]


def _replace_reading(megabytes: float) -> None:
    rows = max(1, round(1e6 * megabytes / BYTES_OF_A_SAMPLE / NODES))
    call = fip.ventilator.reader.Reader.call
    standing_for = struct.pack(">BI", 0xCE, ANY_INDEX)  # as msgpack writes it

    known: dict[str, Cut] = {}  # by run: a look at it is all that a slice costs here

    def first(path: Path, asked: Asked, follow: bool, run: str) -> Cut:
        whole = cut(path, asked, follow, run, 0)
        read = decode_slice([bytes(each) for each in whole.frames])
        block = Block(
            channel_out=0,
            uvw=np.zeros((rows, 3)),
            frequency=np.linspace(1e9, 2e9, NODES),
            visibility=np.ones((1, rows, NODES), np.complex64),
            weight=np.ones((1, rows, NODES), np.float32),
        )
        values = replace(read, blocks=(block,), index=ANY_INDEX, integration=ANY_INDEX)
        return Cut(encode_slice(values), values.nbytes, whole.antennas, 0.0)

    def called(self: Any, then: Callable[[Future[Any]], None], function: Callable[..., Any], *args: Any) -> None:
        if function is not cut:
            call(self, then, function, *args)
            return
        *what, index = args
        run = what[-1]
        if run not in known:
            known[run] = first(*what)
        header, *arrays = known[run].frames
        future: Future[Cut] = Future()
        header = header.replace(standing_for, struct.pack(">BI", 0xCE, index))
        future.set_result(replace(known[run], frames=[header, *arrays]))
        self._loop.soon(lambda: then(future))

    fip.ventilator.reader.Reader.call = called  # type: ignore[assignment,method-assign]


def _replace_imaging(seconds: float) -> None:
    def image_file(values: Slice, kernel: object, worker: str, waited: float) -> ImageFile:
        time.sleep(seconds)
        return ImageFile(
            values.run, values.index, values.attempt, values.integration, values.label, worker, values.times, False,
            "good", None, None, {"wait": waited, "image": seconds}, (FitsFile("dirty", SMALLEST),),
        )  # fmt: skip

    fip.worker.stages.image_file = image_file  # type: ignore[assignment]
    fip.imaging.kernels.make_kernel = lambda *ignored: None  # type: ignore[assignment]


def _replace_storing() -> None:
    fip.sink.store.Store.put = lambda self, image: self.directory  # type: ignore[method-assign]


def _trace(path: str) -> None:
    trace = Path(path).open("a")  # noqa: SIM115 it is open as long as the daemon runs
    hear, lease = fip.ventilator.lanes.Lanes.hear, fip.ventilator.leases.Leases.lease
    boots: set[str] = set()

    def say(*event: object) -> None:
        print(json.dumps((time.monotonic(), *event)), file=trace, flush=True)

    def heard(self: Any, route: bytes, said: Any, now: float) -> Any:
        peer = hear(self, route, said, now)
        brief = getattr(said, "brief", said)
        if brief.boot not in boots:
            boots.add(brief.boot)
            say("hello", brief.name)
        return peer

    def leased(self: Any, index: int, worker: str, *rest: Any) -> int:
        attempt = lease(self, index, worker, *rest)
        say("lease", worker.partition("/")[2], index, attempt)
        return attempt

    fip.ventilator.lanes.Lanes.hear = heard  # type: ignore[method-assign]
    fip.ventilator.leases.Leases.lease = leased  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    settings, command, *sys.argv[1:] = sys.argv[1:]
    sys.argv[0] = command
    given = json.loads(settings)
    if "megabytes" in given:
        _replace_reading(given["megabytes"])
    if "seconds" in given:
        _replace_imaging(given["seconds"])
    if not given.get("store", True):
        _replace_storing()
    if "trace" in given:
        _trace(given["trace"])
    (daemon,) = entry_points(group="console_scripts", name=Path(command).name)
    daemon.load()()
