# SPDX-License-Identifier: Apache-2.0
"""
Use the public names as users do; this file is only ever type-checked.

It fails the type check when a name, a parameter or a type of the public contract changes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from typing_extensions import assert_type

from airflow_provider_workflows import exceptions, get_provider_info
from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
    WorkflowsListExecutionsOperator,
)
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator, ManualClock, Step
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger


def hook_methods() -> None:
    """Call every method of the hook with every parameter."""
    WorkflowExecutionsHook(connection="c")  # type: ignore[call-arg]
    with WorkflowExecutionsHook(
        gcp_conn_id="c", impersonation_chain=["a", "b"], api_version="v1beta", api_endpoint="https://example.com"
    ) as hook:
        created = hook.create_execution(
            "w", "l", "p", argument={"a": [1, None]}, labels={"a": "b"}, execution={"callLogLevel": "LOG_NONE"}
        )
        assert_type(created, Execution)
        assert_type(hook.get_execution(workflow_id="w", execution_id="e", view="BASIC"), Execution)
        assert_type(
            hook.list_executions("w", view="FULL", filter="f", order_by="o", page_size=1, limit=2), Iterator[Execution]
        )
        assert_type(hook.cancel_execution("w", location="l", project_id="p", execution_id="e"), Execution)
        ended = hook.wait_for_execution("w", execution_id="e", poll_interval=5, timeout=60)
        assert_type(ended, Execution)
        steps = hook.list_step_entries("w", execution_id="e", filter="f", order_by="o", page_size=1, limit=2)
        assert_type(steps, Iterator[dict[str, Any]])
        assert_type(hook.get_step_entry("w", execution_id="e", entry_id=1), dict[str, Any])
        assert_type(hook.list_callbacks("w", execution_id="e", page_size=1, limit=2), Iterator[dict[str, Any]])
        assert_type(hook.export_data("w", execution_id="e"), str)
        hook.delete_execution_history("w", execution_id="e")
        assert_type(hook.test_connection(), tuple[bool, str])
        hook.get_conn().projects().locations().workflows().executions()
    hook.close()


async def async_hook_methods() -> None:
    """Await every method of the async hook."""
    async with WorkflowExecutionsAsyncHook("c") as hook:
        assert_type(await hook.create_execution("w", argument="text"), Execution)
        assert_type(await hook.get_execution("w", execution_id="e"), Execution)
        assert_type(await hook.cancel_execution("w", execution_id="e"), Execution)
        assert_type(hook.list_step_entries("w", execution_id="e"), AsyncIterator[dict[str, Any]])
        assert_type(await hook.get_step_entry("w", execution_id="e", entry_id="1"), dict[str, Any])
        assert_type(hook.list_callbacks("w", execution_id="e"), AsyncIterator[dict[str, Any]])
        assert_type(await hook.export_data("w", execution_id="e"), str)
        await hook.delete_execution_history("w", execution_id="e")
        listed = hook.list_executions("w", limit=3)
        assert_type(listed, AsyncIterator[Execution])
        async for execution in listed:
            assert_type(execution, Execution)


def operators() -> None:
    """Make every operator and the sensor with the parameters of the contract."""
    common: dict[str, Any] = {"location": "l", "project_id": "p", "gcp_conn_id": "c", "api_version": "v1"}
    WorkflowsCreateExecutionOperator(
        task_id="t",
        workflow_id="w",
        argument=None,
        execution={"argument": {}},
        labels={"a": "b"},
        wait_for_completion=True,
        deferrable=True,
        poll_interval=10.0,
        cancel_on_kill=True,
        durable=True,
        **common,
    )
    WorkflowsCancelExecutionOperator(task_id="t", workflow_id="w", execution_id="e", **common)
    WorkflowsGetExecutionOperator(task_id="t", workflow_id="w", execution_id="e", view="FULL", **common)
    WorkflowsListExecutionsOperator(
        task_id="t", workflow_id="w", view="BASIC", filter=None, order_by=None, limit=5, start_date_filter="", **common
    )
    WorkflowExecutionSensor(
        task_id="t",
        workflow_id="w",
        execution_id="e",
        success_states={"SUCCEEDED"},
        failure_states={"FAILED", "CANCELLED", "UNAVAILABLE"},
        deferrable=True,
        poke_interval=30,
        timeout=60,
        soft_fail=True,
        **common,
    )


def trigger() -> None:
    """Make the trigger, and take it apart again."""
    made = WorkflowExecutionTrigger(
        project_id="p",
        location="l",
        workflow_id="w",
        execution_id="e",
        gcp_conn_id="c",
        impersonation_chain="a",
        api_version="v1",
        api_endpoint=None,
        poll_interval=10.0,
        deadline=0.0,
        cancel_on_kill=True,
        success_states={"SUCCEEDED"},
        failure_states=["FAILED"],
    )
    assert_type(made.serialize(), tuple[str, dict[str, Any]])


def errors(error: exceptions.ExecutionError, api_error: exceptions.WorkflowsApiError) -> None:
    """Read what exceptions carry."""
    assert_type(error.execution_name, str | None)
    assert_type(error.state, str | None)
    assert_type(error.step, str | None)
    assert_type(error.line, int | None)
    assert_type(api_error.status_code, int | None)
    assert_type(api_error.reason, str | None)
    assert_type(api_error.retryable, bool)
    kinds: tuple[type[exceptions.WorkflowsError], ...] = (
        exceptions.ExecutionFailed,
        exceptions.ExecutionCancelled,
        exceptions.ExecutionUnavailable,
        exceptions.ExecutionTimeout,
        exceptions.ExecutionNotFound,
        exceptions.PermissionDenied,
        exceptions.QuotaExceeded,
        exceptions.AmbiguousCreate,
    )
    raise kinds[0]("what happened")


def emulator() -> None:
    """Test a DAG offline."""
    with Emulator(clock=ManualClock()) as served:

        @served.workflow("double")
        def double(argument: int) -> Any:
            yield Step("compute", seconds=2.0)
            return argument * 2

        assert_type(served.endpoint, str)
    assert_type(get_provider_info(), dict[str, Any])
