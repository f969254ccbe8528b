"""What is due is sent, once it can be, and never what must not be: a real outbox, and a real server."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fip.alerts import posting
from fip.alerts.entries import Hold
from fip.alerts.outbox import Outbox
from fip.alerts.posting import Answer, post, read_token
from fip.alerts.sender import FIRST, HOUR, KEPT, REFUSED_AGAIN, Carrier
from fip.alerts.taking_back import heed, release_hold, retract
from fip.config import AlertTarget
from fip.data.errors import UsageError
from support.entered_alerts import START, became, draft, enter
from support.webhook import Webhook


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.time = START + 1

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    """A time that is set."""
    return Clock()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Yield a server that receives alerts."""
    with Webhook() as made:
        yield made


def carry(carrier: Carrier, folder: Path) -> None:
    """All that can be sent now."""
    while carrier.carry([folder]) == 0:
        pass


def carrier_to(webhook: Webhook, clock: Clock, **more: object) -> Carrier:
    """What carries alerts to `hub`, the server."""
    return Carrier("hub", AlertTarget.model_validate({"url": webhook.url, **more}), clock)


def test_what_is_due_is_sent_once(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """It has its id, its form and no token if there is none; what waits, or is for another, is not sent."""
    enter(tmp_path, draft("a", hub="due", other="due"), draft("b", hub="waiting"))
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    carry(carrier, tmp_path)
    carrier.close()
    [posted] = webhook.posts
    assert (posted.id, posted.told["id"], posted.told["alert_type"]) == ("a.1", "a", "initial")
    assert posted.headers["Content-Type"] == "application/json"
    assert "Authorization" not in posted.headers
    assert became(tmp_path) == {("a.1", "hub"): "sent", ("a.1", "other"): "due", ("b.1", "hub"): "waiting"}


def test_the_same_is_sent_until_it_has_arrived(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """Later and later, under one id, in the same words; a carrier that is new goes on with it."""
    webhook.answers[:] = [500, 503, 429]
    enter(tmp_path, draft("a", hub="due"))
    carrier = carrier_to(webhook, clock)
    for wait, tries in ((0.0, 1), (2 * FIRST - 0.01, 1), (0.02, 2), (4 * FIRST - 0.02, 2), (0.02, 3)):
        clock.time += wait
        carry(carrier, tmp_path)
        assert len(webhook.posts) == tries
    carrier.close()
    box = Outbox(tmp_path)
    [fault] = box.faults()
    assert (fault.target, fault.said) == ("hub", "answers 429 Too Many Requests")
    box.close()
    clock.time += HOUR
    again = carrier_to(webhook, clock)
    carry(again, tmp_path)
    again.close()
    assert len(webhook.posts) == 4
    assert len({(each.id, each.body) for each in webhook.posts}) == 1
    assert became(tmp_path) == {("a.1", "hub"): "sent"}
    box = Outbox(tmp_path)
    assert box.faults() == []
    box.close()


def test_a_target_that_asks_for_time_has_it(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """Retry-After of 429, up to an hour."""
    webhook.answers[:] = [429]
    webhook.headers["Retry-After"] = "120"
    enter(tmp_path, draft("a", hub="due"))
    carrier = carrier_to(webhook, clock)
    for wait, posts in ((0.0, 1), (119.0, 1), (2.0, 2)):
        clock.time += wait
        carry(carrier, tmp_path)
        assert len(webhook.posts) == posts
    carrier.close()


def test_what_is_refused_is_said_once_and_kept(
    tmp_path: Path, webhook: Webhook, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The target is left alone for a while, and all is sent when it is mended."""
    webhook.answers[:] = [403, 403]
    enter(tmp_path, draft("a", hub="due"), draft("b", hub="due"))
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    assert webhook.ids == ["a.1"]
    clock.time += REFUSED_AGAIN + 1
    carry(carrier, tmp_path)
    assert len(webhook.posts) == 2
    assert "sent" not in became(tmp_path).values()
    assert [each.getMessage() for each in caplog.records] == ["alerts to hub: answers 403 Forbidden; it is tried again"]
    clock.time += REFUSED_AGAIN + 1
    carry(carrier, tmp_path)
    carrier.close()
    assert set(became(tmp_path).values()) == {"sent"}


def test_a_message_that_is_refused_holds_up_no_other(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """This holds if the answer is about the message: 400, 422."""
    webhook.answers[:] = [422]
    enter(tmp_path, draft("a", hub="due"), draft("b", hub="due"))
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    carrier.close()
    assert became(tmp_path) == {("a.1", "hub"): "refused", ("b.1", "hub"): "sent"}


def test_a_token_is_sent_if_nobody_else_may_read_it(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """A file that others may read is said, nothing is sent and nothing lost; mended, it is noticed at once."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o640)
    enter(tmp_path, draft("a", hub="due"))
    carrier = carrier_to(webhook, clock, token_file=str(token))
    carry(carrier, tmp_path)
    assert webhook.posts == []
    box = Outbox(tmp_path)
    assert [each.said for each in box.faults()] == [
        f"token_file {token}: others may read this token (mode 0640): `chmod 600 {token}`"
    ]
    box.close()
    token.chmod(0o600)
    clock.time += REFUSED_AGAIN / 2
    carry(carrier, tmp_path)
    carrier.close()
    assert [each.headers["Authorization"] for each in webhook.posts] == ["Bearer s3cret"]
    assert became(tmp_path) == {("a.1", "hub"): "sent"}


@pytest.mark.parametrize("content", ["", "two words", "tok\x00en", "tökèn"])
def test_a_file_that_holds_no_token_is_said(tmp_path: Path, content: str) -> None:
    """One line, with its name."""
    (tmp_path / "token").write_text(content)
    (tmp_path / "token").chmod(0o600)
    with pytest.raises(UsageError, match="is not a token"):
        read_token(tmp_path / "token")
    with pytest.raises(UsageError, match=r"nothing: cannot be read: No such file"):
        read_token(tmp_path / "nothing")


def test_no_more_is_sent_in_an_hour_than_is_asked_for(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """Over all outboxes; the others are sent later. A retraction is sent at once."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        enter(folder, *(draft(f"{folder.name}-{number}", hub="due") for number in range(3)))
    carrier = carrier_to(webhook, clock, per_hour=4)
    while carrier.carry(folders) == 0:
        pass
    assert len(webhook.posts) == 4
    box = Outbox(folders[0])
    assert retract(box, "one-0", "it is a test", clock()) == ("hub",)
    box.close()
    while carrier.carry(folders) == 0:
        pass
    assert webhook.ids[4:] == ["one-0.2"]
    clock.time += HOUR + 1
    while carrier.carry(folders) == 0:
        pass
    carrier.close()
    assert len(webhook.posts) == 7


@pytest.mark.parametrize("tense", ["injection", "test"])
def test_what_is_not_real_is_never_sent_to_another_host(tmp_path: Path, clock: Clock, tense: str) -> None:
    """Whoever has entered it; what is real is."""
    sent = []

    def send(target: AlertTarget, identity: str, kind: str, body: bytes) -> Answer:
        sent.append(identity)
        return Answer(200, "answers 200")

    made = draft("a", tense=tense, hub="due")  # type: ignore[arg-type]
    enter(tmp_path, made, draft("b", hub="due"))
    carrier = Carrier("hub", AlertTarget(url="https://broker.example.org"), clock, send)
    carry(carrier, tmp_path)
    carrier.close()
    assert sent == ["b.1"]
    assert became(tmp_path) == {(f"{tense}-a.1", "hub"): "dropped", ("b.1", "hub"): "sent"}


def test_alerts_of_one_event_come_in_order(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """An update waits for the first, and no other event does."""
    webhook.answers[:] = [500]
    enter(tmp_path, draft("a", hub="waiting"), draft("a", 2, "update", hub="due"), draft("b", hub="due"))
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    clock.time += 10
    carry(carrier, tmp_path)
    assert webhook.ids == ["b.1", "b.1"]
    box = Outbox(tmp_path)
    heed(box, {"a": "real"}, clock())
    box.close()
    carry(carrier, tmp_path)
    carrier.close()
    assert webhook.ids[2:] == ["a.1", "a.2"]


def test_an_update_is_sent_when_it_may_be_and_the_last_alone(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """30 s after the one before; what was not sent by then is replaced."""
    enter(tmp_path, draft("a", hub="due"))
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    enter(tmp_path, draft("a", 2, "update", at=START + 30, hub="due"))
    enter(tmp_path, draft("a", 3, "update", at=START + 30, hub="due"))
    clock.time = START + 29
    carry(carrier, tmp_path)
    assert webhook.ids == ["a.1"]
    clock.time = START + 30
    carry(carrier, tmp_path)
    carrier.close()
    assert webhook.ids == ["a.1", "a.3"]
    assert became(tmp_path)["a.2", "hub"] == "dropped"


def test_people_let_go_what_waits_or_take_it_back(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """Whoever has heard of an event is informed; who has not never hears of it; once each."""
    enter(tmp_path, draft("a", hub="waiting"), draft("b", hub="due", other="waiting"), draft("c", hub="waiting"))
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    assert webhook.ids == ["b.1"]
    box = Outbox(tmp_path)
    for _ in range(2):
        heed(box, {"a": "real", "b": "rfi", "c": "artefact"}, clock())
        carry(carrier, tmp_path)
    box.close()
    carrier.close()
    assert sorted(webhook.ids[1:]) == ["a.1", "b.2"]
    told = {each.id: each.told for each in webhook.posts}
    assert told["b.2"]["alert_type"] == "retraction"
    assert "a person calls it rfi." in told["b.2"]["additional_info"]
    assert became(tmp_path) == {
        ("a.1", "hub"): "sent", ("b.1", "hub"): "sent", ("b.1", "other"): "dropped", ("b.2", "hub"): "sent",
        ("c.1", "hub"): "dropped",
    }  # fmt: skip


def test_who_may_have_heard_is_told_of_a_retraction(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """An alert that nobody confirmed may have arrived all the same; it is not sent again, then."""
    webhook.answers[:] = [500]
    enter(tmp_path, draft("a", hub="due"))
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    box = Outbox(tmp_path)
    assert retract(box, "a", "no", clock()) == ("hub",)
    assert retract(box, "a", "no", clock()) is None
    box.close()
    clock.time += HOUR
    carry(carrier, tmp_path)
    carrier.close()
    assert webhook.ids == ["a.1", "a.2"]


def test_a_hold_lets_its_summary_pass_alone(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """Released by its name, what came with it waits for a person, and what came before and after does not."""
    hold = Hold("storm-1", "slice", "4 unrelated events in a slice", START, ("b",), 0)
    enter(tmp_path, draft("a", hub="due"), draft("b", hub="due"))
    enter(tmp_path, draft("storm-1", kind="summary", hub="due"), draft("c", hub="due"), hold=hold)
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    assert webhook.ids == ["storm-1.1"]
    with pytest.raises(UsageError, match=r"storm-2: .* what holds them is storm-1: 4 unrelated events in a slice"):
        release_hold(tmp_path, "storm-2")
    assert release_hold(tmp_path, "storm-1") == 2
    enter(tmp_path, draft("d", hub="due"))
    carry(carrier, tmp_path)
    assert webhook.ids == ["storm-1.1", "a.1", "d.1"]
    box = Outbox(tmp_path)
    heed(box, {"c": "real"}, clock())
    assert box.cleared() == START
    box.close()
    carry(carrier, tmp_path)
    carrier.close()
    assert webhook.ids[3:] == ["c.1"]


def test_what_cannot_be_sent_is_given_up_in_the_end(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    """It is given up after a week, and that is said."""
    enter(tmp_path, draft("a", hub="due"))
    clock.time += KEPT
    carrier = carrier_to(webhook, clock)
    carry(carrier, tmp_path)
    carrier.close()
    assert webhook.posts == []
    assert became(tmp_path) == {("a.1", "hub"): "dropped"}


def test_a_target_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left after a time that is said."""
    monkeypatch.setattr(posting, "WITHIN", 0.1)
    with Webhook(silent=threading.Event()) as webhook:
        answer = post(AlertTarget(url=webhook.url), "a.1", "text/plain", b"")
    assert answer == Answer(0, "no answer within 0.1 s")


def test_a_target_that_is_not_there_is_said() -> None:
    """The words are those of the system."""
    assert post(AlertTarget(url="http://127.0.0.1:9"), "a.1", "text/plain", b"") == Answer(0, "Connection refused")


def test_no_redirect_is_followed(tmp_path: Path) -> None:
    """The token is for one place."""
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o600)
    with Webhook() as other, Webhook([302]) as webhook:
        webhook.headers["Location"] = other.url
        answer = post(AlertTarget(url=webhook.url, token_file=token), "a.1", "text/plain", b"")
        assert answer.status == 302
        assert other.posts == []
