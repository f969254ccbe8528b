"""Alerts to Kafka: by librdkafka's own mock broker, which is in the library itself, and a token server of ours."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from fip.alerts.gcn import as_json
from fip.alerts.kafka import Credentials, Topic, publish, settings_of
from support.alert_facts import alert

WAIT = 20.0  # s


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """HOST:PORT of a broker."""
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    (one,) = cluster.list_topics(timeout=WAIT).brokers.values()
    yield f"{one.host}:{one.port}"
    cluster.flush(1)


def test_a_broker_has_what_was_sent_with_the_id_as_its_key(broker: str) -> None:
    """Twice the same alert is twice the same key: whoever reads it can tell."""
    topic = Topic.of(f"kafka://{broker}/fip.alerts")
    body = as_json(alert())
    for _ in range(2):
        outcome = publish(topic, None, alert().id, "application/json", body, WAIT)
        assert (outcome.status, outcome.said) == (200, "has it")
    reader = Consumer({"bootstrap.servers": broker, "group.id": "g", "auto.offset.reset": "earliest"})
    known = reader.list_topics(topic.name, WAIT).topics[topic.name].partitions
    reader.assign([TopicPartition(topic.name, each, 0) for each in known])
    read = reader.consume(2, WAIT)
    reader.close()
    assert [(each.key().decode(), each.value(), each.headers()) for each in read] == [
        (alert().id, body, [("content-type", b"application/json")])
    ] * 2


def test_who_does_not_answer_is_given_up_in_time() -> None:
    """With what is wrong, in one line; nothing is sent later."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        outcome = publish(Topic.of(f"kafka://127.0.0.1:{nobody.getsockname()[1]}/t"), None, "id", "a/b", b"x", 0.5)
    assert outcome.status == 0
    assert outcome.said.startswith("no answer within 0.5 s: ")
    assert "refused" in outcome.said


def test_what_is_too_long_is_refused(broker: str) -> None:
    """As HTTP would: it is not tried again."""
    outcome = publish(Topic.of(f"kafka://{broker}/t"), None, "id", "a/b", b"x" * 2_000_000, WAIT)
    assert (outcome.status, outcome.said) == (413, "Unable to produce message: Broker: Message size too large")


def test_a_token_is_asked_for_with_the_credentials() -> None:
    """By OAuth's client credentials, as GCN has it: librdkafka does it by the settings it is given."""
    asked: list[tuple[str, str, str]] = []

    class Tokens(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append((self.path, body, self.headers["Authorization"]))
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Tokens)
    Thread(target=server.serve_forever, daemon=True).start()
    text = credentials(token_url=f"http://127.0.0.1:{server.server_port}/oauth2/token")
    outcome = publish(Topic.of("kafkas://127.0.0.1:9/t"), Credentials.of(text), "id", "a/b", b"x", 1.0)
    server.shutdown()
    server.server_close()
    assert outcome.status == 0
    assert "hidden" not in outcome.said
    path, body, authorization = asked[0]
    assert path == "/oauth2/token"
    assert parse_qs(body) == {"grant_type": ["client_credentials"], "scope": ["gcn.nasa.gov/kafka-public-producer"]}
    assert authorization == f"Basic {b64encode(b'me:hidden').decode()}"


def credentials(**changes: object) -> str:
    """As a file holds them."""
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


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("kafka://kafka.example.org:9092/t", "is not encrypted: give kafkas://"),
        ("https://kafka.example.org:9092/t", "is not a topic of Kafka, as kafkas://"),
        ("kafkas://kafka.example.org/t", "is not a topic of Kafka"),
        ("kafkas://kafka.example.org:9092", "is not a topic of Kafka"),
        ("kafkas://kafka.example.org:9092/a/b", "is not a topic of Kafka"),
        ("kafkas://me:secret@kafka.example.org:9092/t", "is not a topic of Kafka"),
        ("kafkas://kafka.example.org:99999999/t", "is not a topic of Kafka"),
    ],
)
def test_what_is_no_topic_is_one_line(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Topic.of(url)


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
def test_what_are_no_credentials_is_one_line_that_does_not_tell_them(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no JSON object of texts|is not encrypted") as refused:
        Credentials.of(text)
    assert "hidden" not in str(refused.value)
