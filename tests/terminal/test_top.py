"""`fip top`: what is on the screen, through Textual's pilot and in a real pseudo-terminal."""

import asyncio
import fcntl
import html
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyte
import pytest

from fip.state.pipeline import PipelineState
from fip.state.transients import TransientsView
from fip.terminal.top import Top
from fip.wire.messages import Departure, Failure, PipelineStatus
from fip.wire.status import Latency, Logged, SocketEvent
from support.fip_command import FIP, WITHIN, fip, started
from support.pipeline_states import running, state
from support.told_states import antennas, pipeline, status, when, with_brief, with_run, worker

NARROW, WIDE = (80, 24), (140, 40)
HOSTILE = "[red]a[/red]\x1b[31m\x07"


def screen(states: Sequence[PipelineState], *keys: str, size: tuple[int, int] = NARROW) -> str:
    """What is on the screen after these states, and after these keys."""

    async def watch() -> str:
        app = Top(lambda: iter(states), "obs.fip")
        async with app.run_test(size=size) as pilot:
            await app.workers.wait_for_complete()
            for key in keys:
                await pilot.press(key)
            await pilot.pause()
            return app.export_screenshot()

    lines: defaultdict[float, list[tuple[float, str]]] = defaultdict(list)
    for x, y, text in re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', asyncio.run(watch())):
        lines[float(y)].append((float(x), html.unescape(text).replace("\xa0", " ")))
    return "\n".join("".join(text for _, text in sorted(parts)) for _, parts in sorted(lines.items()))


def three() -> PipelineStatus:
    """A pipeline with three workers, the second of them slow, and a fourth that died."""
    said = pipeline(30)
    first, third = (worker(f"cpu{number}", 30) for number in (0, 2))
    slow = status("worker", "cpu1", 30)
    latencies = {"image": Latency(9, 9.0, 1.0, 7.0, 8.0)}
    second = replace(with_brief(worker("cpu1", 30), working_for=9.0), status=replace(slow, latencies=latencies))
    dead = Departure(status("worker", "cpu9", 29), when(29), "died")
    return replace(said, workers=(first, second, third), departed=(dead,))


def order(text: str) -> list[str]:
    """Return the workers from above to below."""
    return re.findall(r"head/(cpu\d)", text)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_the_screen(size: tuple[int, int]) -> None:
    """Verdict, rate, time left, bottleneck, each stage and worker: nothing is cut off at 80 columns."""
    text = screen([running()], size=size)
    for part in (
        "keeping up · 4 images/s · 6:56:20 left · the workers hold it up", "80/100,000",
        "30% busy  head · 4 slices/s · 4 kB/s", "95% busy  2 of 2 running · image 400 ms",
        "10% busy  head · 4 images/s · 100 GB free", "head/cpu0  running  40 for 300 ms",
        "q Quit", "s Sort", "d Details", "f Failures", "e Errors", "a Antennas", "p All",
    ):  # fmt: skip
        assert part in text
    assert ("memory" in text) == (size == WIDE)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_antennas_that_are_ill_are_named(size: tuple[int, int]) -> None:
    """Below those that stand out, and the first on the page of all; of a hostile name nothing acts on the terminal."""
    assert "antennas obs: 16 with data · 5% of samples flagged · none stands out" in screen([running()], size=size)
    ill = state(replace(pipeline(40), antennas=antennas(m03=(1.0, None), m07=(0.05, 10.0), **{HOSTILE: (0.9, 1.0)})))
    text = screen([ill], size=size)
    assert "antennas obs: 17 with data · 5% of samples flagged" in text
    assert "2 flagged away: m03, [red]a[/red]�[31m� 90%" in text
    assert "1 of unlike amplitude: m07 ×10" in text
    page = screen([ill], "a", size=size)
    rows = re.findall(r"([^│\s]+?) *[█░]+ *(\d+%) +(×[\d.]+|–)", page)
    assert rows[:2] == [("m03", "100%", "–"), ("[red]a[/red]�[31m�", "90%", "×1")]
    assert [name for name, _, _ in rows][2:5] == ["m07", "m00", "m01"]


def test_a_later_state_replaces_the_one_before() -> None:
    """What failed is shown at once, too."""
    text = screen([running(), state(with_run(pipeline(41), failed=2, stored=90))])
    assert "failing" in text
    assert "2 of 100,000 slices of obs failed" in text
    assert "90/100,000" in text
    assert "keeping up" not in text


def test_what_is_under_way_is_shown_before_what_is_over() -> None:
    """Of many runs, even if others were submitted and done later."""
    said = pipeline(40)
    (job,) = said.jobs
    done = replace(job.runs[0], stored=job.runs[0].total)
    others = tuple(replace(job, job=name, state="done", runs=(replace(done, name=name),)) for name in "abcdef")
    text = screen([state(replace(said, jobs=(job, *others)))])
    assert re.findall(r"(\w+?) *(?:running|done) *[█░]+", text) == ["obs", "f", "e"]


