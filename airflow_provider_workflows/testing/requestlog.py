# SPDX-License-Identifier: Apache-2.0
"""Remember what requests came, for tests to count and look at."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_workflows.testing.discovery import OPERATION_OF

# The methods of the API, requests to a callback's URL, and whatever else comes.
OPERATIONS = (*OPERATION_OF.values(), "callback", "other")

# Headers and parameters whose values are credentials; of Authorization the scheme is kept.
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-goog-api-key"})
_SECRET_PARAMETERS = frozenset({"access_token", "oauth_token", "key", "$key"})


@dataclass
class LoggedRequest:
    """One request.

    :ivar number: counts from 1, over the emulator's whole life.
    :ivar operation: one of `OPERATIONS`.
    :ivar version: v1 or v1beta, empty for an unknown path.
    :ivar status: what was answered; None while it is not, or when the connection was dropped.
    :ivar body: the decoded JSON, None when there was none.
    :ivar time: the emulator's clock at arrival, epoch seconds.
    :ivar headers: by lower-case name; credentials are left out, `Authorization` is its scheme.
    """

    number: int
    operation: str
    method: str
    path: str
    query: dict[str, str]
    version: str
    status: int | None
    body: Any
    time: float
    headers: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by lower-case name without credentials."""
    return {name.lower(): _safe_value(name.lower(), value) for name, value in headers.items()}


def _safe_value(name: str, value: str) -> str:
    if name not in _SECRET_HEADERS:
        return value
    return value.split(" ", 1)[0] if name == "authorization" else "***"


def safe_query(query: Mapping[str, str]) -> dict[str, str]:
    """Return query parameters without credentials."""
    return {name: "***" if name in _SECRET_PARAMETERS else value for name, value in query.items()}


class RequestLog:
    """Keep the latest requests and count all of them by operation.

    :param limit: how many are kept in full; a benchmark's emulator must not grow for ever.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LoggedRequest] = deque(maxlen=limit)
        self._counts: Counter[str] = Counter()
        self._number = 0

    def add(self, **fields: Any) -> LoggedRequest:
        """Record an arriving request, before anything is done about it."""
        with self._lock:
            self._number += 1
            entry = LoggedRequest(number=self._number, status=None, **fields)
            self._entries.append(entry)
            self._counts[entry.operation] += 1
            return entry

    def entries(self, since: int = 0) -> list[LoggedRequest]:
        """Return requests, oldest first; with `since`, those with a higher number."""
        with self._lock:
            return [entry for entry in self._entries if entry.number > since]

    def counts(self) -> dict[str, int]:
        """Return the number of requests by operation, zeros included."""
        with self._lock:
            return {operation: self._counts[operation] for operation in OPERATIONS}

    def clear(self) -> None:
        """Forget all requests and counts; numbers go on."""
        with self._lock:
            self._entries.clear()
            self._counts.clear()
