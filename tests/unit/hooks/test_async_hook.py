# SPDX-License-Identifier: Apache-2.0
"""The async hook has the sync one's methods as coroutines, and lets the event loop go on."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowNotFoundException
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.exceptions import AmbiguousCreate, ExecutionFailed, ExecutionTimeout
from airflow_provider_workflows.hooks.connection import ConnectionArguments
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.hooks.pollers import _limits, join_poller
from airflow_provider_workflows.hooks.trial import CREDENTIALS_LOADED
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from tests.harness import AdvancingClock
from tests.polling_world import World, play
from tests.token_server import TOKEN, TokenServer

Connect = Callable[..., None]


@pytest.fixture
async def async_hook(clock: AdvancingClock) -> AsyncIterator[WorkflowExecutionsAsyncHook]:
    """Give an async hook on the default connection."""
    async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
        yield hook


@pytest.mark.usefixtures("versioned_connection")
async def test_life_of_an_execution(async_hook: WorkflowExecutionsAsyncHook, emulator: Emulator) -> None:
    """Create, get, list and cancel work on both versions and return the service's resources unchanged."""
    emulator.settings.page_limit = 1
    first = await async_hook.create_execution("forever", argument={"a": (1, 2)})
    execution_id = first["name"].rpartition("/")[2]
    assert json.loads((await async_hook.get_execution("forever", execution_id=execution_id))["argument"]) == {
        "a": [1, 2]
    }
    second = await async_hook.create_execution("forever")
    listed = [each["name"] async for each in async_hook.list_executions("forever")]
    assert listed == [second["name"], first["name"]]
    assert len([each async for each in async_hook.list_executions("forever", limit=1)]) == 1
    assert (await async_hook.cancel_execution("forever", execution_id=execution_id))["state"] == "CANCELLED"
    assert (await async_hook.cancel_execution("forever", execution_id=execution_id))["state"] == "CANCELLED"


def test_both_hooks_have_the_same_methods() -> None:
    """What the sync hook does with executions the async one does with the same parameters."""
    for name in (
        "create_execution",
        "get_execution",
        "list_executions",
        "cancel_execution",
        "wait_for_execution",
        "test_connection",
        "close",
    ):
        sync, coroutine = getattr(WorkflowExecutionsHook, name), getattr(WorkflowExecutionsAsyncHook, name)
        assert list(inspect.signature(sync).parameters) == list(inspect.signature(coroutine).parameters)
        assert inspect.iscoroutinefunction(coroutine) or inspect.isasyncgenfunction(coroutine)


@pytest.mark.usefixtures("versioned_connection")
async def test_waiting(async_hook: WorkflowExecutionsAsyncHook, emulator: Emulator) -> None:
    """Waiting gives the whole execution, raises what a bad end was, and stops at its timeout."""
    execution_id = emulator.start("sleep", {"seconds": 60, "result": "done"})
    ended = await async_hook.wait_for_execution("sleep", execution_id=execution_id, poll_interval=5)
    assert ended["result"] == '"done"'
    failing = emulator.start("fail", {"message": "no", "seconds": 60})
    with pytest.raises(ExecutionFailed, match="no"):
        await async_hook.wait_for_execution("fail", execution_id=failing, poll_interval=5)
    endless = emulator.start("forever")
    with pytest.raises(ExecutionTimeout, match=endless):
        await async_hook.wait_for_execution("forever", execution_id=endless, poll_interval=5, timeout=60)


async def test_connection_test(connect: Connect, clock: AdvancingClock, emulator: Emulator) -> None:
    """The test of a connection says whether the API answers, or what stands in the way."""
    connect()
    async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
        assert (await hook.test_connection())[0]
    connect("no_location", location=None)
    async with WorkflowExecutionsAsyncHook("no_location", clock=clock) as hook:
        assert await hook.test_connection() == (True, CREDENTIALS_LOADED)
    emulator.fail("list", "permission_denied")
    async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
        works, text = await hook.test_connection()
    assert not works
    assert "workflows.executions.list" in text


@pytest.mark.usefixtures("connection")
async def test_many_at_once_share_one_client(async_hook: WorkflowExecutionsAsyncHook, emulator: Emulator) -> None:
    """Requests that begin together open one client, and all get their answer."""
    ids = [emulator.start("echo", number) for number in range(30)]
    found = await asyncio.gather(*(async_hook.get_execution("echo", execution_id=each) for each in ids))
    assert [each["result"] for each in found] == [str(number) for number in range(30)]
    clients = await asyncio.gather(*(async_hook.get_client() for _ in range(3)))
    assert len(set(map(id, clients))) == 1


@pytest.mark.usefixtures("connection")
async def test_who_opens_at_the_same_time_opens_once(async_hook: WorkflowExecutionsAsyncHook) -> None:
    """Two who want the client of a fresh hook at once get the same one, so that none is left open."""
    one, other = await asyncio.gather(async_hook.get_client(), async_hook.get_client())
    assert one is other


