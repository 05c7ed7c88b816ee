# SPDX-License-Identifier: Apache-2.0
"""
Be a forward proxy on 127.0.0.1 that loses answers.

Its clients are told of it by `HTTP_PROXY` and ask it for a host that exists for it alone. A share of the requests is
lost: before the service sees them, after it has acted, or in the middle of its answer.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

HOST = "workflows.test"  # no host of this name can exist
BEFORE = "request dropped before the service saw it"
AFTER = "answer dropped after the service acted"
CUT = "answer cut short"
KINDS = (BEFORE, AFTER, CUT)
HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "content-length"})
PATIENCE = 30.0  # seconds for the service; its slowest answers take less


class Answer(NamedTuple):
    """Hold what the service answered."""

    status: int
    headers: dict[str, str]
    content: bytes


class LossyProxy(ThreadingHTTPServer):
    """
    Forward what is sent to :data:`HOST`.

    :param target: base URL of the service behind it.
    :param share: of the requests that get lost, each kind as often as the others.

    :ivar losing: whether it loses anything now.
    :ivar lost: how often it did what.
    """

    daemon_threads = True

    def __init__(self, target: str, seed: int, share: float) -> None:
        self.losing = False
        self.lost: Counter[str] = Counter()
        self._share = share
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator[LossyProxy]:
        """Serve for the block."""
        thread = threading.Thread(target=self.serve_forever, name="lossy proxy", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that did not wait for their answer, as those of a slow service do."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def loss(self) -> str | None:
        """Decide what happens to the next request."""
        with self._lock:
            if not self.losing or self._chance.random() >= self._share:
                return None
            kind = self._chance.choice(KINDS)
            self.lost[kind] += 1
            return kind

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer | None:
        """Return the service's answer, `None` where it gave none."""
        connection = HTTPConnection(*self._target, timeout=PATIENCE)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, _end_to_end(response.headers.items()), response.read())
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    server: LossyProxy
    protocol_version = "HTTP/1.1"
    timeout = 60.0  # seconds until a connection that nobody uses is closed

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urlsplit(self.path)
        if url.hostname != HOST:
            self.send_error(502, "this proxy knows one host only")
            return
        loss = self.server.loss()
        answer = None
        if loss != BEFORE:
            path = url.path + (f"?{url.query}" if url.query else "")
            answer = self.server.ask(self.command, path, body, _end_to_end(self.headers.items()))
        if answer is None or loss == AFTER:
            self.close_connection = True
        else:
            self._answer(answer, cut=loss is not None)

    def _answer(self, answer: Answer, *, cut: bool) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content[: len(answer.content) // 2] if cut else answer.content)
        self.close_connection = cut or self.close_connection

    do_GET = do_POST = _forward  # noqa: N815 - http.server calls them so

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: the emulator keeps a log of what arrives."""


def _end_to_end(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers that are not between two neighbours only."""
    return {name: value for name, value in headers if name.lower() not in HOP_BY_HOP}
