"""Slices, images and control messages survive the wire; nothing else gets through it."""

from contextlib import suppress
from dataclasses import asdict, replace

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.data.errors import WireError
from fip.data.names import LONGEST_LINE, LONGEST_PATH
from fip.data.settings import Asked, asked
from fip.data.values import MOST_KINDS, FitsFile, WrittenFile
from fip.runtime.door import LIMITS
from fip.runtime.vitals import LONGEST_TEXT, REMEMBERED
from fip.wire import codec as wire
from fip.wire.handing import Given, Wanted
from fip.wire.messages import Control, Failure, Lane, PipelineStatus, RunPlan, SinkOrders, Submit
from fip.wire.status import Logged
from support.made_values import SMALLEST, make_image, make_slice
from support.told_states import pipeline


def sent(frames: list[wire.Frame]) -> list[bytes]:
    """Return frames as they arrive."""
    return [bytes(memoryview(frame)) for frame in frames]


def test_slice_comes_back_as_it_was() -> None:
    """Every value and every array of a slice survives, blocks without rows too."""
    before = make_slice()
    after = wire.decode_slice(sent(wire.encode_slice(before)))
    plain = ("blocks", "sum_of_weights", "visibilities")
    assert {k: v for k, v in asdict(before).items() if k not in plain} == {
        k: v for k, v in asdict(after).items() if k not in plain
    }
    assert len(after.blocks) == len(before.blocks)
    for old, new in zip(before.blocks, after.blocks, strict=True):
        for name in ("uvw", "frequency", "visibility", "weight"):
            np.testing.assert_array_equal(getattr(old, name), getattr(new, name))
            assert getattr(old, name).dtype == getattr(new, name).dtype


def test_slices_without_blocks_come_back() -> None:
    """An integration without a good visibility has none."""
    assert wire.decode_slice(sent(wire.encode_slice(make_slice(())))).blocks == ()


def test_received_arrays_are_not_copied() -> None:
    """The arrays of a slice are the memory of its frames, however many blocks there are."""
    frames = sent(wire.encode_slice(make_slice((3, 5, 4))))
    assert len(frames) == 7
    for block in wire.decode_slice(frames).blocks:
        assert np.shares_memory(np.frombuffer(frames[3]), block.uvw)


def test_a_slice_is_sent_again_with_another_number() -> None:
    """Nothing else of it changes, and no array is touched."""
    frames = sent(wire.encode_slice(make_slice((3,))))
    again = wire.with_attempt(frames, 3)
    assert all(old is new for old, new in zip(frames[1:], again[1:], strict=True))
    before, after = (msgpack.unpackb(each[0]) for each in (frames, again))
    assert after == before | {"slice": before["slice"] | {"attempt": 3}}


def test_image_comes_back_as_it_was() -> None:
    """FITS files and what is said of them survive."""
    for files in ((), (FitsFile("dirty", SMALLEST), FitsFile("psf", SMALLEST + bytes(2880)))):
        before = make_image(*files)
        after = wire.decode_image(sent(wire.encode_image(before)))
        assert asdict(replace(after, files=())) == asdict(replace(before, files=()))
        assert [(each.kind, bytes(each.content)) for each in after.files] == [
            (each.kind, each.content) for each in before.files
        ]


@pytest.mark.parametrize(
    "message",
    [
        Lane("tcp://:5600", "tcp://:5559"),
        Submit("job", ("/a.ms",), asked(size=(64, 32), scale=1e-5), "job"),
        SinkOrders((RunPlan("r", "a", 10, "/a.ms", Asked(), ""),), (Failure("r", 3, 3, "why"),)),
    ],
)
def test_control_comes_back_as_it_was(message: Control) -> None:
    """Control messages survive, tuples and nested values too."""
    assert wire.decode_control(wire.encode_control(message)) == message


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_frames_are_refused(frames: list[bytes]) -> None:
    """Whatever bytes arrive, decoding raises WireError and nothing else."""
    for decode in (wire.decode_slice, wire.decode_image):
        with pytest.raises(WireError):
            decode(frames)
    with pytest.raises(WireError):
        wire.decode_control(frames[0] if frames else b"")


@pytest.mark.parametrize("kind", ["Order", "", 7, None, {}, ["Ask"]])
def test_control_of_no_known_kind_is_refused(kind: object) -> None:
    """A kind that there is not, or that is no text at all, is refused like other damage."""
    frame = msgpack.packb({"v": wire.PROTOCOL, "kind": kind, "message": {}})
    with pytest.raises(WireError, match="unknown kind"):
        wire.decode_control(frame)


