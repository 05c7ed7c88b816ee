# SPDX-License-Identifier: Apache-2.0
"""
Cancel an execution in a bounded time from a worker, and say what became of it, also for the triggerer.

Whether the answer to a cancel already says CANCELLED is not documented, so a short confirmation follows: a retry of
the task must not find the execution still ACTIVE and go on with one that is about to be cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.core.execution import is_ended
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.exceptions import WorkflowsError

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import WorkflowsClient

#: Seconds for a cancel with its repeats and the confirmation. Airflow ends a trigger's ``on_kill`` after 30 s, and a
#: worker's task process after 60 s.
CANCEL_BOUND = 20.0
#: Seconds between two looks whether it has worked.
CONFIRM_INTERVAL = 1.0


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
            client.clock.sleep(CONFIRM_INTERVAL)
            execution = bounded.get(name, "BASIC")
    except WorkflowsError as exc:
        return report_failure(name, exc, log)
    return report_state(name, execution.get("state"), log)


def report_failure(name: ExecutionName, exc: Exception, log: Any) -> bool:
    """Log that a cancel failed; returns that the execution is not known to have ended."""
    log.error("%s could not be cancelled and may still be going: %s", name, exc)
    return False


def report_delay(name: ExecutionName, log: Any) -> None:
    """Log that a cancel has not been sent yet, though it should have been."""
    log.warning("%s could not be asked to cancel so far and may still be going; still trying.", name)


def report_state(name: ExecutionName, state: str | None, log: Any) -> bool:
    """Log what became of an execution that was asked to cancel; returns whether it has ended."""
    if state == "CANCELLED":
        log.info("%s is cancelled.", name)
    elif is_ended(state):
        log.info("%s was already over when it was to be cancelled: %s.", name, state)
    else:
        log.warning("%s was asked to cancel and is still %s.", name, state)
    return is_ended(state)
