"""What there is to see of a pipeline, as data: one wording for every view, and views that draw whatever there is."""

import io
import json
from dataclasses import fields, replace

import pytest
from rich.console import Console, RenderableType

from fip.data.complete import Complete
from fip.state.panel import Fact, Panel
from fip.state.panels import headline, panels, state_json
from fip.state.pipeline import PipelineState
from fip.state.words import LISTED, clock, duration, listed, number, percent, size
from fip.terminal.drawing import glance_at, lines, whole
from fip.terminal.status import page
from fip.wire.messages import Failure, JobStatus
from support.made_panel import MADE
from support.pipeline_states import running, state
from support.told_states import BEGIN, antennas, pipeline, with_job, with_run


def printed(*shown: RenderableType, width: int = 250) -> str:
    """What is printed in a terminal."""
    file = io.StringIO()
    Console(file=file, width=width).print(*shown, sep="\n")
    return file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (0.0004, "0 s"), (0.0006, "1 ms"), (0.46, "460 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"),
     (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1:00"), (75, "1:15"), (3599.6, "1:00:00")],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    """Each has one form, wherever it is shown."""
    assert duration(seconds) == words


def test_other_words() -> None:
    """Three digits, or all of a whole number; times of day are UTC and say so; of many names the first."""
    assert [*map(number, (0, 0.46, 7, 12.34, 99.96, 1234, 100_000))] == [
        "0",
        "0.46",
        "7",
        "12.3",
        "100",
        "1,234",
        "100,000",
    ]
    assert [percent(0.1234), size(999), size(999.6), size(12_345_678)] == ["12%", "999 B", "1 kB", "12.3 MB"]
    assert clock(BEGIN, BEGIN + 3600) == "08:00:00 UTC"
    assert clock(BEGIN, BEGIN + 86400) == "2027-01-15 08:00:00 UTC"
    names = [str(each) for each in range(LISTED + 3)]
    assert (listed(names[:LISTED]), listed(names)[-2:]) == ((*names[:LISTED],), (names[LISTED - 1], "and 3 more"))


def test_views_say_the_same() -> None:
    """Every word of a panel that the page gets is in what a terminal shows of it; and no other words are."""
    ill = replace(pipeline(40), antennas=antennas(m03=(1.0, None)), failures=(Failure("r", 7, 3, "no beam"),))
    seen = state(with_run(ill, failed=1, lag=3.0, deadline=2.0, complete=Complete(80, 3, 0.25, 0.96)))
    told = json.loads(state_json(seen))["panels"]
    assert [panel["name"] for panel in told] == [panel.name for panel in panels(seen)]
    for panel, sent in zip(panels(seen), told, strict=True):
        text = printed(whole([panel], 250))
        words = [sent["title"], sent["summary"], *(each for fact in sent["facts"] for each in (fact[0], *fact[1]))]
        words += [cell for table in sent["tables"] for row in table["rows"] for cell in row[1]]
        for word in words:
            assert word in text
            text = text.replace(word, "", 1)
        assert "numbers" not in sent
    glance = printed(page(seen, 250))
    assert "lag 3.0 s" in glance
    assert "3.0 s behind the data" in glance
    assert "obs is 3.0 s behind" in glance
    assert glance.count("96.0%") == 2  # in the headline, and in the row of the run


def test_how_much_is_there_of_the_runs_that_count() -> None:
    """The mean and the least of their images; a warning if one has less than half; nothing if nothing was noted."""

    def said(complete: Complete | None) -> tuple[list[Fact], bool]:
        seen = state(with_run(pipeline(40), complete=complete))
        facts = [fact for fact in panels(seen)[0].facts if fact.name == "complete"]
        return facts, "complete" in headline(seen)

    assert said(None) == ([], False)
    assert said(Complete(80, 0, 1.0, 1.0)) == ([Fact("complete", ("100%",))], False)
    assert said(Complete(80, 3, 0.75, 0.99999)) == ([Fact("complete", ("99.9%", "75.0% at least"))], True)
    assert said(Complete(80, 3, 0.4, 0.96)) == ([Fact("complete", ("96.0%", "40.0% at least"), "warn")], True)


def test_the_state_in_json_keeps_its_names() -> None:
    """Scripts read it: panels come beside what there was."""
    told = json.loads(state_json(running()))
    assert told.keys() == {each.name for each in fields(PipelineState)} | {"panels"}
    assert {
        "verdict",
        "exit_code",
        "reasons",
        "since",
        "jobs",
        "rate",
        "eta",
        "lag",
        "workers",
        "antennas",
    } <= told.keys()
    assert told["jobs"][0]["runs"][0]["stored"] == 80
    assert told["jobs"][0]["runs"][0]["complete"] is None
    assert told["workers"][0]["status"]["latencies"]["image"]["p50"] == 0.4


def test_the_jobs_that_count_now() -> None:
    """They are those that are not over, or else the last."""
    said = pipeline(40)
    (job,) = said.jobs
    done, waits = replace(job, job="done", state="done"), JobStatus("waits", "queued", "", ("/data/b.ms",), BEGIN, ())
    assert [each.job for each in state(replace(said, jobs=(done, job, waits))).jobs_now] == ["job", "waits"]
    ended = state(replace(said, jobs=(job, replace(done, job="older", state="cancelled"), done)))
    assert [each.job for each in ended.jobs_now] == ["job"]
    last = state(with_job(said, state="done"))
    assert [(run.name, last.rate, last.eta) for run in last.now] == [("obs", 0, None)]


def test_a_terminal_draws_any_panel() -> None:
    """At a glance, a panel has what somebody should look at, in full all of it; what is hostile acts on nothing."""
    seen = printed(lines([MADE], 80), *glance_at([MADE], 80), width=80)
    assert "summed up" in seen
    assert "  noted: <b>a</b>�[31m�, two" in seen
    assert "plain" not in seen
    assert "far" not in seen  # there is no room for it
    everything = printed(whole([MADE], 250))
    assert "plain: three" in everything
    assert "far" in everything
    assert "██░░░░░░░░░░░░░░░░░░ 12%" in everything
    assert not {"\x1b", "\x07"} & {*seen, *everything}
    assert "None." in printed(whole([Panel("empty", "Empty")], 80))


def facts(**run: object) -> dict[str, tuple[tuple[str, ...], str]]:
    """What is said of a pipeline with such a run, by name."""
    now = next(each for each in panels(state(with_run(pipeline(2), **run))) if each.name == "now")
    return {each.name: (each.items, each.level) for each in now.facts}


@pytest.mark.parametrize(
    ("age", "cadence", "said"),
    [
        (8.2, 2.0, (("8.2 s old",), "")),
        (75.0, 2.0, (("1:15 old",), "warn")),
        (75.0, 30.0, (("1:15 old",), "")),
        (91.0, 30.0, (("1:31 old",), "warn")),
        (-3.0, 2.0, (("3.0 s ahead of this clock",), "warn")),
    ],
)
def test_how_old_the_newest_data_are(age: float, cadence: float, said: object) -> None:
    """Over a minute, or three cadences, somebody should look; also if a clock is wrong."""
    assert facts(age=age, cadence=cadence)["newest data"] == said


def test_what_waits_is_told_with_how_long_it_takes() -> None:
    """Nothing is said of a run that has no backlog, or whose data are not of today."""
    assert not facts().keys() & {"newest data", "backlog"}
    assert facts(backlog=1200, worked_off=90.0)["backlog"] == (("1,200 slices", "1:30 left"), "warn")
    said = headline(state(with_run(pipeline(2), lag=600.0, age=3.0, backlog=1200, worked_off=90.0)))
    assert "10:00 behind the data · newest data 3.0 s old · backlog 1,200 slices, 1:30 left" in said
    assert facts(backlog=1200)["backlog"] == (("1,200 slices", "more comes than goes"), "warn")


def test_what_is_odd_about_sets_that_arrive_is_told_with_what_is_waited_for() -> None:
    """In a terminal at a glance, on the page and to Prometheus; of a run of whole sets nothing is said."""
    waits = "sub-band 4 of 4 of 22:00:10 UTC, for 3 s"
    arriving = state(with_run(pipeline(40), final=False, oddities={"missing": 3, "late": 1}, waits=waits))
    told, silent = (next(panel for panel in panels(each) if panel.name == "arrivals") for each in (arriving, running()))
    assert told.facts == (Fact("obs", ("3 missing", "1 late"), "warn"),)
    glance = printed(page(arriving, 250))
    assert f"4 sets not as they should be · obs waits for {waits}" in glance
    assert "obs: 3 missing, 1 late" in glance
    (odd,) = told.numbers
    assert dict(odd.values)["r", "obs", "missing"] == 3
    assert dict(odd.values)["r", "obs", "truncated"] == 0
    assert not (silent.summary or silent.facts or silent.numbers[0].values)
