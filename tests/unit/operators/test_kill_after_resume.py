# SPDX-License-Identifier: Apache-2.0
"""A kill that comes after a deferred task has been resumed in a new process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.compat import TaskDeferred
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("status", ["timeout", "success"])
def test_a_kill_while_a_resumed_task_looks_cancels(
    status: str, emulator: Emulator, task: Callable[..., Any], clock: AdvancingClock
) -> None:
    """The service is away while the resumed task looks, and somebody kills it meanwhile: the execution is cancelled."""
    run = task(
        WorkflowsCreateExecutionOperator,
        workflow_id="sleep",
        argument={"seconds": 10**6},
        wait_for_completion=True,
        deferrable=True,
    )
    with contextlib.suppress(TaskDeferred):
        run.execute()
    (execution,) = emulator.executions()
    emulator.fail("get", status=503, times=2)
    clock.on_sleep(run.kill)
    event = {"status": status, "state": "ACTIVE", "execution_name": execution["name"], "message": ""}
    # What the task itself ends with matters to nobody any more.
    with contextlib.suppress(BaseException):
        run.fire(event)
    assert emulator.execution(execution["name"].rpartition("/")[2])["state"] == "CANCELLED"
