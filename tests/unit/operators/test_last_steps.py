# SPDX-License-Identifier: Apache-2.0
"""A failure of an execution with a detailed history lists its last steps, and nothing about them hides the failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.api.failure import LAST_STEPS, LAST_STEPS_BOUND
from airflow_provider_workflows.exceptions import ExecutionFailed
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.testing import Emulator, Step, WorkflowError
from tests.harness import AdvancingClock, TaskRun

DETAILED = {"executionHistoryLevel": "EXECUTION_HISTORY_DETAILED"}
LAST = "last steps: " + " > ".join(
    [*(f"step s{number} of main SUCCEEDED" for number in range(3, 7)), "step s7 of main FAILED"]
)
Task = Callable[..., TaskRun]

pytestmark = pytest.mark.usefixtures("connection")


@pytest.fixture(autouse=True)
def _orders(emulator: Emulator) -> None:
    @emulator.workflow("orders")
    def orders(_: Any) -> Any:
        for number in range(8):
            yield Step(f"s{number}", seconds=5, variables={"card": "s3cr3t"})
        raise WorkflowError({"message": "no such card"})


def error_of(task: Task, **arguments: Any) -> str:
    """Return the text of a task's failure."""
    with pytest.raises(ExecutionFailed) as caught:
        task(WorkflowsCreateExecutionOperator, workflow_id="orders", wait_for_completion=True, **arguments).run()
    return str(caught.value)


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_last_steps_are_listed(deferrable: bool, task: Task, emulator: Emulator) -> None:
    """The last few in their order, with what became of each; no variables. It is one small request."""
    text = error_of(task, execution=DETAILED, deferrable=deferrable)
    assert f"; {LAST}; https://" in text
    assert "s3cr3t" not in text
    (request,) = [each for each in emulator.requests if each.operation == "list_step_entries"]
    assert request.query["pageSize"] == str(LAST_STEPS)


def test_both_hooks_list_them(clock: AdvancingClock) -> None:
    """Whoever waits through a hook has the same text."""
    execution_id = _start(clock)

    async def wait() -> None:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            await hook.wait_for_execution("orders", execution_id=execution_id)

    with pytest.raises(ExecutionFailed, match=LAST):
        asyncio.run(wait())
    with WorkflowExecutionsHook(clock=clock) as hook, pytest.raises(ExecutionFailed, match=LAST):
        hook.wait_for_execution("orders", execution_id=execution_id)


def _start(clock: AdvancingClock) -> str:
    with WorkflowExecutionsHook(clock=clock) as hook:
        return hook.create_execution("orders", execution=DETAILED)["name"].rpartition("/")[2]


def test_without_a_detailed_history_nothing_is_asked(task: Task, emulator: Emulator) -> None:
    """Nobody has asked for it, and it is a request more."""
    assert "last steps" not in error_of(task)
    assert emulator.count("list_step_entries") == 0


@pytest.mark.parametrize("kind", ["unavailable", "permission_denied", "html", "not_json", "drop_after", "slow"])
def test_steps_that_cannot_be_had_hide_nothing(
    kind: str, task: Task, emulator: Emulator, clock: AdvancingClock, connect: Callable[..., None]
) -> None:
    """The failure is told without them, in a bounded time."""
    connect(timeout=0.2)
    emulator.fail("list_step_entries", kind, times=None)
    began = clock.time()
    text = error_of(task, execution=DETAILED)
    emulator.release()
    assert text.startswith("FAILED: orders ")
    assert "no such card" in text
    assert "last steps" not in text
    assert clock.time() - began <= 40 + 15 + LAST_STEPS_BOUND


@pytest.mark.parametrize("ids", [("1", "2", "3"), ("9" * 5000, "2", "1"), ("²",)], ids=["order", "digits", "no_number"])
def test_an_order_that_is_not_heeded_shows_nothing(ids: tuple[str, ...], task: Task, emulator: Emulator) -> None:
    """The first steps are not taken for the last ones, and what has no number is in no order."""
    entries = [{"name": f"e/{number}", "entryId": number, "step": "s"} for number in ids]
    emulator.fail(
        "list_step_entries", status=200, body=json.dumps({"stepEntries": entries}), content_type="application/json"
    )
    assert "last steps" not in error_of(task, execution=DETAILED)
