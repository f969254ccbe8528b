"""Whatever comes to a ventilator or a worker hurts its sender alone: both live, and the next job is done."""

import math
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgpack
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from fip.client.operator import new_job
from fip.data.errors import UsageError, WireError
from fip.data.settings import Asked, Imaging, Selection
from fip.data.values import Beam, ImageFile, Statistics
from fip.runtime.sockets import control_socket
from fip.ventilator.job_queue import Queue
from fip.ventilator.supply import refusal
from fip.wire.codec import PROTOCOL, decode_control, encode_control
from fip.wire.messages import (
    Ask,
    Control,
    Follow,
    Lane,
    SinkBrief,
    SinkState,
    Submit,
    Vet,
    WorkerBrief,
    WorkerState,
)
from fip.wire.status import AntennaHealth
from support import told_states
from support.many_slices import SELECTION
from support.mesh import SCRIPTS, Mesh

WORKER = told_states.with_brief(told_states.worker("bad", 0), lane="", sink="", holds=(), working=None)
SINK = SinkState(SinkBrief("head", "s", "ipc://sink", "", (), ""), told_states.status("sink", "sink", 0))


def packed(kind: str, **message: object) -> bytes:
    """A message of any content."""
    return msgpack.packb({"v": PROTOCOL, "kind": kind, "message": message})


def with_p50(value: object) -> bytes:
    """A worker that works, and took so long for an image."""
    said = msgpack.unpackb(encode_control(WORKER))
    said["message"]["status"]["latencies"]["image"]["p50"] = value
    return bytes(msgpack.packb(said))


BAD = [
    msgpack.packb({"v": PROTOCOL, "kind": {}}),
    msgpack.packb({"v": {}, "kind": "Ask"}),
    msgpack.packb({1: 2}),
    packed("Cancel", job={}),
    packed("Cancel", job=b"x" * 1000),
    packed("Vet", request="a", directory="..", event="e", said="rfi", user=""),
    packed("Vet", request="a", directory="", event="e", said="nonsense", user=""),
    packed("Submit", job={}, paths=["/a"], asked={}, directory=""),
    packed("Submit", job="a", paths=["/a\0b.ms"], asked={}, directory=""),
    packed("Submit", job="a", paths=["/" + "a" * 5000], asked={}, directory=""),
    packed("Submit", job="a", paths=[], asked={}, directory=""),
    packed("Submit", job="a", paths=["/a"], asked={}, directory="", pace=math.nan),
    packed("Submit", job="a", paths=["/a"], asked={}, directory="", pace=1e-300),
    packed("Submit", job="a", paths=["/a"], asked={}, directory="", follow=[math.inf, 1]),
    with_p50(math.nan),
    with_p50(math.inf),
    with_p50(1e300),
    encode_control(told_states.with_brief(WORKER, ages=(math.nan,))),
    encode_control(told_states.with_brief(WORKER, working_for=math.inf)),
    encode_control(told_states.with_brief(WORKER, name="n" * 100_000)),
    encode_control(replace(SINK, brief=replace(SINK.brief, images="xyz://here"))),
    encode_control(replace(SINK, brief=replace(SINK.brief, images="tcp://here"))),
    encode_control(told_states.receiver(0, spool="/s" * 50_000)),
    encode_control(told_states.receiver(0, samples=1.5)),
    encode_control(told_states.receiver(0, cadence=math.inf)),
    encode_control(told_states.receiver(0, warns=("dust",) * 17)),
]


@pytest.mark.parametrize("frame", BAD, ids=range(len(BAD)))
def test_what_cannot_be_worked_with_is_refused_before_anything_is_done_with_it(frame: bytes) -> None:
    """No exception but WireError leaves the decoder."""
    with pytest.raises(WireError):
        decode_control(frame)


JUNK = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SUBMIT = Submit("job", ("/a.ms",), Asked(), "job", 2.0, Follow(1.0, 2.0))
VET = Vet("request", "job", "event", "rfi", "anna")
RECEIVER = told_states.receiver(0)
WHO = (WORKER, WORKER.brief, SINK, SINK.brief, RECEIVER, RECEIVER.brief)
SAID = [encode_control(each) for each in (*WHO, SUBMIT, VET, Ask())]