@given(st.data())
def test_damaged_slices_hurt_nothing(data: st.DataObject) -> None:
    """A slice with bytes or frames changed decodes to a slice or raises WireError, nothing else."""
    frames = sent(wire.encode_slice(make_slice((2,))))
    number = data.draw(st.integers(0, len(frames) - 1))
    place = data.draw(st.integers(0, max(0, len(frames[number]) - 1)))
    damage = data.draw(st.binary(min_size=0, max_size=3))
    frames[number] = frames[number][:place] + damage + frames[number][place + 1 :]
    with suppress(WireError):
        wire.decode_slice(frames)


def _with_header(frames: list[bytes], **changes: object) -> list[bytes]:
    header = msgpack.unpackb(frames[0])
    return [msgpack.packb(header | changes), *frames[1:]]


def test_what_the_header_claims_is_checked_before_memory_is_taken() -> None:
    """Sizes, dtypes, numbers of frames and grids that do not fit are refused, each with its reason."""
    frames = sent(wire.encode_slice(make_slice((2,))))
    arrays = msgpack.unpackb(frames[0])["arrays"]
    huge = [[name, dtype, [10**9] * len(shape)] for name, dtype, shape in arrays]
    objects = [[name, "|O", shape] for name, dtype, shape in arrays]
    meta = msgpack.unpackb(frames[0])["slice"]
    wide = meta | {"grid": meta["grid"] | {"width": 10**9}}
    for changed, reason in [
        (_with_header(frames, v=99), "version 99"),
        (_with_header(frames, kind="ImageFile"), "kind"),
        (_with_header(frames, arrays=huge), "bytes for dtype"),
        (_with_header(frames, arrays=objects), "dtype"),
        (_with_header(frames, slice=wide), "1000000000 x 32"),
        (_with_header(frames, slice=meta | {"run": "../../etc"}), "not a label"),
        (_with_header(frames, slice=meta | {"effective": []}), "sums do not fit"),
        (_with_header(frames, blocks=[[5, 2, 4]]), "output channel 5 of 1"),
        (_with_header(frames, blocks=[[0, -1, 4]]), "greater than or equal to 0"),
        (_with_header(frames, blocks=[[0, 2**31 - 1, 2**31 - 1]]), "too short"),
        (_with_header(frames, blocks=[[0, 1, 4]]), "too long"),
        (_with_header(frames, blocks=[]), "without blocks"),
        (frames[:-1], "arrays"),
        ([*frames, b""], "arrays"),
    ]:
        with pytest.raises(WireError, match=reason):
            wire.decode_slice(changed)


def test_damaged_images_are_refused() -> None:
    """An image with a bit turned, of a wrong length, or that is no FITS file is refused."""
    frames = sent(wire.encode_image(make_image()))
    turned = frames[1][:100] + b"\x01" + frames[1][101:]
    with pytest.raises(WireError, match="digest"):
        wire.decode_image([frames[0], turned])
    for content in (b"SIMPLE  = " + bytes(100), bytes(2880)):
        with pytest.raises(WireError, match="not a FITS file"):
            wire.decode_image(sent(wire.encode_image(make_image(FitsFile("dirty", content)))))
    with pytest.raises(WireError, match="label"):
        wire.decode_image(sent(wire.encode_image(replace(make_image(), label="../x"))))


def test_what_stands_for_files_that_a_worker_wrote_comes_back_as_it_was() -> None:
    """Their bytes are in no frame; they belong together as files do, and are not mixed with such as have bytes."""
    dirty, psf = (WrittenFile(kind, 1 << 26, bytes(range(8)), kind) for kind in ("dirty", "psf"))
    before = replace(make_image(), files=(), written=(dirty, psf))
    frames = sent(wire.encode_image(before))
    assert len(frames) == 1
    after = wire.decode_image(frames)
    assert asdict(after) == asdict(before)
    assert (after.size, [file.kind for file in after.parts]) == (1 << 27, ["dirty", "psf"])
    for written in ((), (psf,), (dirty, dirty), (psf, dirty)):
        with pytest.raises(WireError, match="belong together"):
            wire.decode_image(sent(wire.encode_image(replace(before, written=written))))
    with pytest.raises(WireError, match="belong together"):
        wire.decode_image([*frames, SMALLEST])
    with pytest.raises(WireError, match="in its message"):
        wire.decode_image(sent(wire.encode_image(replace(make_image(), written=(dirty,)))))
    for wrong in (replace(dirty, digest=b""), replace(dirty, size=-1), replace(dirty, token="../x")):
        with pytest.raises(WireError, match="written"):
            wire.decode_image(sent(wire.encode_image(replace(before, written=(wrong,)))))


