"""A target of alerts: a server on this host that writes down what is posted to it, and answers as it is ordered."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One alert that was posted."""

    id: str
    body: bytes
    headers: dict[str, str]

    @property
    def told(self) -> Any:
        """Return the content of the JSON."""
        return json.loads(self.body)


@dataclass
class Webhook:
    """The server. Use it as a context."""

    answers: list[int] = field(default_factory=list)  # one after the other, and then 200
    headers: dict[str, str] = field(default_factory=dict)  # of all answers
    heard: Callable[[Posted], None] = lambda posted: None  # called before the answer
    posts: list[Posted] = field(default_factory=list)
    silent: threading.Event | None = None  # if given, nothing is answered before it is set

    def __enter__(self) -> "Webhook":
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted = Posted(self.headers["Idempotency-Key"], body, dict(self.headers))
                webhook.posts.append(posted)
                webhook.heard(posted)
                if webhook.silent is not None:
                    webhook.silent.wait(30)
                self.send_response(webhook.answers.pop(0) if webhook.answers else 200)
                for name, value in webhook.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *said: object) -> None:
                """Say nothing: requests are not logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.silent is not None:
            self.silent.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Return the address that alerts are posted to."""
        return f"http://127.0.0.1:{self._server.server_port}/alerts"

    @property
    def ids(self) -> list[str]:
        """The ids of all that was posted."""
        return [each.id for each in self.posts]
