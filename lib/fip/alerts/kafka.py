"""One message to a topic of Kafka, as GCN and others take them. Needs confluent-kafka: the extra `fip[kafka]`."""

import json
import logging
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

from fip.data.errors import UsageError

log = logging.getLogger("fip.alerts")

WITHIN = 10.0
"""Seconds for a broker to take a message and to say so."""

PLAIN, ENCRYPTED = "kafka", "kafkas"
"""Schemes of a URL: without encryption, on this host only; and by TLS."""

_SHOWN = 120  # characters of what a broker says
_STATUS = {  # as HTTP would answer, by the names of librdkafka's errors
    "_AUTHENTICATION": 401, "SASL_AUTHENTICATION_FAILED": 401,
    "TOPIC_AUTHORIZATION_FAILED": 403, "CLUSTER_AUTHORIZATION_FAILED": 403,
    "_UNKNOWN_TOPIC": 404, "UNKNOWN_TOPIC_OR_PART": 404,
    "MSG_SIZE_TOO_LARGE": 413, "INVALID_RECORD": 400, "TOPIC_EXCEPTION": 400,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credentials:
    """With which a token is had (OAuth 2, client credentials) that a broker takes (SASL OAUTHBEARER)."""

    client_id: str
    client_secret: str
    token_url: str
    scope: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """From a JSON object with these names, as a file holds it; ValueError, which does not tell it, for others."""
        try:
            made = cls(**json.loads(text))
        except (TypeError, ValueError):
            made = None
        if made is None or not all(isinstance(getattr(made, each), str) for each in cls.__dataclass_fields__):
            raise ValueError("is no JSON object of texts: client_id, client_secret, token_url, and maybe scope")
        if urlsplit(made.token_url).scheme != "https" and not _is_here(made.token_url):
            raise ValueError("token_url is not encrypted: give https://")
        return made


@dataclass(frozen=True, slots=True)
class Topic:
    """Where messages go."""

    servers: str  # HOST:PORT
    name: str
    encrypted: bool

    @classmethod
    def of(cls, url: str) -> Self:
        """From kafkas://HOST:PORT/TOPIC; ValueError for anything else, and for plain kafka:// to another host."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        topic = parts.path.strip("/")
        if parts.scheme not in (PLAIN, ENCRYPTED) or not host or not port or not topic or "/" in topic or "@" in url:
            raise ValueError(f"'{url}' is not a topic of Kafka, as kafkas://kafka.example.org:9092/transients")
        if parts.scheme == PLAIN and not _is_here(url):
            raise ValueError(f"'{url}' is not encrypted: give kafkas://, or an address of this host")
        return cls(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", topic, parts.scheme == ENCRYPTED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a message, in the numbers of HTTP: 2xx it was taken, 4xx refused, 0 nobody said anything."""

    status: int
    said: str  # in words, one line


def settings_of(topic: Topic, credentials: Credentials | None = None) -> dict[str, Any]:
    """Of librdkafka, for one who sends: all replicas have a message before it counts as sent."""
    protocol = ("sasl_" if credentials else "") + ("ssl" if topic.encrypted else "plaintext")
    settings: dict[str, Any] = {
        "bootstrap.servers": topic.servers, "security.protocol": protocol, "client.id": "fip",
        "acks": "all", "enable.idempotence": True, "message.timeout.ms": int(WITHIN * 1000),
    }  # fmt: skip
    if credentials:
        settings |= {
            "sasl.mechanisms": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": credentials.client_id,
            "sasl.oauthbearer.client.secret": credentials.client_secret,
            "sasl.oauthbearer.token.endpoint.url": credentials.token_url,
        }  # fmt: skip
    if credentials and credentials.scope:
        settings["sasl.oauthbearer.scope"] = credentials.scope
    return settings


def publish(
    topic: Topic, credentials: Credentials | None, identity: str, content_type: str, body: bytes, within: float = WITHIN
) -> Outcome:
    """Sends one message with the id of its alert as its key, and waits until the broker has it, or says why not.

    UsageError if confluent-kafka is not there, or takes no such settings.
    """
    try:
        from confluent_kafka import KafkaException, Producer
    except ImportError:
        raise UsageError("to send to Kafka takes confluent-kafka: `pip install 'fip[kafka]'`") from None
    said, troubles = list[Outcome](), list[str]()
    settings = settings_of(topic, credentials) | {
        "message.timeout.ms": int(within * 1000), "error_cb": lambda error: troubles.append(error.str())
    }  # fmt: skip
    try:
        producer = Producer(settings, logger=log)
    except KafkaException as error:
        raise UsageError(f"Kafka at {topic.servers}: {_line(error.args[0].str())}") from None
    headers = [("content-type", content_type.encode())]
    try:
        producer.produce(
            topic.name, body, identity.encode(), headers=headers, on_delivery=lambda error, _: said.append(_of(error))
        )
    except KafkaException as error:  # what it would not even try
        return _of(error.args[0])
    producer.flush(within)
    if not said:  # so that it is not sent behind the back of who has given it up
        producer.purge()
        producer.flush(1.0)
    if said and (said[0].status or not troubles):
        return said[0]
    return Outcome(0, _line(f"no answer within {within:g} s" + f": {troubles[-1]}" * bool(troubles)))


def _of(error: Any) -> Outcome:
    if error is None:
        return Outcome(200, "has it")
    return Outcome(_STATUS.get(error.name(), 0), _line(error.str()))


def _is_here(url: str) -> bool:
    """Whether a URL leads to this host alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in " ".join(text.split()))[:_SHOWN]
