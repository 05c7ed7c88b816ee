# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the emulator's own tests: an emulator on a manual clock, and plain HTTP to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery

from airflow_provider_workflows.testing import Emulator, ManualClock
from tests.discovered import check_answer

WORKFLOWS = "projects/test-project/locations/us-central1/workflows"


class Api:
    """
    Speak one version of the API over plain HTTP; every method returns the response.

    Each answer is held to the discovery document, unless `checked` is turned off for what a fault makes.
    """

    def __init__(self, endpoint: str, version: str) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.hooks["response"].append(self._check)
        self.checked = True
        self.version = version
        self.root = f"{endpoint}/{version}"

    def _check(self, answer: requests.Response, **_: Any) -> None:
        if self.checked:
            request, url = answer.request, urlsplit(answer.request.url or "")
            verb = request.headers.get("X-HTTP-Method-Override") or request.method or ""
            content_type = answer.headers["Content-Type"]
            check_answer(
                verb, str(url.path), dict(parse_qsl(str(url.query))), answer.status_code, content_type, answer.content
            )

    def create(self, workflow: str, body: Any = None, **query: Any) -> requests.Response:
        """Create an execution with a JSON body, or a raw one."""
        return self.post(f"{WORKFLOWS}/{workflow}/executions", body, **query)

    def get(self, workflow: str, execution_id: str, **query: Any) -> requests.Response:
        """Get an execution."""
        return self.read(f"{WORKFLOWS}/{workflow}/executions/{execution_id}", **query)

    def list(self, workflow: str, **query: Any) -> requests.Response:
        """List a workflow's executions."""
        return self.read(f"{WORKFLOWS}/{workflow}/executions", **query)

    def cancel(self, workflow: str, execution_id: str, body: Any = None) -> requests.Response:
        """Cancel an execution."""
        return self.post(f"{WORKFLOWS}/{workflow}/executions/{execution_id}:cancel", body)

    def step_entries(self, workflow: str, execution_id: str, entry: str = "", **query: Any) -> requests.Response:
        """List an execution's step entries, or get one."""
        return self.about(workflow, execution_id, f"/stepEntries/{entry}".rstrip("/"), **query)

    def callbacks(self, workflow: str, execution_id: str, **query: Any) -> requests.Response:
        """List an execution's callbacks."""
        return self.about(workflow, execution_id, "/callbacks", **query)

    def call_back(self, workflow: str, execution_id: str, callback: str, body: Any = None) -> requests.Response:
        """Request a callback's URL."""
        return self.post(f"{WORKFLOWS}/{workflow}/executions/{execution_id}/callbacks/{callback}", body)

    def export_data(self, workflow: str, execution_id: str) -> requests.Response:
        """Export an execution's data."""
        return self.about(workflow, execution_id, ":exportData")

    def delete_history(self, workflow: str, execution_id: str) -> requests.Response:
        """Delete an execution's step entries."""
        return self.post(f"{WORKFLOWS}/{workflow}/executions/{execution_id}:deleteExecutionHistory")

    def post_push(self, workflow: str, body: Any, **query: Any) -> requests.Response:
        """Trigger an execution as Pub/Sub does."""
        return self.post(f"{WORKFLOWS}/{workflow}:triggerPubsubExecution", body, **query)

    def about(self, workflow: str, execution_id: str, rest: str, **query: Any) -> requests.Response:
        """Read something below an execution."""
        return self.read(f"{WORKFLOWS}/{workflow}/executions/{execution_id}{rest}", **query)

    def read(self, path: str, **query: Any) -> requests.Response:
        """Send a GET to a path below the version."""
        return self.session.get(f"{self.root}/{path}", params=query, timeout=10)

    def post(self, path: str, body: Any = None, **query: Any) -> requests.Response:
        """Send a POST to a path below the version."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        return self.session.post(f"{self.root}/{path}", data=data, params=query, timeout=10)

    def created(self, workflow: str, argument: Any = None, **fields: Any) -> str:
        """Create an execution and return its id."""
        answer = self.create(workflow, {"argument": json.dumps(argument), **fields})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["name"]).rsplit("/", 1)[-1]


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still at 2026-01-01T00:00:00Z."""
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[Emulator]:
    """Serve an emulator on the manual clock."""
    with Emulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture(params=["v1", "v1beta"])
def version(request: pytest.FixtureRequest) -> str:
    """Run a test on both versions."""
    return str(request.param)


@pytest.fixture
def api(emulator: Emulator, version: str) -> Api:
    """Speak each version in turn."""
    return Api(emulator.endpoint, version)


@pytest.fixture
def v1(emulator: Emulator) -> Api:
    """Speak v1."""
    return Api(emulator.endpoint, "v1")


@pytest.fixture
def v1beta(emulator: Emulator) -> Api:
    """Speak v1beta."""
    return Api(emulator.endpoint, "v1beta")


@pytest.fixture
def google(emulator: Emulator) -> Iterator[Callable[[str], Any]]:
    """Build Google's own client's `executions()` for a version."""
    services = ExitStack()

    def build(version: str) -> Any:
        service = discovery.build(
            "workflowexecutions",
            version,
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": emulator.endpoint},
            static_discovery=True,
            cache_discovery=False,
        )
        services.callback(service.close)
        return service.projects().locations().workflows().executions()

    with services:
        yield build
