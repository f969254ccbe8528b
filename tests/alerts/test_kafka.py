"""Alerts to Kafka: by librdkafka's own mock broker, which is in the library itself, and a token server of ours."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import get_args
from urllib.parse import parse_qs

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from fip.alerts import ways
from fip.alerts.forms import FORMS
from fip.alerts.gcn import as_json
from fip.alerts.kafka import Credentials, post, settings_of
from fip.alerts.posting import Answer
from fip.alerts.sender import Carrier
from fip.config import AlertTarget
from fip.config.alerting import Topic
from fip.data.errors import UsageError
from support.alert_facts import alert
from support.entered_alerts import START, became, draft, enter

WAIT = 20.0  # s


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """Start a broker and yield its HOST:PORT."""
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    (one,) = cluster.list_topics(timeout=WAIT).brokers.values()
    yield f"{one.host}:{one.port}"
    cluster.flush(1)


def messages(broker: str, topic: str, count: int) -> list[Message]:
    """The first ones of a topic."""
    reader = Consumer({"bootstrap.servers": broker, "group.id": "g", "auto.offset.reset": "earliest"})
    known = reader.list_topics(topic, WAIT).topics[topic].partitions
    reader.assign([TopicPartition(topic, each, 0) for each in known])
    read: list[Message] = reader.consume(count, WAIT)
    reader.close()
    return read


def test_a_broker_has_what_was_sent_with_the_id_as_its_key(broker: str) -> None:
    """Twice the same alert is twice the same key: whoever reads it can see that."""
    target = AlertTarget(url=f"kafka://{broker}/fip.alerts")
    body = as_json(alert())
    for _ in range(2):
        assert ways.send(target, alert().id, "application/json", body) == Answer(200, "has it")
    read = [(each.key().decode(), each.value(), each.headers()) for each in messages(broker, "fip.alerts", 2)]
    assert read == [(alert().id, body, [("content-type", b"application/json")])] * 2


def test_what_is_due_to_a_topic_is_carried_there(broker: str, tmp_path: Path) -> None:
    """Once, and it is known to be sent."""
    enter(tmp_path, draft("a", hub="due"))
    carrier = Carrier("hub", AlertTarget(url=f"kafka://{broker}/carried"), lambda: START + 1)
    while carrier.carry([tmp_path]) == 0:
        pass
    carrier.close()
    assert became(tmp_path) == {("a.1", "hub"): "sent"}
    (message,) = messages(broker, "carried", 1)
    assert (message.key(), json.loads(message.value())["id"]) == (b"a.1", "a")


def test_who_does_not_answer_is_given_up_in_time() -> None:
    """One line says what is wrong; nothing is sent later."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        outcome = post(AlertTarget(url=f"kafka://127.0.0.1:{nobody.getsockname()[1]}/t"), "id", "a/b", b"x", 0.5)
    assert outcome.status == 0
    assert outcome.said.startswith("no answer within 0.5 s: ")
    assert "refused" in outcome.said


def test_what_is_too_long_is_refused(broker: str) -> None:
    """The rule is that of HTTP: it is not tried again."""
    outcome = post(AlertTarget(url=f"kafka://{broker}/t"), "id", "a/b", b"x" * 2_000_000)
    assert outcome == Answer(413, "Unable to produce message: Broker: Message size too large")


