# SPDX-License-Identifier: Apache-2.0
"""Steer an emulator that runs in another process; the standard library is enough for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener


class RemoteEmulator:
    """Call the control API of `python -m airflow_provider_workflows.testing`.

    The methods are those of `Emulator`; requests and executions come as JSON objects.

    :param endpoint: the emulator's base URL, such as `http://127.0.0.1:8080`.
    :param timeout: seconds per call.
    """

    def __init__(self, endpoint: str, *, timeout: float = 30.0) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._timeout = timeout
        self._opener = build_opener(ProxyHandler({}))  # it is on this machine, whatever proxies are set

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.endpoint}/emulator/{path}", data, method=method)  # noqa: S310 - our own URL
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                answer = json.loads(response.read())
        except HTTPError as error:
            raise ValueError(f"{method} /emulator/{path}: {error.read().decode()}") from error
        return dict(answer)

    def fail(self, operation: str, kind: str | None = None, **parameters: Any) -> RemoteFault:
        """Spoil the next requests of an operation, see `Emulator.fail`; `when` cannot be sent.

        :raises ValueError: the emulator does not accept the parameters.
        """
        answer = self._call("POST", "faults", {"operation": operation, "kind": kind, **parameters})
        return RemoteFault(self, int(answer["fault"]))

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._call("DELETE", "faults")

    def release(self) -> None:
        """Answer the requests that a fault is delaying, now."""
        self._call("POST", "release", {})

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Return the requests so far, oldest first."""
        return self.requests_since(0)

    def requests_since(self, number: int) -> list[dict[str, Any]]:
        """Return the requests whose `number` is higher."""
        return list(self._call("GET", f"requests?since={number}")["requests"])

    def clear_requests(self) -> None:
        """Forget the requests so far, counts included."""
        self._call("DELETE", "requests")

    def counts(self) -> dict[str, int]:
        """Return the number of requests by operation."""
        return self._call("GET", "counts")

    def count(self, operation: str) -> int:
        """Return how many requests of an operation arrived."""
        return self.counts()[operation]

    def executions(self, workflow: str | None = None) -> list[dict[str, Any]]:
        """Return the FULL v1 resources, oldest first."""
        query = f"?workflow={quote(workflow)}" if workflow else ""
        return list(self._call("GET", f"executions{query}")["executions"])

    def define(self, name: str, definition: Mapping[str, Any]) -> None:
        """Register a workflow that JSON describes; see `Emulator.define`."""
        self._call("POST", f"workflows/{quote(name)}", definition)

    def start(self, workflow: str, argument: Any = None, labels: Mapping[str, str] | None = None, **where: str) -> str:
        """Create an execution as if somebody else had; return its id.

        :param where: `project` and `location`.
        """
        body = {"argument": argument, "labels": dict(labels or {}), **where}
        return str(self._call("POST", f"workflows/{quote(workflow)}:start", body)["id"])

    def add_executions(self, workflow: str, count: int, state: str = "SUCCEEDED", **options: Any) -> list[str]:
        """Add many foreign executions; return their ids. See `Emulator.add_executions`."""
        body = {"count": count, "state": state, **options}
        return list(self._call("POST", f"workflows/{quote(workflow)}:add", body)["ids"])

    def set_state(self, execution_id: str, state: str, *, result: Any = None, error: Any = None) -> None:
        """Force a state."""
        body = {"state": state, "result": result, "error": error}
        self._call("POST", f"executions/{quote(execution_id)}:setState", body)

    def delete(self, execution_id: str) -> None:
        """Forget an execution."""
        self._call("DELETE", f"executions/{quote(execution_id)}")

    def advance(self, seconds: float) -> None:
        """Move the clock of an emulator that runs on a `ManualClock`."""
        self._call("POST", "clock:advance", {"seconds": seconds})


class RemoteFault:
    """A fault that was added remotely."""

    def __init__(self, emulator: RemoteEmulator, number: int) -> None:
        self._emulator = emulator
        self.number = number

    def remove(self) -> None:
        """Stop it; without effect when it is used up."""
        self._emulator._call("DELETE", f"faults/{self.number}")  # noqa: SLF001 - the other half of one class
