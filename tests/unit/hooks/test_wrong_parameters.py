# SPDX-License-Identifier: Apache-2.0
"""Both hooks say which parameter is wrong before they send anything."""

from __future__ import annotations

import inspect
from enum import IntEnum
from typing import Any

import pytest

from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.hooks import trial
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock

HOOKS = [WorkflowExecutionsHook, WorkflowExecutionsAsyncHook]


class State(IntEnum):
    """Stand in for the client library's enumeration."""

    SUCCEEDED = 2
    FAILED = 3


async def ask(hook: Any, method: str, **options: Any) -> Any:
    """Return what a method of either hook returns, lists as lists."""
    made = getattr(hook, method)(**{"workflow_id": "echo", **options})
    if inspect.isasyncgen(made):
        return [each async for each in made]
    if inspect.isawaitable(made):
        return await made
    return list(made) if inspect.isgenerator(made) else made


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("cls", HOOKS)
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("list_executions", {"filter": {"state": "SUCCEEDED"}}),
        ("list_executions", {"order_by": ["startTime"]}),
        ("list_executions", {"filter": "\ud83d"}),
        ("list_executions", {"order_by": "\ude00"}),
        ("list_executions", {"location": False}),
        ("list_executions", {"location": {}}),
        ("list_executions", {"project_id": 0}),
        ("get_execution", {"location": [], "execution_id": "e"}),
        ("get_execution", {"execution_id": False}),
        ("list_executions", {"page_size": True}),
        ("list_executions", {"limit": True}),
        ("list_step_entries", {"filter": 5, "execution_id": "e"}),
        ("list_step_entries", {"order_by": 5, "execution_id": "e"}),
        ("wait_for_execution", {"success_states": {"DONE"}, "execution_id": "e"}),
        ("wait_for_execution", {"failure_states": object(), "execution_id": "e"}),
        ("wait_for_execution", {"timeout": 10**400, "execution_id": "e"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
async def test_wrong_type_names_the_parameter(
    cls: Any, method: str, options: dict[str, Any], clock: AdvancingClock, emulator: Emulator
) -> None:
    """What is of no use to the service is told by the parameter's name, and nothing is sent."""
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must "):
        await ask(cls(clock=clock), method, **options)
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("cls", HOOKS)
@pytest.mark.parametrize("endpoint", [8080, ["http://localhost:1"], b"http://localhost:1"], ids=str)
async def test_endpoint_that_is_no_text(cls: Any, endpoint: Any, clock: AdvancingClock, emulator: Emulator) -> None:
    """A port alone, which native templates make a number, is no address."""
    with pytest.raises(ValueError, match=r"^api_endpoint must look like"):
        await ask(cls(api_endpoint=endpoint, clock=clock), "list_executions")
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("cls", HOOKS)
@pytest.mark.parametrize("states", [None, set(), "SUCCEEDED", [State.SUCCEEDED], [2]], ids=str)
async def test_hook_takes_states_as_the_sensor_does(
    cls: Any, states: Any, clock: AdvancingClock, emulator: Emulator
) -> None:
    """Members of the client libraries' enumeration, numbers, and nothing at all mean what they mean to the sensor."""
    execution_id = emulator.start("echo")
    ended = await ask(cls(clock=clock), "wait_for_execution", execution_id=execution_id, success_states=states)
    assert ended["state"] == "SUCCEEDED"


@pytest.mark.parametrize("states", [None, [], "SUCCEEDED", [State.SUCCEEDED], [2]], ids=str)
def test_trigger_takes_states_as_the_sensor_does(states: Any) -> None:
    """So it is for a trigger that somebody makes, and only names are stored."""
    trigger = WorkflowExecutionTrigger("p", "l", "w", "e", success_states=states)
    assert trigger.serialize()[1]["success_states"] == ["SUCCEEDED"]


@pytest.mark.parametrize("cls", HOOKS)
@pytest.mark.parametrize("conn_id", ["", " ", None, 5, ["a"]], ids=str)
async def test_connection_id_that_is_none(cls: Any, conn_id: Any, clock: AdvancingClock, emulator: Emulator) -> None:
    """What cannot be the id of a connection is told by the parameter's name."""
    with pytest.raises(ValueError, match=r"^gcp_conn_id must "):
        await ask(cls(conn_id, clock=clock), "list_executions")
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("gcp_conn_id", []), ("api_version", ["v1"]), ("api_endpoint", ["x"]), ("impersonation_chain", [["a"]])],
    ids=str,
)
async def test_trigger_of_wrong_arguments(parameter: str, value: Any) -> None:
    """What a trigger cannot share a poller by is an event that names the parameter."""
    trigger = WorkflowExecutionTrigger("p", "l", "w", "e", **{parameter: value})
    [event] = [each async for each in trigger.run()]
    assert event.payload["status"] == "error"
    assert event.payload["message"].removeprefix("connection field '").startswith(parameter)


@pytest.mark.parametrize("parameter", ["deadline", "queued_deadline", "started_at", "deferred_at", "poll_interval"])
def test_trigger_of_wrong_times(parameter: str) -> None:
    """A time that is a text is told where the trigger is made."""
    with pytest.raises(ValueError, match=f"^{parameter} must be a number"):
        WorkflowExecutionTrigger("p", "l", "w", "e", **{parameter: "soon"})  # type: ignore[arg-type]


def test_workflow_of_a_trial() -> None:
    """A test_workflow that is no id is told by the field's name."""
    with pytest.raises(ValueError, match=r"^test_workflow must "):
        trial.tested_workflow(ConnectionSettings(test_workflow="x/y"))
