"""Images that their worker writes into files of the sink's: what is stored, what is refused, when bytes are sent."""

import errno
import mmap
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fip.archive.verify import verify
from fip.data.values import FitsFile, ImageFile
from fip.fits.fitsfile import PAGE
from fip.runtime import descriptors, sockets
from fip.sink import handing
from fip.wire.codec import pack, unpack
from fip.wire.handing import LONGEST_MESSAGE, Given, Wanted
from fip.wire.messages import Followed
from fip.wire.tickets import ticket
from fip.worker import writing
from support.handed import WORKER, SinkHere, WorkerHere
from support.stored_run import RUN, stored_image

SECRET = b"of the ventilator and the sink"


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SinkHere]:
    """A sink that gives files to workers."""
    with SinkHere(tmp_path, monkeypatch) as sink:
        yield sink


@pytest.fixture
def worker(sink: SinkHere) -> Iterator[WorkerHere]:
    """Run a worker of this sink."""
    with WorkerHere(sink) as worker:
        yield worker


def image(index: int) -> ImageFile:
    """An image by this worker, with a second file."""
    made = stored_image(RUN, index)
    return replace(made, worker=WORKER, files=(*made.files, replace_kind(made.files[0])))


def replace_kind(file: FitsFile) -> FitsFile:
    """The same as a point spread function."""
    card, other = b"BTYPE   = 'Intensity'", b"BTYPE   = 'Beam     '"
    return FitsFile("psf", in_pages(bytes(file.content).replace(card, other)))


def in_pages(content: bytes) -> memoryview:
    """The same bytes in memory that begins at a page, as `fits_bytes` gives it."""
    room = mmap.mmap(-1, len(content))
    room[:] = content
    return memoryview(room)


def stored(sink: SinkHere) -> dict[str, bytes]:
    """What is in its directory under names of FIP's."""
    return {path.name: path.read_bytes() for path in sink.images.iterdir() if path.suffix in (".fits", ".tmp")}


def asked(sink: SinkHere, index: int, **changed: Any) -> tuple[socket.socket, Wanted]:
    """A connection of this process's own, and a question."""
    files = sink.state.brief.files
    assert files
    wanted = replace(Wanted(files.boot, RUN, index, WORKER, 1), **changed)
    opened = descriptors.connect(files.socket, 10.0)
    opened.send(pack(wanted))
    return opened, wanted


def answer(sink: SinkHere, opened: socket.socket) -> tuple[Given, list[int]]:
    """Return what the sink answers, with its descriptors."""
    sink.until(lambda: waits(opened))
    message, given = descriptors.take(opened, LONGEST_MESSAGE, 16)
    return unpack(message, Given), given


def waits(opened: socket.socket) -> bool:
    """Whether an answer, or the end, has come."""
    return not descriptors.is_open(opened)


@pytest.mark.parametrize("followed", [False, True])
def test_what_a_worker_writes_is_stored_as_what_it_sends(sink: SinkHere, worker: WorkerHere, followed: bool) -> None:
    """Past the page cache, or through it if somebody follows; every byte, each file, nothing else; in the ledger."""
    sink.order(followed=[Followed("one", "", RUN, 0, 0, "/f")] if followed else [])
    for index in range(2):
        handed = worker.written(image(index))
        assert handed.written is handed.now
        assert len(handed.now.written) == 2
        worker.send(handed.now)
    worker.send(image(2))
    assert sink.counted("images", "written", "bad_messages") == (3, 2, 0)
    made = {
        f"night-t{index:06d}-{file.kind}.fits": bytes(file.content) for index in range(3) for file in image(index).files
    }
    assert stored(sink) == made
    assert verify(sink.images, digests=True) == 0


def test_a_file_ends_where_its_image_does(sink: SinkHere, worker: WorkerHere) -> None:
    """Whole pages are written past the page cache; an image is none, and begins at one in memory."""
    made = stored_image(RUN, 0)
    content = made.files[0].content
    assert len(content) % PAGE
    handed = worker.written(replace(made, worker=WORKER))
    worker.send(handed.now)
    assert stored(sink) == {"night-t000000-dirty.fits": bytes(content)}


def test_a_digest_is_the_workers_word_and_verify_finds_what_it_is_not(sink: SinkHere, worker: WorkerHere) -> None:
    """A worker that states another spoils its own slice: it is found when all is read."""
    handed = worker.written(image(0))
    assert handed.written
    dirty, psf = handed.written.written
    worker.send(replace(handed.written, written=(replace(dirty, digest=bytes(8)), psf)))
    said = list[str]()
    assert (verify(sink.images), verify(sink.images, digests=True, say=said.append)) == (0, 1)
    assert said[0] == "night-t000000-dirty.fits has changed: its content is not what was stored"


