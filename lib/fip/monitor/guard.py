"""Who may ask the monitor for what. Pure but for the last class, which asks it of every request.

A browser is the way in for attackers, so every request must name a host that this monitor has (against DNS
rebinding), and one that changes something must come from the monitor's own page (against cross-site requests) and
carry the token in its Authorization header, on loopback, too. Reading is open on loopback; elsewhere it takes the
token, or the cookie that a page gets for it. The token is in no URL, so that no log has it.
"""

import asyncio
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fip.data.errors import ConfigError
from fip.runtime.allowance import Allowances

SHORTEST_TOKEN = 16  # characters
REQUESTS = 300, 50.0  # of a host that shows no token: so many at once, and then so many a second
_HOST = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<six>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{1,5}))?")

PUBLIC = ("/", "/assets/")
"""What is the same in every monitor, and asks for the token."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    text: str


@dataclass(frozen=True)
class Access:
    """The rules of one monitor."""

    hosts: frozenset[str]  # names and addresses by which it is reached, lower case, without ports
    token: str
    open_reading: bool  # whether anybody who reaches it may read: on loopback alone

    @property
    def cookie_value(self) -> str:
        """What a page with the token shows from then on to be allowed to read; it is good for nothing else."""
        return hmac.new(self.token.encode(), b"fip-monitor reads", hashlib.sha256).hexdigest()

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether a request shows the token, or the cookie for it."""
        return self._has_token(headers) or self._has_cookie(headers.get("host", ""), headers)

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Return why this request is refused; None if it may be answered. Names of `headers` are lower case."""
        host = headers.get("host", "")
        if _host_name(host) not in self.hosts:
            return Refusal(421, "this is not a host of this monitor: add it to monitor.hosts")
        if method not in ("GET", "HEAD"):
            return self._refusal_to_change(host, headers)
        if self.open_reading or path == PUBLIC[0] or path.startswith(PUBLIC[1]):
            return None
        if self.is_known(headers):
            return None
        return Refusal(401, "sign in with the token of this monitor")

    def _refusal_to_change(self, host: str, headers: Mapping[str, str]) -> Refusal | None:
        if headers.get("origin", "") not in (f"http://{host}", f"https://{host}"):
            return Refusal(403, "this is for the page of this monitor alone: Origin and Host differ")
        if not self._has_token(headers):
            return Refusal(401, "this takes the token of this monitor")
        return None

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, said = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _equal(said.strip(), self.token)

    def _has_cookie(self, host: str, headers: Mapping[str, str]) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(cookie_name(host))
        except CookieError:
            return False
        return cookie is not None and _equal(cookie.value, self.cookie_value)


def cookie_name(host: str) -> str:
    """Return the name of the monitor's cookie at this Host: browsers do not keep ports apart."""
    match = _HOST.fullmatch(host)
    return f"fip-{(match and match['port']) or 80}"


def read_token(path: Path) -> str:
    """Return the token in a file; make it if missing. ConfigError if it cannot be read or made, or is too short."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(f"monitor.token_file: {path} cannot be made: {error.strerror}") from None
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    try:
        mode = path.stat().st_mode & 0o777
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"monitor.token_file: {path} cannot be read: {error}") from None
    if mode & 0o077:
        raise ConfigError(
            f"monitor.token_file: others may read or change {path} (mode {mode:04o}); `chmod 600 {path}`, or remove it "
            "if others have read it, and a new one is made"
        )
    if len(token) < SHORTEST_TOKEN or not token.isascii() or len(token.split()) != 1:
        raise ConfigError(
            f"monitor.token_file: {path} holds no token of {SHORTEST_TOKEN} or more characters; "
            "remove it, and a new one is made"
        )
    return token


class Guard:
    """Asks `Access` of every request, and sets the headers that browsers heed."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._asked = Allowances[str](*REQUESTS)  # by the host that asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as an ASGI application."""
        if scope["type"] != "http":  # there are no websockets; a lifespan has no client
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        if not self._access.is_known(headers):
            await self._have_it_wait(scope)
        refusal = self._access.refusal(scope["method"], scope["path"], headers)
        if refusal:
            await PlainTextResponse(refusal.text, refusal.status)(scope, receive, with_headers)
        else:
            await self._app(scope, receive, with_headers)

    async def _have_it_wait(self, scope: Scope) -> None:
        """Let a caller wait who shows no token and asks too much."""
        host, _ = scope.get("client") or ("", 0)
        left = self._asked.use(str(host), 1, time.monotonic())
        if left < 0:
            await asyncio.sleep(-left / REQUESTS[1])


def _host_name(host: str) -> str:
    """Return the host of a Host header, without its port; "" if it is not valid."""
    match = _HOST.fullmatch(host)
    return (match["name"] or match["six"]).lower() if match else ""


def _equal(said: str, secret: str) -> bool:
    return secrets.compare_digest(said.encode(), secret.encode())
