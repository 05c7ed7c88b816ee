# SPDX-License-Identifier: Apache-2.0
"""Stand in front of the emulator as a service that lists in other ways than it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Query = dict[str, str]


def ignore_filter(query: Query) -> Query:
    """Take a filter and do as if there were none."""
    return {key: value for key, value in query.items() if key != "filter"}


def queued_last(query: Query, page: dict[str, Any]) -> None:
    """Order by start time where no other order is asked for: what has not started comes last."""
    if "orderBy" not in query:
        page.get("executions", []).sort(key=lambda each: each.get("startTime", ""), reverse=True)


@contextmanager
def front(
    endpoint: str,
    asked: Callable[[Query], Query] = lambda query: query,
    answered: Callable[[Query, dict[str, Any]], None] = lambda query, page: None,
    creating: Callable[[], object] = lambda: None,
) -> Iterator[str]:
    """
    Pass requests on to an endpoint; give the address to ask instead.

    :param asked: changes the query of a list.
    :param answered: changes the page that a list answers with, in place.
    :param creating: what happens before a create is passed on.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _pass_on(self, body: bytes | None) -> None:
            path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
            is_list = body is None and path.endswith("/executions")
            if body is not None and path.endswith("/executions"):
                creating()
            target = f"{endpoint.rstrip('/')}{path}?{urlencode(asked(query) if is_list else query)}"
            headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            try:
                with urllib.request.urlopen(urllib.request.Request(target, body, headers)) as answer:
                    status, content = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                status, content = error.code, error.read()
            if is_list and status == 200:
                page = json.loads(content)
                answered(query, page)
                content = json.dumps(page).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