def test_what_could_still_be_written_to_is_not_taken(sink: SinkHere) -> None:
    """A descriptor that was kept: once it is closed, the image is."""
    with WorkerHere(sink) as worker:
        kept: list[int] = []
        fill = writing.fill

        def keeping(descriptor: int, file: FitsFile, direct: bool) -> None:
            fill(descriptor, file, direct)
            kept.append(os.dup(descriptor))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "fill", keeping)
            handed = worker.written(image(0))
        worker.send(handed.now)
        assert (sink.counted("images", "bad_messages"), stored(sink)) == ((0, 1), {})
        for each in kept:
            os.close(each)
        worker.send(worker.written(image(0)).now)
        assert sink.counted("images", "written") == (1, 1)


@pytest.mark.parametrize("fault", ["size", "other slice", "no image", "token", "kinds"])
def test_what_is_not_the_image_that_is_meant_is_not_taken(sink: SinkHere, worker: WorkerHere, fault: str) -> None:
    """Its size and its header are looked at, and whose file it is; then the image is stored with its bytes."""
    made, other = image(0), image(1)
    content = in_pages(bytes(2880)) if fault == "no image" else made.files[0].content
    content = other.files[0].content if fault == "other slice" else content
    handed = worker.written(replace(made, files=(FitsFile("dirty", content), made.files[1]))).written
    assert handed
    dirty, psf = handed.written
    changed = {
        "size": (replace(dirty, size=dirty.size + 2880), psf),
        "token": (replace(dirty, token="f" * 32), psf),
        "kinds": (psf, dirty),
    }.get(fault, (dirty, psf))
    worker.send(replace(handed, written=changed))
    assert (sink.counted("images", "bad_messages"), stored(sink)) == ((0, 1), {})
    worker.send(made)
    assert sink.counted("images") == (1,)


def test_a_file_is_for_the_slice_that_it_was_asked_for(sink: SinkHere, worker: WorkerHere) -> None:
    """An image that was written into another slice's file is not taken, whatever its header says."""
    made, other = image(0), image(1)
    handed = worker.written(replace(other, files=made.files)).written
    assert handed
    worker.send(replace(made, files=(), written=handed.written))
    assert (sink.counted("images", "bad_messages"), stored(sink)) == ((0, 1), {})


def test_files_are_given_for_what_is_leased_and_wanted(sink: SinkHere, worker: WorkerHere) -> None:
    """The ticket of the slice is needed; not of another run or sink, and not for what is stored already."""
    sink.order(tickets=SECRET)
    good = ticket(SECRET, RUN, 0, WORKER, "")
    cases: list[tuple[int, dict[str, Any], int]] = [
        (0, {"ticket": good}, 1),
        (0, {"ticket": b""}, 0),
        (1, {"ticket": good}, 0),
        (0, {"ticket": good, "worker": "head/cpu1"}, 0),
        (0, {"ticket": good, "run": "f" * 32}, 0),
        (0, {"ticket": good, "boot": "another"}, 0),
    ]
    for index, said, files in cases:
        opened, _ = asked(sink, index, **said)
        given, got = answer(sink, opened)
        assert (len(given.tokens), len(got), bool(given.reason)) == (files, files, not files), said
        for each in [opened.detach(), *got]:
            os.close(each)
    worker.send(replace(image(0), ticket=good))
    opened, _ = asked(sink, 0, ticket=good)
    assert answer(sink, opened)[0].reason
    opened.close()


def test_who_asks_for_too_much_waits_and_what_the_gone_leave_is_closed(sink: SinkHere) -> None:
    """So many for one worker; the next answer comes when an image is stored, or when nobody hands it on in time."""
    opened, wanted = asked(sink, 0)
    got = list[int]()
    for index in range(handing.MOST_OF_ONE):
        given, more = answer(sink, opened)
        assert given.tokens
        got += more
        opened.send(pack(replace(wanted, index=index + 1)))
    other, _ = asked(sink, 9)
    got += answer(sink, other)[1]
    assert not waits(opened)
    sink.sink._handing.passed(handing.KEPT - 1)  # noqa: SLF001
    assert not waits(opened)
    sink.sink._handing.passed(1)  # noqa: SLF001
    given, more = answer(sink, opened)
    assert given.tokens
    opened.close()
    sink.until(lambda: not sink.sink._handing._peers or len(sink.sink._handing._peers) == 1)  # noqa: SLF001
    registry = sink.sink._stores[""].opened  # noqa: SLF001
    assert given.tokens[0] in registry
    sink.sink._handing.passed(handing.KEPT_OF_THE_GONE)  # noqa: SLF001
    assert given.tokens[0] not in registry
    other.close()
    for each in got + more:
        os.close(each)


