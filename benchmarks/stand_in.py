"""Runs a daemon with parts of it replaced: `python benchmarks/stand_in.py SETTINGS DAEMON ...`, with SETTINGS as JSON.

    megabytes   a ventilator sends slices of this size, and reads none but the first from the MeasurementSet
    slices      of each run there are so many, whatever the MeasurementSet has
    seconds     a worker sleeps so long instead of imaging, and hands on the smallest of FITS files
    store       false: a sink stores nothing, and says that it has

Without them, each is as always. DAEMON ends with fip-ventilator, fip-worker or fip-sink.
"""

import json
import struct
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from fip.config import Loaded
from fip.data.arriving import Writing
from fip.data.errors import StoreError
from fip.data.names import RunId
from fip.data.settings import Asked
from fip.data.values import Block, FitsFile, ImageFile, Slice
from fip.imaging.kernels import CPU
from fip.runtime.service import Daemon, Given, Loop, Result, run_daemon
from fip.sink.sink import Sink
from fip.sink.store import Store
from fip.source.requests import Cut, Held, RunFacts, cut, look
from fip.ventilator.reader import Reader
from fip.ventilator.ventilator import Ventilator
from fip.wire.codec import decode_slice, encode_slice
from fip.worker.imager import Imager
from fip.worker.worker import ImageSlice, Worker

SMALLEST = b"SIMPLE  = " + bytes(2870)
NODES = 64
ANY_INDEX = 0x7FABCDEF  # in whose place a slice's own is put
BYTES_OF_A_SAMPLE = 8 + 4  # complex64 and float32


def launcher(**settings: object) -> list[str]:
    """What is put before the command line of a daemon to have it run so."""
    return [sys.executable, __file__, json.dumps(settings)]


class OneSlice(Reader):
    """Cuts one slice of each run, fills it up to a size, and gives it for all others."""

    def __init__(self, loop: Loop, megabytes: float, slices: int = 0) -> None:
        super().__init__(loop)
        self.slices = slices
        self.loop, self.rows = loop, max(1, round(1e6 * megabytes / BYTES_OF_A_SAMPLE / NODES))
        self.known: dict[RunId, Cut] = {}

    def call(
        self, job: str, then: Callable[[Future[Result]], None], function: Callable[[Path, Unpack[Given]], Result],
        path: Path, *args: *Given, wanted: bool = True,
    ) -> None:  # fmt: skip
        """A look finds as many slices as there are to be."""

        def more(future: Future[Any]) -> None:
            if future.exception() is None:
                facts: RunFacts = future.result()
                times = (facts.times[0] + (facts.cadence or 1.0) * number for number in range(self.slices))
                future = Future()
                future.set_result(replace(facts, times=tuple(times)))
            then(future)

        looks = getattr(function, "__name__", "") == look.__name__
        super().call(job, more if looks and self.slices else then, function, path, *args, wanted=wanted)

    def cut(
        self, job: str, then: Callable[[Future[Cut]], None],
        path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int, held: Held | None = None,
    ) -> None:  # fmt: skip
        """Answer at once: a look at the slice that is known is all that it costs."""
        if run not in self.known:
            self.known[run] = self.filled(path, asked, writing, run)
        header, *arrays = self.known[run].frames
        header = header.replace(_index(ANY_INDEX), _index(index))
        future: Future[Cut] = Future()
        future.set_result(replace(self.known[run], frames=[header, *arrays]))
        self.loop.soon(lambda: then(future))

    def filled(self, path: Path, asked: Asked, writing: Writing | None, run: RunId) -> Cut:
        """The first slice of a run, with so many rows."""
        whole = cut(path, asked, writing, run, 0)
        block = Block(
            channel_out=0,
            uvw=np.zeros((self.rows, 3)),
            frequency=np.linspace(1e9, 2e9, NODES),
            visibility=np.ones((1, self.rows, NODES), np.complex64),
            weight=np.ones((1, self.rows, NODES), np.float32),
        )
        read = decode_slice([bytes(each) for each in whole.frames])
        values = replace(read, blocks=(block,), index=ANY_INDEX, integration=ANY_INDEX)
        return Cut(encode_slice(values), values.nbytes, whole.antennas, 0.0)


def _index(index: int) -> bytes:
    """A number as msgpack writes it."""
    return struct.pack(">BI", 0xCE, index)


def sleeping(seconds: float) -> ImageSlice:
    """Take so long for an image, which holds nothing."""

    def image(values: Slice, device: str, worker: str, waited: float) -> ImageFile:
        time.sleep(seconds)
        return ImageFile(
            values.run, values.index, values.attempt, values.integration, values.label, worker, values.times, False,
            "good", None, None, {"wait": waited, "image": seconds}, (FitsFile("dirty", SMALLEST),),
        )  # fmt: skip

    return image


class Forgetful(Store):
    """A store that keeps no image."""

    def put_all(self, images: Sequence[ImageFile]) -> list[StoreError | None]:
        """Say that all are stored."""
        return [None] * len(images)


def main() -> None:
    """Run the daemon with its parts replaced."""
    settings, command, *sys.argv[1:] = sys.argv[1:]
    given = json.loads(settings)

    def make(arguments: Namespace, loaded: Loaded, loop: Loop) -> Daemon:
        if role == "fip-worker":
            image = sleeping(given["seconds"]) if "seconds" in given else Imager()
            return Worker(arguments.name, CPU, loaded, loop, image)
        if role == "fip-sink":
            return Sink(loaded, loop, Store if given.get("store", True) else Forgetful)
        if "megabytes" in given:
            return Ventilator(
                loaded, loop, lambda loop, within: OneSlice(loop, given["megabytes"], given.get("slices", 0))
            )
        return Ventilator(loaded, loop)

    role = Path(command).name
    parser = ArgumentParser(prog=role)
    if role == "fip-worker":
        parser.add_argument("--name")
    run_daemon(parser, make)


if __name__ == "__main__":
    main()
