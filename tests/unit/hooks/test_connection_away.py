# SPDX-License-Identifier: Apache-2.0
"""
A deferred wait while Airflow cannot read connections.

Airflow then says that the connection does not exist: its backends answer nothing, and it takes that for an answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_workflows.compat import BaseHook
from airflow_provider_workflows.core.defaults import DEFAULT_CONNECTION_ID
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock, make_trigger, only_event
from tests.token_server import TokenServer

Connect = Callable[..., None]


def wait(emulator: Emulator, clock: AdvancingClock, seconds: float, conn_id: str) -> dict[str, Any]:
    """Wait in a trigger for an execution that takes so long; return the event's payload."""
    execution_id = emulator.start("sleep", {"seconds": seconds})
    trigger = WorkflowExecutionTrigger(
        DEFAULT_PROJECT,
        DEFAULT_LOCATION,
        "sleep",
        execution_id,
        gcp_conn_id=conn_id,
        api_endpoint=emulator.endpoint,  # not the connection's, so that this machine's own account comes here as well
    )
    payload: dict[str, Any] = asyncio.run(only_event(make_trigger(*trigger.serialize(), clock)))
    return payload


def variable(conn_id: str) -> str:
    """Name the environment variable that holds a connection; without it Airflow finds none."""
    return f"AIRFLOW_CONN_{conn_id.upper()}"


@pytest.mark.parametrize("conn_id", [DEFAULT_CONNECTION_ID, "other"])
def test_a_wait_keeps_its_identity_when_its_connection_cannot_be_read_again(
    conn_id: str,
    emulator: Emulator,
    connect: Connect,
    token_server: TokenServer,
    private_key: str,
    clock: AdvancingClock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """After most of an hour without its connection the task still is who it was, never the machine's account."""
    connect(conn_id, keyfile_dict=token_server.key(private_key), is_anonymous=None)
    emulator.settings.token = "the connection's"
    token_server.tokens = ["the connection's", "the machine's"]
    key = tmp_path / "key.json"
    key.write_text(json.dumps(token_server.key(private_key)), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    clock.on_sleep(lambda: monkeypatch.delenv(variable(conn_id)), number=3)
    assert wait(emulator, clock, 3000, conn_id)["status"] == "success"
    assert {request.status for request in emulator.requests} == {200}


def test_a_connection_that_cannot_be_read_at_first_is_waited_for(
    emulator: Emulator, connect: Connect, clock: AdvancingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Airflow that is away for some seconds when a trigger starts ends no wait."""
    connect("other")
    stored = BaseHook.get_connection("other").as_json()
    monkeypatch.delenv(variable("other"))
    clock.on_sleep(lambda: monkeypatch.setenv(variable("other"), stored), number=2)
    assert wait(emulator, clock, 100, "other")["status"] == "success"


@pytest.fixture
def machine(
    emulator: Emulator,
    connect: Connect,
    token_server: TokenServer,
    private_key: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> str:
    """Have a machine with an account of its own, which is not the default connection's; return the connection."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None)
    key = tmp_path / "key.json"
    key.write_text(json.dumps(token_server.key(private_key)), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    return str(BaseHook.get_connection(DEFAULT_CONNECTION_ID).as_json())


def test_who_starts_while_airflow_is_away_waits_for_the_default_connection(
    machine: str, emulator: Emulator, token_server: TokenServer, clock: AdvancingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default connection is asked for again, and the machine's account never looks in its place."""
    monkeypatch.delenv(variable(DEFAULT_CONNECTION_ID))
    token_server.tokens = ["the machine's"]
    emulator.settings.token = "the connection's"

    def is_back() -> None:
        assert token_server.asked == []
        monkeypatch.setenv(variable(DEFAULT_CONNECTION_ID), machine)
        token_server.tokens = ["the connection's"]

    clock.on_sleep(is_back, number=3)
    assert wait(emulator, clock, 300, DEFAULT_CONNECTION_ID)["status"] == "success"
    assert {request.status for request in emulator.requests} == {200}


def test_a_connection_that_stays_missing_is_told_after_a_minute(
    machine: str, emulator: Emulator, clock: AdvancingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there really is no connection, the event says how to make it, and the waiting is not for ever."""
    assert machine
    monkeypatch.delenv(variable(DEFAULT_CONNECTION_ID))
    began = clock.time()
    event = wait(emulator, clock, 3000, DEFAULT_CONNECTION_ID)
    assert event["status"] == "error"
    assert f"airflow connections add {DEFAULT_CONNECTION_ID}" in event["message"]
    assert 60 <= clock.time() - began <= 130
    assert emulator.requests == []


@pytest.mark.parametrize("chain", [" ", ",", [""], [" ", ""], (), "\n"])
def test_a_blank_chain_keeps_the_connections(chain: Any, connect: Connect, emulator: Emulator) -> None:
    """A template that renders to nothing never drops the account that the connection names."""
    connect(impersonation_chain="target@p.iam.gserviceaccount.com")
    assert WorkflowExecutionsHook(impersonation_chain=chain).settings.impersonation_chain == (
        "target@p.iam.gserviceaccount.com",
    )
    settings = asyncio.run(WorkflowExecutionsAsyncHook(impersonation_chain=chain).get_settings())
    assert settings.impersonation_chain == ("target@p.iam.gserviceaccount.com",)


async def test_a_chain_of_accounts_waits_like_one(emulator: Emulator, connect: Connect, clock: AdvancingClock) -> None:
    """A list of accounts is as good for the async hook's wait as for its other methods."""
    connect()
    chain = ["delegate@p.iam.gserviceaccount.com", "target@p.iam.gserviceaccount.com"]
    execution_id = emulator.start("echo", 1)
    async with WorkflowExecutionsAsyncHook(impersonation_chain=chain, clock=clock) as hook:
        ended = await hook.wait_for_execution("echo", execution_id=execution_id)
    assert ended["state"] == "SUCCEEDED"