@given(st.sampled_from(SAID), st.data())
def test_valid_messages_with_anything_in_them_decode_or_are_refused(frame: bytes, data: st.DataObject) -> None:
    """One value, at any depth, is replaced by another of any type; what is taken can be said again."""
    said = msgpack.unpackb(frame)
    places = list(_places(said))
    container, key = data.draw(st.sampled_from(places))
    container[key] = data.draw(JUNK)
    try:
        decoded = decode_control(msgpack.packb(said))
    except WireError:
        return
    assert all(map(math.isfinite, _floats(decoded)))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the places at which a value may be replaced."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            yield from _floats(getattr(value, item.name))
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from _floats(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from _floats(each)


def test_every_number_and_text_of_a_message_has_its_limits() -> None:
    """No field of a message, nor of an image's header, is any float, int or str that there is."""
    loose = {f"{kind.__name__}.{name}" for kind in (*get_args(Control), ImageFile) for name in _loose(kind, set())}
    assert loose == set()


OTHERS = (Asked, Imaging, Selection, AntennaHealth, Beam, Statistics)
"""Held to limits of their own, said by the ventilator alone, or nothing to others: the ledger has no value for NaN."""


def _loose(kind: Any, seen: set[Any]) -> Iterator[str]:
    """The fields, at any depth, of a type that has no limits."""
    if kind in seen or kind in OTHERS or not is_dataclass(kind):
        return
    seen.add(kind)
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for part in _parts(hint):
            if part in (float, int, str):
                yield name
            yield from (f"{name}.{inner}" for inner in _loose(part, seen))


def _parts(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, UnionType, tuple, dict):
        for part in get_args(hint):
            yield from _parts(part)
    elif get_origin(hint) not in (Annotated, Literal):
        yield hint


def test_a_ventilator_takes_none_of_it_and_does_the_next_job(many_ms: Path, tmp_path: Path) -> None:
    """All of it, said by one peer over and over, beside a worker and a sink; a loop of links fails its job alone."""
    (tmp_path / "a.ms").symlink_to(tmp_path / "b.ms")
    (tmp_path / "b.ms").symlink_to(tmp_path / "a.ms")
    selection = replace(SELECTION, source=replace(SELECTION.source, interval=(0, 5)))
    with Mesh(tmp_path / "m", workers=1) as mesh, zmq.Context() as context:
        mesh.wait(lambda status: bool(status.sink and status.workers))
        with control_socket(context, zmq.DEALER) as dealer:
            dealer.connect(mesh.config.ventilator.control)
            for frame in (*BAD, *BAD):
                dealer.send(frame)
            mesh.wait(lambda status: status.ventilator.counters["bad_messages"] == 2 * len(BAD))
        with control_socket(context, zmq.DEALER) as dealer:  # of the first, little is read for now
            dealer.connect(mesh.config.ventilator.control)
            dealer.send(encode_control(Submit("looped", (str(tmp_path / "a.ms"),), Asked(), "looped")))
            mesh.wait(lambda status: mesh.job(status, "looped").state == "failed")
        mesh.wait_for_job(mesh.submit([many_ms], selection))
        assert all(daemon.poll() is None for daemon in mesh.daemons.values())
        assert "Traceback" not in mesh.log


def test_a_worker_outlives_an_address_that_is_none(tmp_path: Path) -> None:
    """The address is that of its lane, or of the sink; it says so and takes the next that it is sent."""
    bad = [Lane("ipc://l", "xyz://sink"), Lane("xyz://lane", f"ipc://{tmp_path}/s"), Lane("ipc://" + "l" * 300, "")]
    good = Lane(f"ipc://{tmp_path}/lane", f"ipc://{tmp_path}/sink")
    address = f"ipc://{tmp_path}/control"
    with zmq.Context() as context, control_socket(context, zmq.ROUTER) as router:
        router.bind(address)
        worker = subprocess.Popen(
            [SCRIPTS / "fip-worker", "--ventilator", address], stderr=subprocess.PIPE, text=True
        )  # fmt: skip
        try:
            for lane in (*bad, *bad, good):
                route, _ = router.recv_multipart()
                router.send_multipart([route, encode_control(lane)])
            while (said := decode_control(router.recv_multipart()[1])) and isinstance(said, WorkerState | WorkerBrief):
                brief = said.brief if isinstance(said, WorkerState) else said
                if brief.lane == good.lane:
                    break
            assert brief.sink == good.sink
        finally:
            worker.kill()
            _, log = worker.communicate()
    assert "from the ventilator: 'xyz://sink' cannot be connected to: Protocol not supported" in log
    assert "Traceback" not in log


def test_a_row_of_the_queue_that_is_none_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is in it; a warning has its name, the others are there, and the row stays."""
    path = tmp_path / "jobs.sqlite"
    queue = Queue(path)
    for name in ("one", "two"):
        queue.add(Submit(name, ("/a.ms",), Asked(), name))
    queue.close()
    row = "INSERT INTO jobs VALUES (?, ?, ?, ?, ?)"
    good = '{"job": "%s", "paths": ["/a.ms"], "asked": {}, "directory": "d"}'
    rows: list[tuple[object, ...]] = [
        ("b1", "not JSON", "queued", "", 0.0),
        ("b2", "[1, 2]", "queued", "", 0.0),
        ("b3", good % "b4", "queued", "", 0.0),
        ("b5", good % "b5", "sleeping", "", 0.0),
        ("b6", good % "b6", "queued", "", "yesterday"),
        ("b7", b"\xff\xfe", "queued", "", 0.0),
        ("b8", '{"job": "b8", "paths": ["/a\\u0000b"], "asked": {}, "directory": "d"}', "queued", "", 0.0),
        ("b9", '{"selection": {}}', "queued", "", 0.0),
        ("b10", good.replace("{}", '{"imaging": {"scale": NaN}}') % "b10", "queued", "", 0.0),
    ]
    with sqlite3.connect(path) as database:
        database.executemany(row, rows)
    database.close()
    queue = Queue(path)
    assert [submit.job for submit, *_ in queue.jobs()] == ["one", "two"]
    queue.close()
    told = [record.getMessage() for record in caplog.records if "cannot be read and is left out" in record.getMessage()]
    assert len(told) == len(rows)
    assert all(any(f" job '{name}' cannot" in line for line in told) for name, *_ in rows)


def test_a_path_that_leads_nowhere_is_a_users_mistake(tmp_path: Path) -> None:
    """Links that lead to each other: one line, at the ventilator and at `fip submit`."""
    (tmp_path / "a.ms").symlink_to(tmp_path / "b.ms")
    (tmp_path / "b.ms").symlink_to(tmp_path / "a.ms")
    if sys.version_info < (3, 13):  # later, what is not there is the same
        assert "a.ms: leads nowhere" in refusal(str(tmp_path / "a.ms"), (tmp_path,))
        with pytest.raises(UsageError, match="leads nowhere"):
            new_job([tmp_path / "a.ms"], Asked())
