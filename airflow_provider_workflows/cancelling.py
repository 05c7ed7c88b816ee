# SPDX-License-Identifier: Apache-2.0
"""
Cancel an execution in a bounded time, from a worker or from the triggerer.

Whether the answer to a cancel already says CANCELLED is not documented, so a short confirmation follows: a retry of
the task must not find the execution still ACTIVE and go on with one that is about to be cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.exceptions import WorkflowsError
from airflow_provider_workflows.execution import Execution, ExecutionName, is_ended

if TYPE_CHECKING:
    from airflow_provider_workflows.client import AsyncWorkflowsClient, WorkflowsClient

#: Seconds for a cancel with its repeats and the confirmation. Airflow ends a trigger's ``on_kill`` after 30 s, and a
#: worker's task process after 60 s.
CANCEL_BOUND = 20.0
_CONFIRM_INTERVAL = 1.0


def cancel_bounded(client: WorkflowsClient, name: ExecutionName, log: Any) -> bool:
    """
    Cancel an execution; never raises for what the API does, because its callers have something else to report.

    :return: whether the execution is known to have ended.
    """
    bounded = client.within(CANCEL_BOUND)
    end = client.clock.monotonic() + CANCEL_BOUND
    try:
        execution = bounded.cancel(name)
        while not is_ended(execution.get("state")) and client.clock.monotonic() < end:
            client.clock.sleep(_CONFIRM_INTERVAL)
            execution = bounded.get(name, "BASIC")
    except WorkflowsError as exc:
        return _failed(name, exc, log)
    return _report(name, execution, log)


async def cancel_bounded_async(client: AsyncWorkflowsClient, name: ExecutionName, log: Any) -> bool:
    """Cancel an execution without blocking the event loop; see :func:`cancel_bounded`."""
    bounded = client.within(CANCEL_BOUND)
    end = client.clock.monotonic() + CANCEL_BOUND
    try:
        execution = await bounded.cancel(name)
        while not is_ended(execution.get("state")) and client.clock.monotonic() < end:
            await client.clock.async_sleep(_CONFIRM_INTERVAL)
            execution = await bounded.get(name, "BASIC")
    except WorkflowsError as exc:
        return _failed(name, exc, log)
    return _report(name, execution, log)


def _failed(name: ExecutionName, exc: WorkflowsError, log: Any) -> bool:
    log.error("%s could not be cancelled and may still be going: %s", name, exc)
    return False


def _report(name: ExecutionName, execution: Execution, log: Any) -> bool:
    state = execution.get("state")
    if state == "CANCELLED":
        log.info("%s is cancelled.", name)
    elif is_ended(state):
        log.info("%s was already over when it was to be cancelled: %s.", name, state)
    else:
        log.warning("%s was asked to cancel and is still %s.", name, state)
    return is_ended(state)