def test_workers_are_sorted() -> None:
    """The order is by name, then what needs a look first, then the longest at work, the fastest, the slowest."""
    states = [state(three())]
    assert order(screen(states))[-4:] == ["cpu0", "cpu1", "cpu2", "cpu9"]
    assert order(screen(states, "s"))[-4:] == ["cpu9", "cpu0", "cpu1", "cpu2"]
    assert order(screen(states, "s", "s"))[-4:] == ["cpu1", "cpu0", "cpu2", "cpu9"]
    assert order(screen(states, "s", "s", "s", "s"))[-4] == "cpu1"


def test_the_details_of_a_worker_follow_it() -> None:
    """The cursor stays on its worker when others come before it, and its page goes on with the state."""
    text = screen([state(three())], "down", "enter")
    assert re.search(r"head/cpu1 · head\b.*\n.*state: running, last word 200 ms ago", text)
    assert re.search(r"image +9 *1.0 s *7.0 s *8.0 s", text)
    assert "time: 95% busy, 5% idle" in screen([running()], "d")
    assert "keeping up" in screen([running()], "d", "escape")
    assert "head/cpu9 · head · died" in screen([state(three())], "s", "up", "d")


def test_failures_and_errors() -> None:
    """Reasons in full; text from a socket neither is markup nor acts on the terminal."""
    said = three()
    own = replace(
        said.ventilator,
        errors=(Logged(when(1), "error", HOSTILE),),
        events=(SocketEvent(when(1), "control", "handshake failed", "tcp://10.0.0.9", "keys at one end only"),),
    )
    states = [state(replace(said, ventilator=own, failures=(Failure("r", 7, 3, f"no beam {HOSTILE}"),)))]
    failures = screen(states, "f")
    assert re.search(r"r +7 +3 *no beam \[red\]a\[/red\]�\[31m�", failures)
    errors = screen(states, "e", size=WIDE)
    assert "[red]a[/red]�[31m�" in errors
    assert "control: handshake failed with tcp://10.0.0.9" in errors
    assert "Slices that failed│\n│None." in screen([running()], "f")


def test_a_ventilator_that_is_gone() -> None:
    """The time since when is shown, and the last that was known stays."""
    text = screen([state(pipeline(40), later=60.0)])
    assert "no pipeline" in text
    assert "1:00 without a word since 08:02:00 UTC" in text
    assert "head/cpu0  silent 1:00" in text


class Terminal:
    """A pseudo-terminal with a program in it, and what a person would see there."""

    def __init__(self, process: int, descriptor: int, size: tuple[int, int]) -> None:
        self._process, self._descriptor = process, descriptor
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self._screen.display)

    def until(self, wanted: str) -> None:
        """Read until this is on the screen."""
        give_up = time.monotonic() + WITHIN
        while wanted not in self.text:
            assert time.monotonic() < give_up, self.text
            self._read()

    def press(self, key: str) -> None:
        """Type one key into it."""
        os.write(self._descriptor, key.encode())

    def end(self) -> int:
        """Read until the program ends; return its exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])

    def _read(self) -> bool:
        if select.select([self._descriptor], [], [], 1.0)[0]:
            try:
                self._stream.feed(os.read(self._descriptor, 65536))
            except OSError:  # the other end is closed
                return False
        return True


@contextmanager
def terminal(*arguments: object, size: tuple[int, int] = NARROW) -> Iterator[Terminal]:
    """The command in a pseudo-terminal of this size."""
    process, descriptor = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(FIP, ["fip", *map(str, arguments)])
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    try:
        yield Terminal(process, descriptor, size)
    finally:
        try:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(descriptor)


def test_a_real_run_in_a_real_terminal(tmp_path: Path, simulated_ms: Path) -> None:
    """Images are counted, a worker's page opens, q ends it, and the run goes on."""
    output = tmp_path / "out"
    grid = ("--size", "256", "--scale", "10arcsec", "--workers", "1")
    with started("run", simulated_ms, "--output", output, *grid, "--pace", "realtime") as process:
        while not (output / ".fip-run.json").exists():
            assert process.poll() is None
        with terminal("top", output) as shown:
            shown.until("1/10")
            shown.until("1 of 1 running · image")
            shown.press("d")
            shown.until("last slices")
            shown.until("esc Back")
            shown.press("\x1b")
            shown.until("q Quit")
            shown.press("q")
            assert shown.end() == 0
        assert process.poll() is None


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_what_a_search_has_found_is_a_line(size: tuple[int, int]) -> None:
    """The line has the counts that show whether it can be trusted; without a search there is no line."""
    found = TransientsView({"transient": 3}, {"negative": 1}, 1, 0.4, injected=5, injected_found=5)
    line = "transients 3 events, 0.4 false expected, 1 negative, 5 of 5 injected found"
    text = re.sub(" +", " ", screen([replace(running(), transients=found)], size=size))
    assert line in text
    assert "transients" not in screen([running()], size=size)
    hostile = re.sub(" +", " ", screen([replace(running(), transients=TransientsView(fault=HOSTILE))], size=size))
    assert "transients [red]a[/red]�[31m�" in hostile


def test_without_a_terminal(tmp_path: Path) -> None:
    """The message says what would work."""
    done = fip("top", "--ventilator", f"ipc://{tmp_path}/none")
    assert done.returncode == 2
    assert "fip status --watch" in done.stderr
