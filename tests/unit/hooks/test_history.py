# SPDX-License-Identifier: Apache-2.0
"""Both hooks read and delete an execution's history: step entries, callbacks, export."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from airflow_provider_workflows.exceptions import ExecutionNotFound, PermissionDenied, WorkflowsApiError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Callback, Emulator, Step
from tests.discovered import client_has
from tests.harness import AdvancingClock

Connect = Callable[..., None]
#: The client of an older Airflow's constraints may be older than a method.
needs_deletion = pytest.mark.skipif(not client_has("deleteExecutionHistory"), reason="the installed client is older")


class Ask:
    """Call a method of either hook the same way."""

    def __init__(self, hook: WorkflowExecutionsHook | WorkflowExecutionsAsyncHook) -> None:
        self.hook = hook

    async def __call__(self, method: str, execution_id: str, *arguments: Any, **options: Any) -> Any:
        """Return what the method returns, lists as lists."""
        made = getattr(self.hook, method)("w", *arguments, execution_id=execution_id, **options)
        if inspect.isasyncgen(made):
            return [item async for item in made]
        if inspect.isawaitable(made):
            return await made
        return list(made) if inspect.isgenerator(made) else made


@pytest.fixture(params=[WorkflowExecutionsHook, WorkflowExecutionsAsyncHook])
async def ask(request: pytest.FixtureRequest, clock: AdvancingClock) -> AsyncIterator[Ask]:
    """Give each hook on the default connection in turn."""
    hook = request.param(clock=clock)
    yield Ask(hook)
    if isinstance(hook, WorkflowExecutionsAsyncHook):
        await hook.close()
    else:
        hook.close()


@pytest.fixture
def execution_id(emulator: Emulator) -> str:
    """Start an execution that has taken three steps and waits in a fourth."""

    @emulator.workflow("w")
    def w(argument: Any) -> Any:
        for number in range(3):
            yield Step(f"s{number}", variables={"n": number})
        yield Callback("b")

    return emulator.start("w")


@pytest.mark.usefixtures("connection")
async def test_step_entries_over_all_pages(ask: Ask, emulator: Emulator, execution_id: str) -> None:
    """Entries come over all pages, filtered, ordered and bounded; `skip` counts once, not on every page."""
    emulator.settings.page_limit = 1
    entries = await ask("list_step_entries", execution_id)
    assert [entry["entryId"] for entry in entries] == ["1", "2", "3", "4"]
    assert [entry["step"] for entry in await ask("list_step_entries", execution_id, skip=1)] == ["s1", "s2", "b"]
    assert [entry["step"] for entry in await ask("list_step_entries", execution_id, limit=2)] == ["s0", "s1"]
    found = await ask("list_step_entries", execution_id, filter='step="s*"', order_by="entryId desc", page_size=2)
    assert [entry["step"] for entry in found] == ["s2", "s1", "s0"]
    assert [request.query.get("pageSize") for request in emulator.requests[-3:]] == ["2", "2", "2"]


@pytest.mark.usefixtures("connection")
async def test_one_step_entry(ask: Ask, execution_id: str) -> None:
    """A step entry is got by its number; one that is not there is an error that names it."""
    assert (await ask("get_step_entry", execution_id, entry_id="2"))["step"] == "s1"
    with pytest.raises(ExecutionNotFound, match=f"^Could not get step entry 9 of w {execution_id[:8]}: 404"):
        await ask("get_step_entry", execution_id, entry_id=9)


@pytest.mark.usefixtures("connection")
async def test_whole_names(ask: Ask, emulator: Emulator, execution_id: str) -> None:
    """An execution may be given by its whole name, as everywhere."""
    name = emulator.execution(execution_id)["name"]
    made = ask.hook.export_data(execution_id=name)
    text = await made if inspect.isawaitable(made) else made
    assert json.loads(text)["name"] == name


@pytest.mark.usefixtures("connection")
async def test_callbacks(ask: Ask, execution_id: str) -> None:
    """The callbacks that the execution waits for are listed."""
    (callback,) = await ask("list_callbacks", execution_id, page_size=5)
    assert (callback["method"], callback["waiters"]) == ("POST", "1")
    assert await ask("list_callbacks", execution_id, limit=0) == []


@needs_deletion
@pytest.mark.usefixtures("connection")
async def test_export_and_deletion(ask: Ask, execution_id: str) -> None:
    """The export is JSON text; after the deletion there are no step entries, and the execution is still there."""
    assert json.loads(await ask("export_data", execution_id))["name"].endswith(execution_id)
    assert await ask("delete_execution_history", execution_id) is None
    assert await ask("list_step_entries", execution_id) == []
    assert json.loads(await ask("export_data", execution_id))["callbacks"] == ["b"]


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("list_step_entries", {}),
        ("get_step_entry", {"entry_id": 1}),
        ("list_callbacks", {}),
        ("export_data", {}),
        ("delete_execution_history", {}),
    ],
)
async def test_v1beta_lacks_them(
    clock: AdvancingClock, emulator: Emulator, method: str, options: dict[str, Any]
) -> None:
    """On v1beta each of them is a ValueError that says so, before any request."""
    for hook in (WorkflowExecutionsHook, WorkflowExecutionsAsyncHook):
        with pytest.raises(ValueError, match=rf"{method} exists on v1 only.*Use api_version='v1'"):
            await Ask(hook(api_version="v1beta", clock=clock))(method, "e", **options)
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("method", "options", "parameter"),
    [
        ("list_step_entries", {"skip": -1}, "skip"),
        ("list_step_entries", {"skip": "1"}, "skip"),
        ("list_step_entries", {"page_size": 0}, "page_size"),
        ("list_step_entries", {"limit": -1}, "limit"),
        ("list_callbacks", {"page_size": 1.5}, "page_size"),
        ("get_step_entry", {"entry_id": "1/../2"}, "entry_id"),
        ("get_step_entry", {"entry_id": True}, "entry_id"),
        ("export_data", {"location": "a/b"}, "location"),
    ],
)
async def test_bad_arguments(
    ask: Ask, emulator: Emulator, method: str, options: dict[str, Any], parameter: str
) -> None:
    """A wrong argument is a ValueError that names it, before any request."""
    with pytest.raises(ValueError, match=f"^{parameter} must be"):
        await ask(method, "e", **options)
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("method", "permission"),
    [
        ("list_step_entries", "workflows.stepEntries.list"),
        ("list_callbacks", "workflows.callbacks.list"),
        ("export_data", "workflows.executions.get"),
        pytest.param("delete_execution_history", "workflows.executions.cancel", marks=needs_deletion),
    ],
)
async def test_missing_permission(ask: Ask, emulator: Emulator, method: str, permission: str) -> None:
    """An error about permissions names the one that the service documents for the method."""
    emulator.fail("*", "permission_denied")
    with pytest.raises(PermissionDenied, match=permission):
        await ask(method, "e")


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("list_step_entries", '{"stepEntries": 5}'),
        ("list_callbacks", '{"callbacks": [], "nextPageToken": 5}'),
        ("export_data", '{"data": {}}'),
        ("get_step_entry", "{}"),
        pytest.param("delete_execution_history", "[]", marks=needs_deletion),
    ],
)
async def test_answers_that_are_not_the_api(ask: Ask, emulator: Emulator, method: str, body: str) -> None:
    """What is not the documented answer is an error about it, after the usual repeats."""
    emulator.fail("*", body=body, times=None)
    options = {"entry_id": 1} if method == "get_step_entry" else {}
    with pytest.raises(WorkflowsApiError, match="not the expected JSON"):
        await ask(method, "e", **options)


@needs_deletion
@pytest.mark.usefixtures("connection")
async def test_they_are_repeated(ask: Ask, emulator: Emulator, execution_id: str) -> None:
    """A server's passing error is repeated, the deletion's, too."""
    emulator.fail("delete_execution_history", "unavailable")
    emulator.fail("list_step_entries", "drop_before")
    await ask("delete_execution_history", execution_id)
    assert await ask("list_step_entries", execution_id) == []
    assert emulator.count("delete_execution_history") == 2