async def test_opening_does_not_block_the_loop(
    async_hook: WorkflowExecutionsAsyncHook,
    emulator: Emulator,
    connect: Connect,
    token_server: TokenServer,
    private_key: str,
) -> None:
    """While connection, key and token are read in threads, the loop's other tasks get their turn."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None)
    emulator.settings.token = TOKEN
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.ensure_future(others())
    await async_hook.create_execution("echo")
    running.cancel()
    assert turns > 10


@pytest.mark.usefixtures("connection")
async def test_lost_answer_of_a_create(async_hook: WorkflowExecutionsAsyncHook, emulator: Emulator) -> None:
    """The async create is sent once, too."""
    emulator.fail("create", "drop_after", times=None)
    with pytest.raises(AmbiguousCreate):
        await async_hook.create_execution("echo")
    assert emulator.count("create") == 1


@pytest.mark.usefixtures("connection")
async def test_page_size_reaches_the_requests(async_hook: WorkflowExecutionsAsyncHook, emulator: Emulator) -> None:
    """Whoever asks for small pages gets them, and all executions over several of them."""
    ids = emulator.add_executions("echo", 5)
    listed = [each["name"].rpartition("/")[2] async for each in async_hook.list_executions("echo", page_size=2)]
    assert listed == ids[::-1]
    assert [request.query["pageSize"] for request in emulator.requests] == ["2", "2", "2"]


async def test_a_connection_is_parsed_off_the_loop(
    async_hook: WorkflowExecutionsAsyncHook, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What is said about a connection's fields is logged by a thread: a log that nobody reads stops no trigger."""
    connect(projekt="p")
    await async_hook.get_settings()
    (record,) = [record for record in caplog.records if "projekt" in record.getMessage()]
    assert record.thread != threading.get_ident()


def test_limits_of_the_configuration_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gets and lists each keep to their own option."""
    monkeypatch.setenv("AIRFLOW__WORKFLOWS__GET_REQUESTS_PER_MINUTE", "60")
    monkeypatch.setenv("AIRFLOW__WORKFLOWS__LIST_REQUESTS_PER_MINUTE", "6")
    _limits.cache_clear()  # they are read once in a process

    async def scene(world: World) -> None:
        extra = {"api_endpoint": world.emulator.endpoint, "is_anonymous": True}
        connection = {"conn_type": "google_cloud_workflows", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(connection))
        ids = world.emulator.add_executions("echo", 300, "ACTIVE")
        name = WorkflowName(DEFAULT_PROJECT, DEFAULT_LOCATION, "echo")
        async with join_poller(ConnectionArguments("other"), name, world.clock) as poller:
            waits = [asyncio.ensure_future(poller.wait_for_end(each, poll_interval=1)) for each in ids]
            await world.pass_time(60)
            world.requests()
            await world.pass_time(600)
            gets, lists = world.requests()
            assert 50 <= lists <= 60
            assert gets <= 600
            world.end(ids)
            await asyncio.gather(*waits)

    try:
        play(scene)
    finally:
        _limits.cache_clear()


async def test_missing_connection_is_an_error() -> None:
    """A connection that somebody chose must exist."""
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        await WorkflowExecutionsAsyncHook("nowhere").create_execution("echo", "us-central1", "p")


@pytest.mark.usefixtures("connection")
async def test_closed_hook_can_be_used_again(async_hook: WorkflowExecutionsAsyncHook, emulator: Emulator) -> None:
    """close() releases the connections; the next call opens new ones; closing twice is no error."""
    await async_hook.create_execution("echo")
    await async_hook.close()
    await async_hook.close()
    await async_hook.create_execution("echo")
    assert emulator.count("create") == 2


@pytest.mark.parametrize("arguments", [{"workflow_id": "a/b"}, {"workflow_id": "echo", "location": "x?y"}])
async def test_bad_names_are_refused(
    arguments: dict[str, Any], async_hook: WorkflowExecutionsAsyncHook, emulator: Emulator, connect: Connect
) -> None:
    """Names are checked before any request here as well."""
    connect()
    with pytest.raises(ValueError, match="must be a plain id"):
        await async_hook.create_execution(**arguments)
    assert emulator.requests == []


async def test_project_of_the_credentials(
    async_hook: WorkflowExecutionsAsyncHook,
    emulator: Emulator,
    connect: Connect,
    token_server: TokenServer,
    private_key: str,
) -> None:
    """Where nobody names a project, that of the key is used."""
    key = {**token_server.key(private_key), "project_id": "key-project"}
    connect(keyfile_dict=key, is_anonymous=None, project=None)
    emulator.settings.token = TOKEN
    await async_hook.create_execution("echo")
    assert "/projects/key-project/" in emulator.requests[0].path
