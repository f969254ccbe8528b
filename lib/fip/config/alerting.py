"""Whom events are told to: `[alerts.NAME]` of the configuration."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from fip.config.tables import Table

Tell = Literal["all", "vetted", "none"]


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this host alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and parts.port != 0 and text.isascii() and text.isprintable() and " " not in text
    except ValueError:
        known = False
    if not known or parts.scheme not in ("https", "http"):
        raise ValueError(f"'{text}' is not a URL, as https://broker.example.org/alerts")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"the URL of '{parts.hostname}' has a name or a password in it, to be seen: give token_file")
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
    token_file: Path | None = None  # of a bearer token; nobody but its owner may read it
    form: Literal["gcn", "voevent"] = "gcn"
    injections: bool = False  # also what FIP put in itself, to see that the way is open; on this host only

    @model_validator(mode="after")
    def _injections_stay_here(self) -> "AlertTarget":
        if self.injections and self.external:
            raise ValueError(
                f"injections = true: what is not real is never sent to another host (url = '{self.url}'): leave it out"
            )
        return self

    @property
    def external(self) -> bool:
        """Whether it is on another host."""
        return not is_loopback(self.url)

    @property
    def told(self) -> Tell:
        """Which events it is told."""
        return self.tell or ("vetted" if self.external else "all")
