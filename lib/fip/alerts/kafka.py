"""One message to a topic of Kafka, as GCN and others take them. Needs confluent-kafka: the extra `fip[kafka]`."""

import json
import logging
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from fip.alerts.posting import WITHIN, Answer, one_line, read_secret
from fip.config import AlertTarget
from fip.config.alerting import Topic, is_loopback
from fip.data.errors import UsageError

log = logging.getLogger("fip.alerts")

_SLACK = 1.0  # s for librdkafka to say that it has given a message up
_STATUS = {  # as HTTP would answer, by the names of librdkafka's errors
    "_AUTHENTICATION": 401, "SASL_AUTHENTICATION_FAILED": 401,
    "TOPIC_AUTHORIZATION_FAILED": 403, "CLUSTER_AUTHORIZATION_FAILED": 403,
    "_UNKNOWN_TOPIC": 404, "UNKNOWN_TOPIC_OR_PART": 404,
    "MSG_SIZE_TOO_LARGE": 413, "INVALID_RECORD": 400, "TOPIC_EXCEPTION": 400,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is needed to get a token (OAuth 2, client credentials) that a broker takes (SASL OAUTHBEARER)."""

    client_id: str
    client_secret: str
    token_url: str
    scope: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a JSON object with these names, as a file holds it; ValueError, which does not show it, for others."""
        try:
            made = cls(**json.loads(text))
        except (TypeError, ValueError):
            made = None
        if made is None or not all(isinstance(getattr(made, each), str) for each in cls.__dataclass_fields__):
            raise ValueError("is no JSON object of texts: client_id, client_secret, token_url, and maybe scope")
        if urlsplit(made.token_url).scheme != "https" and not is_loopback(made.token_url):
            raise ValueError("token_url is not encrypted: give https://")
        return made


def settings_of(topic: Topic, credentials: Credentials | None = None) -> dict[str, Any]:
    """Return the settings of librdkafka for a sender: all replicas have a message before it counts as sent."""
    protocol = ("sasl_" if credentials else "") + ("ssl" if topic.encrypted else "plaintext")
    settings: dict[str, Any] = {
        "bootstrap.servers": topic.server, "security.protocol": protocol, "client.id": "fip",
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


def post(target: AlertTarget, identity: str, content_type: str, body: bytes, within: float = WITHIN) -> Answer:
    """Send one message with the id of its alert as its key, and wait until the broker has it, or says why not.

    The answer has the numbers of HTTP. UsageError if confluent-kafka is not there, the target is no topic, or there are
    no credentials to be had.
    """
    try:
        from confluent_kafka import KafkaException, Producer
    except ImportError:
        raise UsageError("to send to Kafka takes confluent-kafka: `pip install 'fip[kafka]'`") from None
    if target.topic is None:
        raise UsageError(f"{target.url} is not a topic of Kafka")
    settings = settings_of(target.topic, _credentials(target))
    said, troubles = list[Answer](), list[str]()
    settings |= {"message.timeout.ms": int(within * 1000), "error_cb": lambda error: troubles.append(error.str())}
    try:
        producer = Producer(settings, logger=log)
    except KafkaException as error:
        raise UsageError(f"{target.url}: {one_line(error.args[0].str())}") from None
    headers, key = [("content-type", content_type.encode())], identity.encode()
    try:
        producer.produce(
            target.topic.name, body, key, headers=headers, on_delivery=lambda error, _: said.append(_answer(error))
        )
    except KafkaException as error:  # what it would not even try
        return _answer(error.args[0])
    producer.flush(within + _SLACK)
    if said and (said[0].status or not troubles):
        return said[0]
    return Answer(0, one_line(f"no answer within {within:g} s" + f": {troubles[-1]}" * bool(troubles)))


def _credentials(target: AlertTarget) -> Credentials | None:
    if target.token_file is None:
        return None
    try:
        return Credentials.of(read_secret(target.token_file))
    except ValueError as error:
        raise UsageError(f"token_file {target.token_file}: {error}") from None


def _answer(error: Any) -> Answer:
    if error is None:
        return Answer(200, "has it")
    return Answer(_STATUS.get(error.name(), 0), one_line(error.str()))