@given(st.binary(max_size=200), st.integers(-2, 1 << 70))
def test_questions_for_files_come_back_as_they_were_or_are_refused(junk: bytes, number: int) -> None:
    """What is no question raises WireError, and nothing else; so does one for none or too many."""
    wanted, given_ = Wanted("boot", "r", 3, "head/cpu0", 2, "head", b"ticket"), Given(("a" * 32,), False)
    assert (wire.unpack(wire.pack(wanted), Wanted), wire.unpack(wire.pack(given_), Given)) == (wanted, given_)
    for frame in (junk, wire.pack(given_), wire.pack(replace(wanted, files=0)), wire.pack(replace(wanted, run="../x"))):
        with pytest.raises(WireError):
            wire.unpack(frame, Wanted)
    if not 1 <= number <= MOST_KINDS and number < 1 << 64:
        with pytest.raises(WireError):
            wire.unpack(wire.pack(replace(wanted, files=number)), Wanted)


def test_images_with_files_missing_are_refused() -> None:
    """A point spread function without its image, a file twice, or a frame too few: all files come, or none."""
    dirty, psf = FitsFile("dirty", SMALLEST), FitsFile("psf", SMALLEST)
    for files in ((psf,), (dirty, dirty), (psf, dirty), (dirty, psf, psf)):
        with pytest.raises(WireError, match="belong together"):
            wire.decode_image(sent(wire.encode_image(make_image(*files))))
    for frames in (sent(wire.encode_image(make_image(dirty, psf)))[:-1], sent(wire.encode_image(make_image()))[:1]):
        with pytest.raises(WireError, match="belong together"):
            wire.decode_image(frames)


def test_a_status_of_any_length_is_heard() -> None:
    """With a hundred workers that have all a worker can say, and jobs without end, what goes on is still sent."""
    text = "é" * LONGEST_TEXT
    errors = tuple(Logged(1.8e9, "warning", text) for _ in range(REMEMBERED))
    said = pipeline(1, workers=100)
    workers = tuple(replace(each, status=replace(each.status, errors=errors)) for each in said.workers)
    (running,) = said.jobs
    runs = tuple(replace(running.runs[0], run=f"{number}") for number in range(200))
    ended = tuple(replace(running, job=f"{number}", state="done", runs=runs) for number in range(100))
    long = replace(said, workers=workers, jobs=(*ended, running))
    with pytest.raises(WireError, match="of which a message has"):
        wire.encode_control(long)
    heard = wire.decode_control(wire.encode_status(long))
    assert isinstance(heard, PipelineStatus)
    assert [each.status.identity for each in heard.workers] == [each.status.identity for each in workers]
    assert [(job.job, job.state) for job in heard.jobs] == [(job.job, job.state) for job in long.jobs]
    assert heard.jobs[-1] == running
    assert wire.decode_control(wire.encode_status(said)) == said
    frame, steps = wire.encode_shortened(long)
    assert steps > 0
    assert wire.encode_shortened(long, steps) == (frame, steps), "where less would not do it is not tried"


def test_a_status_is_told_whatever_there_is_to_tell() -> None:
    """Names, paths and reasons of the greatest lengths, of as many jobs and workers as there may be."""
    said, long = pipeline(1, workers=LIMITS["ventilator.control"].most), "é" * LONGEST_LINE
    (job,) = said.jobs
    path = "/" + "a" * (LONGEST_PATH - 1)
    run = replace(job.runs[0], measurement_set=path)
    for jobs, workers in (
        ((replace(job, paths=(path,) * 1000, reason=10 * long, runs=(run,) * 1000),), said.workers),
        (tuple(replace(job, job=f"{n}", paths=(path,), reason=10 * long, runs=(run,)) for n in range(1100)), ()),
        ((job,), tuple(replace(w, status=replace(w.status, device=long, version=long)) for w in said.workers)),
        ((job,), tuple(replace(w, status=replace(w.status, host=long, name=long)) for w in said.workers)),
    ):
        frame = wire.encode_status(replace(said, jobs=jobs, workers=workers))
        assert len(frame) <= wire.MAXIMUM_HEADER
        heard = wire.decode_control(frame)
        assert isinstance(heard, PipelineStatus)
        assert heard.jobs[-1].job == jobs[-1].job
        assert heard.jobs[-1].reason == jobs[-1].reason[: len(heard.jobs[-1].reason)]
