# SPDX-License-Identifier: Apache-2.0
"""What a refused cancel means, blocking and async: the execution is over, or the refusal stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.exceptions import WorkflowsApiError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock

Cancel = Callable[[str], Execution]

pytestmark = pytest.mark.usefixtures("connection")

REFUSALS: dict[str, dict[str, Any]] = {
    "409": {"status": 409},
    "FAILED_PRECONDITION": {"status": 400, "reason": "FAILED_PRECONDITION"},
}


@pytest.fixture(params=["blocking", "async"])
def cancel(request: pytest.FixtureRequest, clock: AdvancingClock) -> Cancel:
    """Give a function that cancels an execution of ``forever`` in each way that the hooks offer."""

    def blocking(execution_id: str) -> Execution:
        with WorkflowExecutionsHook(clock=clock) as hook:
            return hook.cancel_execution("forever", execution_id=execution_id)

    async def asynchronous(execution_id: str) -> Execution:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            return await hook.cancel_execution("forever", execution_id=execution_id)

    return blocking if request.param == "blocking" else lambda each: asyncio.run(asynchronous(each))


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_of_what_is_over_is_no_error(refusal: str, cancel: Cancel, emulator: Emulator) -> None:
    """Whichever way the service says that there is nothing to cancel, the execution comes back as it ended."""
    execution_id = emulator.start("forever")
    emulator.set_state(execution_id, "SUCCEEDED", result=7)
    emulator.fail("cancel", **REFUSALS[refusal])
    ended = cancel(execution_id)
    assert (ended["state"], ended["result"]) == ("SUCCEEDED", "7")


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_of_what_goes_on_stands(refusal: str, cancel: Cancel, emulator: Emulator) -> None:
    """A look that shows the execution still going makes the refusal an error, with the service's status."""
    emulator.fail("cancel", **REFUSALS[refusal])
    with pytest.raises(WorkflowsApiError, match=str(REFUSALS[refusal]["status"])):
        cancel(emulator.start("forever"))


def test_any_other_refusal_is_not_looked_into(cancel: Cancel, emulator: Emulator) -> None:
    """A request that is wrong in itself says nothing about the execution."""
    execution_id = emulator.start("forever")
    emulator.set_state(execution_id, "SUCCEEDED")
    emulator.fail("cancel", status=400, reason="INVALID_ARGUMENT")
    with pytest.raises(WorkflowsApiError, match="400"):
        cancel(execution_id)
    assert emulator.count("get") == 0
