"""Several reading children: slices are the same whoever cuts them, one scan does for all, each is replaced alone."""

import os
import shutil
import signal
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from casacore.tables import table

from fip.config import Config
from fip.data.arriving import Writing
from fip.data.errors import LostReaderError
from fip.data.settings import Asked, asked
from fip.layout.reading import readers_for
from fip.source import open_run
from fip.source.child import Child
from fip.source.requests import Cut, Held, RunFacts, cut, look
from fip.ventilator.manifests import Manifests
from fip.ventilator.readers import Readers
from fip.wire.messages import PipelineStatus
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh
from support.ms_writer import Writer

SMALL = asked(size=(64, 64), scale=2e-4)
LIVE = Writing()


def bytes_of(found: Cut) -> bytes:
    """A slice as it is sent."""
    return b"".join(map(bytes, found.frames))


def facts_of(child: Child, path: Path, writing: Writing | None) -> RunFacts:
    """What a child knows of a set, and hands over."""
    return child.call(look, path, SMALL, writing, False, False, 0, None, True)


def test_slices_are_the_same_whoever_cuts_them(many_ms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second child takes the index and the settings of the first, and reads none of the rows for it."""
    with Child.fork() as first:
        facts = facts_of(first, many_ms, None)
        monkeypatch.setattr(open_run, "read_index", None)
        with Child.fork() as second:
            for index in (7, 0, 8):
                mine = first.call(cut, many_ms, SMALL, None, facts.run, index, None)
                other = second.call(cut, many_ms, SMALL, None, facts.run, index, Held(facts.handed))
                assert bytes_of(mine) == bytes_of(other)
        with Child.fork() as third, pytest.raises(RuntimeError, match="not callable"):
            third.call(cut, many_ms, SMALL, None, facts.run, 0, None)
        assert facts.handed
        facts.handed.close()


def test_slices_of_a_growing_set_are_the_same_whoever_cuts_them(tmp_path: Path) -> None:
    """Also those that came after the first child had handed over what it knew; a half-written one is none."""
    ms, many = tmp_path / "live.ms", 9
    with Writer(ms, many) as writer, Child.fork() as first, Child.fork() as second:
        writer.write(2)
        facts = facts_of(first, ms, LIVE)
        assert len(facts.times) == 2
        for known in range(2, many - 1):
            writer.write(1)
            news = first.call(look, ms, SMALL, LIVE, False, False, known, None, False)
            assert (news.known, len(news.times), news.notes) == (known, 1, ())
            mine = first.call(cut, ms, SMALL, LIVE, facts.run, known, None)
            other = second.call(cut, ms, SMALL, LIVE, facts.run, known, Held(facts.handed))
            assert bytes_of(mine) == bytes_of(other)
        with pytest.raises(Exception, match=f"slice {many} is not there"):
            second.call(cut, ms, SMALL, LIVE, facts.run, many, Held(facts.handed))


def test_an_integration_that_is_half_written_is_no_slice_yet(many_ms: Path, tmp_path: Path) -> None:
    """Also for a child that is asked for the one before it, and looks for itself."""
    ms, rows = tmp_path / "half.ms", 28

    def write(first: int, end: int) -> None:
        with (
            closing(table(str(many_ms), ack=False)) as whole,
            closing(table(str(ms), readonly=False, ack=False)) as half,
        ):
            half.addrows(end - first)
            for name in whole.colnames():
                if whole.iscelldefined(name, first):
                    half.putcol(name, whole.getcol(name, first, end - first), first, end - first)

    with closing(table(str(many_ms), ack=False)) as whole:
        whole.copy(str(ms), deep=True, copynorows=True).close()
    for subtable in (each for each in many_ms.iterdir() if each.is_dir()):
        shutil.copytree(subtable, ms / subtable.name, dirs_exist_ok=True)
    write(0, 2 * rows + rows // 2)
    with Child.fork() as late, Child.fork() as fresh:
        run = fresh.call(look, ms, SMALL, LIVE, False, False, 0).run
        late.call(cut, ms, SMALL, LIVE, run, 1, None)
        write(2 * rows + rows // 2, 4 * rows)
        assert bytes_of(late.call(cut, ms, SMALL, LIVE, run, 2, None)) == bytes_of(
            fresh.call(cut, ms, SMALL, LIVE, run, 2, None)
        )


def test_a_set_that_was_written_since_is_not_taken_over(many_ms: Path, tmp_path: Path) -> None:
    """Whoever opens it then looks for itself."""
    path = shutil.copytree(many_ms, tmp_path / "copy.ms")
    with Child.fork() as first, Child.fork() as second, Child.fork() as third:
        facts = facts_of(first, path, None)
        shutil.rmtree(path)
        shutil.copytree(many_ms, path)
        os.utime(path / "table.dat", (1.0, 1.0))
        assert second.call(look, path, SMALL, None, False, False, 0, Held(facts.handed)).run == facts.run
        other = second.call(cut, path, SMALL, None, facts.run, 3, Held(facts.handed))
        assert bytes_of(other) == bytes_of(third.call(cut, path, SMALL, None, facts.run, 3, None))


class Made:
    """A child that answers when it is ordered to."""

    running, waits = True, ""

    def __init__(self) -> None:
        self.asked: list[tuple[int, object]] = []

    @property
    def load(self) -> int:
        """How many calls have not been answered."""
        return len(self.asked)

    def cut(
        self, job: str, then: object, path: Path, asked: Asked, writing: object, run: str, index: int, held: object
    ) -> None:  # fmt: skip
        """Take a call, and note it."""
        self.asked.append((index, then))

    def answer(self) -> None:
        """Answer the first of the calls."""
        index, then = self.asked.pop(0)
        future: Future[int] = Future()
        future.set_result(index)
        then(future)  # type: ignore[operator]


def test_a_call_goes_to_the_child_with_the_least_to_do_and_answers_come_in_any_order(tmp_path: Path) -> None:
    """One that is slow holds up its own slices alone."""
    slow, fast = Made(), Made()
    readers = Readers([slow, fast], Manifests(tmp_path))  # type: ignore[list-item]
    done: list[int] = []
    for index in range(4):
        readers.cut("job", lambda future: done.append(future.result()), Path("a.ms"), SMALL, None, "run", index)  # type: ignore[arg-type]
    assert ([each for each, _ in slow.asked], [each for each, _ in fast.asked]) == ([0, 2], [1, 3])
    fast.answer()
    fast.answer()
    readers.cut("job", lambda future: done.append(future.result()), Path("a.ms"), SMALL, None, "run", 4)  # type: ignore[arg-type]
    fast.answer()
    assert done == [1, 3, 4]
    slow.answer()
    assert done == [1, 3, 4, 0]


def reading_children(mesh: Mesh) -> list[psutil.Process]:
    """The processes that read for the ventilator."""
    return psutil.Process(mesh.daemons["ventilator"].pid).children()


def test_each_child_is_replaced_alone(many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """One is killed and one is stopped in the midst of a run: the other goes on, and the images are as ever."""
    with Mesh(tmp_path / "m", settings="pace = 120\nread_within = 3\nreaders = 2") as mesh:
        job = mesh.submit([many_ms], SELECTION)

        def some(number: int, status: PipelineStatus) -> bool:
            return any(run.stored >= number for run in mesh.job(status, job).runs)

        mesh.wait(lambda status: some(5, status) and len(reading_children(mesh)) == 2)
        first, second = reading_children(mesh)
        first.kill()
        mesh.wait(lambda status: some(40, status))
        assert second.is_running()
        second.send_signal(signal.SIGSTOP)
        mesh.wait_for_job(job)
        assert_whole(mesh.images / job, undisturbed)
        assert len(reading_children(mesh)) == 2
        assert first not in reading_children(mesh)


@pytest.mark.parametrize(
    ("devices", "cores", "number"),
    [
        (["cpu", "cpu"], 2, 1),
        (["cpu"] * 64, 64, 8),
        (["cuda:0", "cuda:1", "cpu"], 32, 5),
        (["cuda:0", "cuda:1"], 2, 1),
        ([], 16, 1),
    ],
)
def test_how_many_read_goes_by_what_they_feed_and_by_cores(devices: list[str], cores: int, number: int) -> None:
    """Unless the layout says it."""
    assert readers_for(Config(), cores, devices) == number
    asked_for = Config.model_validate({"ventilator": {"readers": 5}})
    assert readers_for(asked_for, cores, devices) == 5


def test_a_child_that_dies_of_what_was_handed_over_is_told(many_ms: Path) -> None:
    """It is reported like that of any other call."""
    with Child.fork() as first, Child.fork() as second:
        facts = facts_of(first, many_ms, None)
        second.kill()
        with pytest.raises(LostReaderError):
            second.call(cut, many_ms, SMALL, None, facts.run, 0, Held(facts.handed))
