"""`fip alerts`, `fip retract`, `fip check`, and what a configuration may say, as an observer types it."""

import json
import threading
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fip.alerts.entries import Hold
from fip.alerts.listing import view_of
from fip.alerts.outbox import Outbox
from fip.alerts.sender import now
from fip.alerts.shown import view_of as shown_view
from fip.alerts.taking_back import what_follows
from fip.cli import __all__ as commands
from fip.cli.app import app
from fip.config import load
from fip.data.errors import ConfigError, FipError, UsageError
from fip.events.words import FOLDER
from fip.state.alerts import AlertsView, line, summed
from fip.state.transients import TransientsView, transients_panel
from support.entered_alerts import became, draft, enter
from support.found_events import FLARE, write_found
from support.stored_run import store_run
from support.webhook import Webhook


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with an event that is due, one that waits, and a hold."""
    folder = tmp_path / "night.fip" / FOLDER
    folder.mkdir(parents=True)
    at = now() - 60
    hold = Hold("0011-slice-1", "slice", "4 unrelated events in a slice", at, ("b",), 0)
    enter(folder, draft("a", at=at, hub="due"))
    enter(folder, draft("0011-slice-1", kind="summary", at=at, hub="due"), draft("b", at=at, hub="due"), hold=hold)
    return folder.parent


def run(*arguments: object) -> str:
    """What a command prints. Raises FipError as it does."""
    assert str(arguments[0]) in {*commands, "retract"}
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def configured(folder: Path, webhook: Webhook) -> Path:
    """A configuration with the server as its target."""
    (folder / "fip.toml").write_text(f'[alerts.hub]\nurl = "{webhook.url}"\n')
    return folder / "fip.toml"


def test_alerts_are_listed_released_sent_and_taken_back(directory: Path, tmp_path: Path) -> None:
    """All this is done in a terminal, with a configuration that names the targets; what was held waits for a person."""
    said = run("alerts", directory)
    assert "a.1 (initial) to hub: due" in said
    assert f"4 unrelated events in a slice; `fip alerts {directory} --release 0011-slice-1` ends that" in said
    assert "ALL HELD" in said
    with Webhook() as webhook:
        config = configured(tmp_path, webhook)
        assert "a.1 (initial) to hub: due" in run("alerts", directory, "--send", "--config", config)
        assert webhook.ids == ["0011-slice-1.1"]
        with pytest.raises(UsageError, match=r"--release storm: .* what holds them is 0011-slice-1"):
            run("alerts", directory, "--release", "storm")
        said = run("alerts", directory, "--release", "0011-slice-1", "--config", config)
        assert "0011-slice-1 is released; 1 messages that it held wait for a person's word" in said
        assert f"b.1 (initial) to hub: waits: was held by 0011-slice-1, until `fip event {directory} b --label" in said
        assert webhook.ids == ["0011-slice-1.1", "a.1"]
        said = run("retract", directory, "a", "--reason", "an aircraft", "--config", config)
        assert "a is taken back: hub had heard of it" in said
        assert webhook.ids[2:] == ["a.2"]
        assert "an aircraft." in webhook.posts[-1].told["additional_info"]
    told = json.loads(run("alerts", directory, "--json"))
    assert [(each["id"], each["became"]) for each in told["alerts"]] == [
        ("a.1", "sent"), ("0011-slice-1.1", "sent"), ("b.1", "waiting"), ("a.2", "sent"),
    ]  # fmt: skip
    assert told["holds"] == told["faults"] == []


def test_a_target_that_is_silent_holds_up_no_other(tmp_path: Path) -> None:
    """Each is sent what is its own meanwhile, also by a command."""
    folder = tmp_path / "quiet.fip" / FOLDER
    folder.mkdir(parents=True)
    enter(folder, draft("a", at=now() - 60, hub="due", other="due"))
    told, in_time = threading.Event(), list[bool]()
    slow = Webhook(heard=lambda _: in_time.append(told.wait(8)))
    with slow, Webhook(heard=lambda _: told.set()) as other:
        config = tmp_path / "fip.toml"
        config.write_text(f'[alerts.hub]\nurl = "{slow.url}"\n[alerts.other]\nurl = "{other.url}"\n')
        assert "2 sent" in run("alerts", folder.parent, "--send", "--config", config)
    assert in_time == [True]


def test_who_calls_an_event_something_is_told_what_follows(directory: Path, tmp_path: Path) -> None:
    """Calling it something sends nothing; the answer says who sends, and when."""
    by = f"by the detector, or by `fip alerts {directory} --send --config FILE`"
    assert what_follows(directory, "a", "real") == ""  # it is due as it is
    assert what_follows(directory, "a", "rfi") == f"who has heard of it is told that it is taken back: {by}"
    assert what_follows(directory, "a", "none") == ""
    enter(directory / FOLDER, draft("w", at=now(), hub="waiting"))
    assert what_follows(directory, "w", "real") == f"what waited for that is sent {by}, when 0011-slice-1 is released"
    with closing(Outbox(directory / FOLDER)) as box:
        box.release("0011-slice-1", now())
    assert what_follows(directory, "w", "real") == f"what waited for that is sent {by}"
    store_run(directory, count=12)
    write_found(directory, folders=False)
    said = run("event", directory, FLARE, "--label", "real")
    assert "alerts      it is told when a detector, or `fip run --detect` given again, next looks" in said
    assert what_follows(tmp_path, FLARE, "real") == ""  # nothing is sent here


def test_what_is_taken_back_without_a_configuration_is_sent_later(directory: Path) -> None:
    """It is entered, and said so; of what nobody has heard, nobody hears."""
    said = run("retract", directory, "b")
    assert "b is taken back: nobody had heard of it" in said
    assert "`fip alerts DIR --send --config FILE`" in said
    assert became(directory / FOLDER)["b.1", "hub"] == "dropped"
    with pytest.raises(UsageError, match=r"no one event b that was told, or is to be; there are a$"):
        run("retract", directory, "b")


def test_directories_without_alerts_say_so(tmp_path: Path) -> None:
    """The error is one line."""
    with pytest.raises(UsageError, match=r"is not a directory of images"):
        run("alerts", tmp_path)
    store_run(tmp_path / "night.fip")
    with pytest.raises(UsageError, match=r"has no alerts: none of its searches had an \[alerts.NAME\]"):
        run("alerts", tmp_path / "night.fip")
    (tmp_path / "night.fip" / FOLDER).mkdir()
    enter(tmp_path / "night.fip" / FOLDER)
    with pytest.raises(UsageError, match=r"--send: there is no \[alerts.NAME\] to send to"):
        run("alerts", tmp_path / "night.fip", "--send")


def test_an_outbox_that_is_damaged_or_newer_is_one_line(directory: Path) -> None:
    """Its name, and what is wrong."""
    path = directory / FOLDER / "alerts.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(FipError, match=r"alerts\.sqlite is damaged"):
        run("alerts", directory)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url = "http://broker.example.org"', "'http://broker.example.org' is not encrypted: give https://"),
        ('url = "ftp://broker.example.org"', "is not a URL, as https://"),
        ('url = "https://me:secret@broker.example.org"', "has a name or a password in it, to be seen: give token_file"),
        ('url = "https://broker.example.org"\ninjections = true', "what is not real is never sent to another host"),
        ('url = "https://broker.example.org"\ntell = "some"', "Input should be 'all', 'vetted' or 'none'"),
        ('uri = "https://broker.example.org"', "url: Field required"),
    ],
)
def test_a_target_that_cannot_be_is_said(tmp_path: Path, text: str, said: str) -> None:
    """The message names its key and shows no password."""
    (tmp_path / "fip.toml").write_text(f"[alerts.far]\n{text}\n")
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "fip.toml")
    assert said in str(error.value)
    assert "alerts.far" in str(error.value)
    assert "secret" not in str(error.value)


def test_who_is_told_what_if_nothing_is_said(tmp_path: Path) -> None:
    """Other hosts what a person has called real, this host all."""
    (tmp_path / "fip.toml").write_text(
        '[alerts.far]\nurl = "https://broker.example.org"\n[alerts.here]\nurl = "http://localhost:8000"\n'
    )
    alerts = load(tmp_path / "fip.toml").config.alerts
    assert {name: (each.told, each.external) for name, each in alerts.items()} == {
        "far": ("vetted", True), "here": ("all", False),
    }  # fmt: skip


def test_fip_check_tells_of_a_token_that_others_may_read(tmp_path: Path) -> None:
    """It also warns of one that is not there, before anything is sent."""
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o644)
    config = tmp_path / "fip.toml"
    config.write_text(f'[alerts.far]\nurl = "https://broker.example.org"\ntoken_file = "{token}"\n')
    assert f"warning: alerts.far.token_file {token}: others may read this token (mode 0644)" in run("check", config)
    token.chmod(0o600)
    assert "warning: alerts" not in run("check", config)


def test_every_view_has_a_line_of_alerts(directory: Path) -> None:
    """What was sent, is due and waits; red if all is held, or a target refuses."""
    write_found(directory, folders=False)
    found = shown_view(directory)
    assert found is not None
    assert found.alerts == AlertsView(due=3, held="4 unrelated events in a slice: 0011-slice-1")
    panel = transients_panel(found, None)
    [fact] = [each for each in panel.facts if each.name == "alerts"]
    assert fact.items == ("0 sent, 3 due, ALL HELD: 4 unrelated events in a slice: 0011-slice-1",)
    assert (fact.level, panel.level) == ("bad", "bad")
    numbers = {number.name: number for number in panel.numbers}
    assert (("due",), 3.0) in numbers["fip_alerts"].values
    assert numbers["fip_alerts_held"].values == (((), 1.0),)
    with closing(Outbox(directory / FOLDER)) as box:
        box.release("0011-slice-1", now())
        box.note_fault("hub", "answers 401 Unauthorized", now())
    found = shown_view(directory)
    assert found is not None
    assert found.alerts is not None
    assert line(found.alerts) == "0 sent, 2 due, 1 waits for a person's word, hub: answers 401 Unauthorized"
    assert view_of(directory / FOLDER) == found.alerts
    assert transients_panel(TransientsView(), None).level == ""
    assert summed([]) is None
    assert summed([AlertsView(sent=1), AlertsView(sent=2, fault="x")]) == AlertsView(sent=3, fault="x")