def test_a_stranger_and_what_is_no_question_are_cut_off(sink: SinkHere, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user is not let in, and to what is no question there is no answer; others are answered all the same."""
    files = sink.state.brief.files
    assert files
    opened = descriptors.connect(files.socket, 10.0)
    opened.send(b"junk")
    sink.until(lambda: waits(opened))
    assert opened.recv(100) == b""
    assert sink.counted("bad_messages") == (1,)
    opened.close()
    with monkeypatch.context() as patch:
        user_at = sockets.user_at
        patch.setattr(descriptors, "user_at", lambda connection: user_at(connection) + 1)
        with pytest.raises(PermissionError):
            descriptors.connect(files.socket, 10.0)
        stranger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stranger.connect(files.socket)
        sink.until(lambda: waits(stranger))
        assert stranger.recv(100) == b""
        stranger.close()
    opened, _ = asked(sink, 0)
    given, got = answer(sink, opened)
    assert given.tokens
    for each in [opened.detach(), *got]:
        os.close(each)


def test_of_a_sink_that_has_ended_nothing_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written into its files goes to the next one with its bytes, and leaves nothing."""
    with SinkHere(tmp_path, monkeypatch) as sink:
        worker = WorkerHere(sink)
        handed = worker.written(image(0))
        assert handed.now is handed.written
        worker.socket.close()
    assert handed.now is handed.whole
    assert stored(sink) == {}
    with SinkHere(tmp_path, monkeypatch) as following, WorkerHere(following) as again:
        assert handed.written
        again.send(handed.written)  # as one that was on its way: it is lost, and made again
        again.send(handed.now)
        assert following.counted("images", "written", "bad_messages") == (1, 0, 1)
    worker.writing.close()


def _no_unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without files that have no name."""
    real = os.open

    def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return real(path, flags, *rest, **named)

    monkeypatch.setattr("os.open", opened)


def test_a_file_may_need_a_name_until_it_is_whole(
    sink: SinkHere, worker: WorkerHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the name of a temporary file, which the next sink removes; nothing is left if nobody hands it on."""
    _no_unnamed(monkeypatch)
    handed = worker.written(image(0))
    assert handed.written
    assert len(stored(sink)) == 2
    assert all(name.startswith(".fip-") for name in stored(sink))
    worker.send(handed.now)
    worker.written(image(1))
    sink.sink._handing.passed(handing.KEPT)  # noqa: SLF001
    assert sorted(stored(sink)) == ["night-t000000-dirty.fits", "night-t000000-psf.fits"]
    assert sink.counted("written") == (1,)


def test_where_it_cannot_be_images_go_with_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system, one that only writes through the page cache, a full disk, a closed folder, no leases."""

    def refused(number: int) -> Any:
        def call(*given: Any) -> None:
            raise OSError(number, os.strerror(number))

        return call

    cases: list[tuple[str, Any]] = [
        ("fip.sink.opened.network_type", lambda path: "nfs4"),
        ("fip.sink.opened.set_direct", refused(errno.EINVAL)),
        ("fip.worker.writing.set_direct", refused(errno.EINVAL)),
        ("os.pwritev", refused(errno.ENOSPC)),
        ("fip.worker.writing.connect", refused(errno.EACCES)),
        ("fip.archive.new_file.fcntl.fcntl", refused(errno.EINVAL)),
    ]
    for number, (name, wrong) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as patch, SinkHere(folder, monkeypatch) as sink, WorkerHere(sink) as worker:
            patch.setattr(name, wrong)
            handed = worker.written(image(0))
            assert handed.now is handed.whole, name
            worker.send(handed.now)
            assert sink.counted("images", "written", "bad_messages") == (1, 0, 0)


def test_small_images_and_those_of_other_hosts_go_with_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked for them."""
    with SinkHere(tmp_path, monkeypatch, written_from="1MB") as sink, WorkerHere(sink) as worker:
        assert worker.written(image(0)).written is None
        sink.until(lambda: True)
        assert not sink.sink._handing._peers  # noqa: SLF001


def test_a_sink_that_cannot_listen_takes_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket's path is taken by somebody who listens there; the next one after that has it."""
    with descriptors.listen(tmp_path / "in.fd"), SinkHere(tmp_path, monkeypatch) as sink:
        assert sink.state.brief.files is None
    with SinkHere(tmp_path, monkeypatch) as sink:
        assert sink.state.brief.files
