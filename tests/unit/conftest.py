# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the unit tests: time that nobody waits for, an emulator that lives in it, connections, logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_workflows.core.defaults import DEFAULT_CONNECTION_ID
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from tests.harness import AdvancingClock, TaskRun
from tests.log_lines import LogLine, record_logs
from tests.token_server import TokenServer, make_private_key, serve_tokens, stay_on_this_machine

Connect = Callable[..., None]


@pytest.fixture(autouse=True)
def _forget_masked_values() -> Iterator[None]:
    """Let Airflow 3 forget the secrets of earlier tests: each new one costs more the more there are."""
    yield
    with suppress(ImportError):
        from airflow.sdk._shared.secrets_masker import reset_secrets_masker

        reset_secrets_masker()


@pytest.fixture
def clock() -> AdvancingClock:
    """Give a clock that moves when somebody sleeps on it."""
    return AdvancingClock()


@pytest.fixture
def emulator(clock: AdvancingClock) -> Iterator[Emulator]:
    """Serve an emulator on the test's clock."""
    with Emulator(clock=clock.manual) as emulator:
        yield emulator


@pytest.fixture
def connect(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Give a function that defines a connection to the emulator; its keywords are further extras."""

    def connect(conn_id: str = DEFAULT_CONNECTION_ID, conn_type: str = "google_cloud_workflows", **extra: Any) -> None:
        fields = {
            "project": DEFAULT_PROJECT,
            "location": DEFAULT_LOCATION,
            "api_endpoint": emulator.endpoint,
            "is_anonymous": True,
            **extra,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": conn_type, "extra": given}))

    return connect


@pytest.fixture(params=["v1", "v1beta"])
def version(request: pytest.FixtureRequest) -> str:
    """Run a test on both versions of the API."""
    return str(request.param)


@pytest.fixture
def connection(connect: Connect) -> None:
    """Define the default connection, to the emulator."""
    connect()


@pytest.fixture
def versioned_connection(connect: Connect, version: str) -> None:
    """Define the default connection, to the emulator, for each version of the API."""
    connect(api_version=version)


@pytest.fixture
def hook(clock: AdvancingClock) -> Iterator[WorkflowExecutionsHook]:
    """Give a hook on the default connection, which the test must define."""
    with WorkflowExecutionsHook(clock=clock) as hook:
        yield hook


@pytest.fixture
def task(clock: AdvancingClock) -> Callable[..., TaskRun]:
    """Give a function that begins a task of an operator class; keywords are the operator's."""

    def task(operator: Any, **arguments: Any) -> TaskRun:
        return TaskRun(operator(task_id="task", **arguments), clock=clock)

    return task


@pytest.fixture
def logs() -> Iterator[list[LogLine]]:
    """Collect the log lines of a test, at INFO and above."""
    with record_logs() as lines:
        yield lines


@pytest.fixture(scope="session")
def private_key() -> str:
    """Give a private key of a service account."""
    return make_private_key()


@pytest.fixture
def token_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """Give a server of tokens, which google-auth asks instead of Google."""
    with serve_tokens() as server:
        stay_on_this_machine(monkeypatch, server)
        yield server
