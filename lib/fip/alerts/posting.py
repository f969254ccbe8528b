"""One message to one target: HTTP, with a token from a file and a limit on all that is waited for."""

import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

from fip import __version__
from fip.config import AlertTarget
from fip.data.errors import UsageError

WITHIN = 10.0
"""Seconds for a target to take a message and to answer."""

_LONGEST_TOKEN = 16384  # bytes
_SHOWN = 120  # characters of what a target answers


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target has answered to a message."""

    status: int  # of HTTP; 0 if it said nothing
    said: str  # in words, one line
    wait: float | None = None  # s that it asks for, before the next try


def post(target: AlertTarget, identity: str, content_type: str, body: bytes) -> Answer:
    """Send one message, with the id of its alert as Idempotency-Key. Follow no redirect: the token is for one target.

    UsageError if there is no token to be had.
    """
    headers = {
        "Content-Type": content_type, "User-Agent": f"fip/{__version__}", "Idempotency-Key": identity,
        "Connection": "close",
    }  # fmt: skip
    if target.token_file:
        headers["Authorization"] = f"Bearer {read_token(target.token_file)}"
    parts = urlsplit(target.url)
    host = parts.hostname or ""
    connection = (
        HTTPSConnection(host, parts.port, timeout=WITHIN, context=ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port, timeout=WITHIN)
    )
    ending = Timer(WITHIN, _cut, [connection])
    ending.daemon = True
    ending.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        first = response.read(_SHOWN).decode("utf-8", "replace")
        said = _said(response.status, response.reason, first)
        return Answer(response.status, said, _wait(response.getheader("Retry-After")))
    except (OSError, HTTPException) as error:
        if isinstance(error, TimeoutError) or not ending.is_alive():
            return Answer(0, f"no answer within {WITHIN:g} s")
        return Answer(0, one_line(str(getattr(error, "strerror", None) or error or "it hung up")))
    finally:
        ending.cancel()
        connection.close()


def read_token(path: Path) -> str:
    """The token in a file. UsageError if others may read it, or there is none."""
    token = read_secret(path)
    if not token.isprintable() or " " in token or not token.isascii():
        raise UsageError(f"token_file {path}: is not a token, one word of printable ASCII")
    return token


def read_secret(path: Path) -> str:
    """What a file holds that nobody but its owner may read. UsageError if others may, or it is empty, or long."""
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode & 0o777
            content = file.read(_LONGEST_TOKEN + 1)
    except OSError as error:
        raise UsageError(f"token_file {path}: cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise UsageError(f"token_file {path}: others may read this token (mode {mode:04o}): `chmod 600 {path}`")
    secret = content.decode("ascii", "replace").strip()
    if not secret or len(content) > _LONGEST_TOKEN:
        raise UsageError(f"token_file {path}: is not a token, one word of printable ASCII")
    return secret


def _cut(connection: HTTPConnection) -> None:
    """End what goes on at a connection, from another thread: a target that says a little now and then is silent."""
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is over already
            return


def _said(status: int, reason: str, first: str) -> str:
    answer = f"answers {status} {reason}".rstrip()
    return one_line(f"{answer}: {first}" if first.strip() and status >= 300 else answer)


def one_line(text: str) -> str:
    """One line without what a terminal would take as more than text."""
    return "".join(each if each.isprintable() else " " for each in " ".join(text.split()))[:_SHOWN]


def _wait(text: str | None) -> float | None:
    return float(text) if text and text.strip().isdecimal() else None
