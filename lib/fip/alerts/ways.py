"""The ways to a target: HTTP, or a topic of Kafka."""

from fip.alerts import kafka, posting
from fip.alerts.posting import Answer
from fip.config import AlertTarget


def send(target: AlertTarget, identity: str, content_type: str, body: bytes) -> Answer:
    """Send one message, as its target takes them. UsageError as `posting.post` and `kafka.post`."""
    way = kafka.post if target.topic else posting.post
    return way(target, identity, content_type, body)
