"""Whom events are told to: `[alerts.NAME]` of the configuration."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from fip.config.tables import Table
from fip.data.names import is_label

Tell = Literal["all", "vetted", "none"]

KAFKA, KAFKAS = "kafka", "kafkas"
"""Schemes of a URL: not encrypted, on this host only; and by TLS."""


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this host alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of Kafka."""

    server: str  # HOST:PORT
    name: str
    encrypted: bool

    @classmethod
    def of(cls, url: str) -> Self:
        """From kafkas://HOST:PORT/TOPIC; ValueError for anything else, and for plain kafka:// to another host."""
        parts = urlsplit(url)
        host, port, name = parts.hostname, parts.port, parts.path.removeprefix("/")
        if not host or not port or parts.query or parts.fragment or not is_label(name):
            raise ValueError(f"'{url}' is not a topic of Kafka, as {KAFKAS}://kafka.example.org:9092/transients")
        if parts.scheme == KAFKA and not is_loopback(url):
            raise ValueError(f"'{url}' is not encrypted: give {KAFKAS}://, or an address of this host")
        return cls(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", name, parts.scheme == KAFKAS)


def _checked_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and parts.port != 0 and text.isascii() and text.isprintable() and " " not in text
    except ValueError:
        known = False
    if not known or parts.scheme not in ("https", "http", KAFKAS, KAFKA):
        raise ValueError(f"'{text}' is not a URL, as https://broker.example.org/alerts or {KAFKAS}://HOST:PORT/TOPIC")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"the URL of '{parts.hostname}' has a name or a password in it, to be seen: give token_file")
    if parts.scheme in (KAFKAS, KAFKA):
        Topic.of(text)
    if parts.scheme == "http" and not is_loopback(text):
        raise ValueError(
            f"'{text}' is not encrypted: give https://, or an address of this host, as http://127.0.0.1:8000"
        )
    return text


class AlertTarget(Table):
    """A place that alerts are posted to."""

    url: Annotated[str, AfterValidator(_checked_url)]
    tell: Tell | None = None  # None: all if it is on this host, else those that a person has called real
    per_hour: int = Field(10, ge=1, le=3600)  # messages; retractions and summaries come on top
    token_file: Path | None = None  # of a bearer token, or credentials for Kafka; nobody but its owner may read it
    form: Literal["gcn", "voevent", "votable", "ecsv", "text"] = "gcn"
    injections: bool = False  # also what FIP put in itself, to see that the way is open; on this host only

    @model_validator(mode="after")
    def _injections_stay_here(self) -> "AlertTarget":
        if self.injections and self.external:
            raise ValueError(
                f"injections = true: what is not real is never sent to another host (url = '{self.url}'): leave it out"
            )
        return self

    @property
    def topic(self) -> Topic | None:
        """Of Kafka, if it is one."""
        return Topic.of(self.url) if urlsplit(self.url).scheme in (KAFKA, KAFKAS) else None

    @property
    def external(self) -> bool:
        """Whether it is on another host."""
        return not is_loopback(self.url)

    @property
    def told(self) -> Tell:
        """Which events it is told."""
        return self.tell or ("vetted" if self.external else "all")
