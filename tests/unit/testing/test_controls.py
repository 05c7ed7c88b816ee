# SPDX-License-Identifier: Apache-2.0
"""What tests do with an emulator besides asking it over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_workflows.testing import Emulator, ManualClock, Settings, SystemClock, serve

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api


def test_request_log(api: Api, emulator: Emulator, clock: ManualClock) -> None:
    """Every request is logged with what a test wants to know, and without credentials."""
    clock.advance(3)
    api.session.headers["Authorization"] = "Bearer secret"
    api.session.headers["Cookie"] = "secret"
    api.create("echo", {"argument": "1"}, key="secret")
    (request,) = emulator.requests
    assert (request.number, request.operation, request.method) == (1, "create", "POST")
    assert (request.version, request.status, request.body) == (api.version, 200, {"argument": "1"})
    assert request.path.endswith("/workflows/echo/executions")
    assert request.time == clock.time()
    assert (request.headers["authorization"], request.query["key"]) == ("Bearer", "***")
    assert "secret" not in repr(request)


def test_counts_by_operation(api: Api, emulator: Emulator) -> None:
    """`count` counts arrivals by operation until they are cleared."""
    execution_id = api.created("forever")
    api.get("forever", execution_id)
    api.list("forever")
    api.list("nothing")
    api.cancel("forever", execution_id)
    api.read("elsewhere")
    counts = {operation: number for operation, number in emulator.counts().items() if number}
    assert counts == {"create": 1, "get": 1, "list": 2, "cancel": 1, "other": 1}
    assert [request.status for request in emulator.requests] == [200, 200, 200, 404, 200, 404]
    emulator.clear_requests()
    assert (emulator.requests, emulator.count("list")) == ([], 0)
    with pytest.raises(ValueError, match="operation must be"):
        emulator.count("delete")


def test_start_by_somebody_else(api: Api, emulator: Emulator) -> None:
    """`start` creates an execution without a request."""
    execution_id = emulator.start("echo", {"a": 1}, {"k": "v"})
    assert api.get("echo", execution_id).json()["result"] == '{"a":1}'
    assert emulator.count("create") == 0
    assert emulator.execution(execution_id)["labels"] == {"k": "v"}


@pytest.mark.parametrize("state", ["ACTIVE", "QUEUED", "SUCCEEDED", "FAILED", "CANCELLED", "UNAVAILABLE", "PAUSED"])
def test_forced_states(api: Api, emulator: Emulator, clock: ManualClock, state: str) -> None:
    """Any state can be forced, an invented one too; only final ones have an end."""
    api.checked = state != "PAUSED"  # which no document has
    execution_id = api.created("sleep", {"seconds": 5})
    clock.advance(2)
    emulator.set_state(execution_id, state)
    clock.advance(100)
    execution = api.get("sleep", execution_id).json()
    assert execution["state"] == state
    ended = state in {"SUCCEEDED", "FAILED", "CANCELLED", "UNAVAILABLE"}
    assert execution.get("endTime") == ("2026-01-01T00:00:02Z" if ended else None)
    assert ("startTime" in execution) == (state != "QUEUED")
    assert ("stateError" in execution) == (state == "UNAVAILABLE" and api.version == "v1")
    assert ("error" in execution) == (state == "FAILED")
    assert ("result" in execution) == (state == "SUCCEEDED")


def test_forced_result_and_error(api: Api, emulator: Emulator) -> None:
    """A forced end carries the given result, error payload, or whole error."""
    execution_id = api.created("forever")
    emulator.set_state(execution_id, "SUCCEEDED", result={"a": 1})
    assert api.get("forever", execution_id).json()["result"] == '{"a":1}'
    emulator.set_state(execution_id, "FAILED", error="text")
    assert api.get("forever", execution_id).json()["error"]["payload"] == '"text"'
    emulator.set_state(execution_id, "CANCELLED", error={"payload": "{}", "stackTrace": {}})
    assert api.get("forever", execution_id).json()["error"] == {"payload": "{}", "stackTrace": {}}


def test_forced_state_can_go_on(api: Api, emulator: Emulator) -> None:
    """After an invented state the execution can still be cancelled; a queued one can begin."""
    execution_id = api.created("sleep", {"seconds": 5})
    emulator.set_state(execution_id, "PAUSED")
    assert api.cancel("sleep", execution_id).json()["state"] == "CANCELLED"
    emulator.settings.concurrency_limit = 0
    queued = api.created("echo")
    emulator.set_state(queued, "ACTIVE")
    assert api.get("echo", queued).json()["state"] == "ACTIVE"


def test_added_executions(api: Api, emulator: Emulator, clock: ManualClock) -> None:
    """Foreign executions are there in the state, place and time asked for."""
    emulator.add_executions("echo", 2, "ACTIVE", labels={"k": "v"})
    emulator.add_executions("echo", 1, "FAILED", start=clock.time() - 60)
    emulator.add_executions("echo", 1, project="other", location="europe-west1")
    assert [each["state"] for each in api.list("echo").json()["executions"]] == ["ACTIVE", "ACTIVE", "FAILED"]
    everything = emulator.executions("echo")
    assert [each["state"] for each in everything] == ["FAILED", "ACTIVE", "ACTIVE", "SUCCEEDED"]
    assert everything[0]["startTime"] == "2025-12-31T23:59:00Z"
    assert everything[1]["labels"] == {"k": "v"}


def test_delete(api: Api, emulator: Emulator) -> None:
    """A deleted execution is gone everywhere; deleting it again says so."""
    execution_id = api.created("echo")
    emulator.delete(execution_id)
    assert api.get("echo", execution_id).status_code == 404
    assert api.list("echo").json() == {}
    with pytest.raises(Exception, match="not found"):
        emulator.delete(execution_id)


def test_where_executions_live(emulator: Emulator) -> None:
    """`workflow_key` tells the project number behind the default project."""
    assert str(emulator.workflow_key("echo")) == "projects/123456789012/locations/us-central1/workflows/echo"


def test_duplicates_are_counted_by_key(v1: Api, emulator: Emulator) -> None:
    """`created_per` counts the executions of one idempotency key, in labels or in the argument."""
    for _ in range(2):
        v1.created("echo", {"key": "k1"}, labels={"key": "l1"})
    v1.created("echo", {"key": "k2"})
    v1.created("echo", "no object")
    assert emulator.created_per(label="key") == {"l1": 2}
    assert emulator.created_per(argument_key="key") == {"k1": 2, "k2": 1}


def test_settings_by_name_or_at_once() -> None:
    """Single settings are given by name, all of them as `Settings`; not both, and no unknown ones."""
    assert isinstance(Emulator().clock, SystemClock)
    assert Emulator(token="t").settings.token == "t"
    assert Emulator(Settings(page_limit=3)).settings.page_limit == 3
    with pytest.raises(TypeError):
        Emulator(Settings(), token="t")
    with pytest.raises(TypeError):
        Emulator(colour="red")


def test_clock_does_not_go_back(clock: ManualClock) -> None:
    """A manual clock refuses to be moved back."""
    with pytest.raises(ValueError, match="negative"):
        clock.advance(-1)


def test_port_in_use(emulator: Emulator) -> None:
    """A second emulator on the same port raises instead of hanging, and an open one opens only once."""
    with pytest.raises(OSError, match="address"):
        Emulator(port=emulator.port).open()
    with pytest.raises(RuntimeError, match="already"):
        emulator.open()


def test_emulator_can_be_opened_again(clock: ManualClock) -> None:
    """Closing keeps the executions; closing twice is fine."""
    emulator = Emulator(clock=clock)
    emulator.close()
    for _ in range(2):
        with emulator:
            emulator.start("echo")
    emulator.close()
    assert len(emulator.executions()) == 2


async def test_serve_in_the_callers_loop(clock: ManualClock) -> None:
    """`serve` answers in the running event loop, without a thread."""
    async with serve(Emulator(clock=clock)) as emulator, aiohttp.ClientSession() as session:
        url = f"{emulator.endpoint}/v1/projects/p/locations/us-central1/workflows/sleep/executions"
        async with session.post(url, json={"argument": json.dumps({"seconds": 5})}) as answer:
            name = (await answer.json())["name"]
        clock.advance(5)
        async with session.get(f"{emulator.endpoint}/v1/{name}") as answer:
            assert (await answer.json())["state"] == "SUCCEEDED"


async def test_delays_are_in_the_callers_loop(clock: ManualClock) -> None:
    """A slow answer of `serve` waits on the running loop and can be released from it."""
    async with serve(Emulator(clock=clock)) as emulator, aiohttp.ClientSession() as session:
        emulator.fail("list", "slow")
        url = f"{emulator.endpoint}/v1/projects/p/locations/us-central1/workflows/echo/executions"
        request: Any = asyncio.ensure_future(session.get(url))
        while not request.done():
            emulator.release()
            await asyncio.sleep(0.01)
        assert request.result().status == 200
        request.result().release()