def test_a_token_is_asked_for_with_the_credentials(tmp_path: Path) -> None:
    """This is OAuth with client credentials, as for GCN: librdkafka does it by the settings it is given."""
    asked: list[tuple[str, str, str]] = []

    class Tokens(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append((self.path, body, self.headers["Authorization"]))
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: requests are not logged."""

    server = HTTPServer(("127.0.0.1", 0), Tokens)
    Thread(target=server.serve_forever, daemon=True).start()
    text = credentials(token_url=f"http://127.0.0.1:{server.server_port}/oauth2/token")
    file = tmp_path / "credentials"
    file.touch(0o600)
    file.write_text(text)
    outcome = post(AlertTarget(url="kafkas://127.0.0.1:9/t", token_file=file), "id", "a/b", b"x", 1.0)
    server.shutdown()
    server.server_close()
    assert outcome.status == 0
    assert "hidden" not in outcome.said
    path, body, authorization = asked[0]
    assert path == "/oauth2/token"
    assert parse_qs(body) == {"grant_type": ["client_credentials"], "scope": ["gcn.nasa.gov/kafka-public-producer"]}
    assert authorization == f"Basic {b64encode(b'me:hidden').decode()}"


def credentials(**changes: object) -> str:
    """Return credentials as a file holds them."""
    told = {"client_id": "me", "client_secret": "hidden", "scope": "gcn.nasa.gov/kafka-public-producer"}
    return json.dumps(told | {"token_url": "https://auth.example.org/token"} | changes)


def test_a_login_and_all_that_is_sent_is_encrypted() -> None:
    """But for this host, and what takes none."""
    known = Credentials.of(credentials())
    for url, login, protocol in (
        ("kafkas://kafka.gcn.nasa.gov:9092/t", known, "sasl_ssl"),
        ("kafkas://kafka.gcn.nasa.gov:9092/t", None, "ssl"),
        ("kafka://127.0.0.1:9092/t", known, "sasl_plaintext"),
        ("kafka://[::1]:9092/t", None, "plaintext"),
    ):
        assert settings_of(Topic.of(url), login)["security.protocol"] == protocol
    settings = settings_of(Topic.of("kafkas://h.example.org:9092/t"), known)
    assert (settings["sasl.mechanisms"], settings["sasl.oauthbearer.method"]) == ("OAUTHBEARER", "oidc")
    assert (settings["acks"], settings["enable.idempotence"]) == ("all", True)


def test_a_topic_elsewhere_is_told_what_somebody_has_called_real() -> None:
    """The rule is that of any target on another host; it holds for each form that there is."""
    assert AlertTarget(url="kafkas://kafka.example.org:9092/t").told == "vetted"
    assert AlertTarget(url="kafka://[::1]:9092/t").told == "all"
    assert set(get_args(AlertTarget.model_fields["form"].annotation)) == FORMS.keys()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("kafka://kafka.example.org:9092/t", "is not encrypted: give kafkas://"),
        ("kafkas://kafka.example.org:9092/a?b", "is not a topic of Kafka, as kafkas://"),
        ("kafkas://kafka.example.org/t", "is not a topic of Kafka"),
        ("kafkas://kafka.example.org:9092", "is not a topic of Kafka"),
        ("kafkas://kafka.example.org:9092/a/b", "is not a topic of Kafka"),
        ("kafkas://me:secret@kafka.example.org:9092/t", "has a name or a password in it, to be seen: give token_file"),
        ("kafkas://kafka.example.org:99999999/t", "is not a URL, as https://.* or kafkas://HOST:PORT/TOPIC"),
    ],
)
def test_what_is_no_topic_is_one_line(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        AlertTarget(url=url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        credentials(client_secret=3),
        credentials(more="x"),
        credentials(token_url="http://a.example.org"),
    ],
)
def test_what_are_no_credentials_is_one_line_that_does_not_tell_them(text: str, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.touch(0o600)
    file.write_text(text or " ")
    target = AlertTarget(url="kafkas://127.0.0.1:9/t", token_file=file)
    with pytest.raises(UsageError, match=r"^token_file .*/credentials: (is no|token_url is not encrypted)") as refused:
        post(target, "id", "a/b", b"x")
    assert "hidden" not in str(refused.value)


def test_credentials_that_others_may_read_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.touch(0o644)
    file.write_text(credentials())
    with pytest.raises(UsageError, match="others may read this token"):
        post(AlertTarget(url="kafkas://127.0.0.1:9/t", token_file=file), "id", "a/b", b"x")
