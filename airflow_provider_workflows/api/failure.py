# SPDX-License-Identifier: Apache-2.0
"""
Make the exception for an execution that did not end well, with the last steps of a detailed history.

Only where the execution itself says that its history is detailed: elsewhere nobody has asked for it. The steps are an
extra, so they take a bounded time, and whatever goes wrong with them is dropped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.core.failure import execution_error
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.exceptions import ExecutionError

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import AsyncWorkflowsClient, WorkflowsClient
    from airflow_provider_workflows.core.execution import Execution

#: Step entries that a failure shows, and the seconds for getting them.
LAST_STEPS = 5
LAST_STEPS_BOUND = 5.0
_NUMBER = re.compile(r"[0-9]{1,19}")
_DETAILED = "EXECUTION_HISTORY_DETAILED"
_QUERY: Mapping[str, Any] = {"order_by": "entryId desc", "limit": LAST_STEPS}


def failure(client: WorkflowsClient, execution: Execution, name: ExecutionName) -> ExecutionError:
    """Make the exception, blocking; the caller raises it."""
    steps: list[dict[str, Any]] = []
    if execution.get("executionHistoryLevel") == _DETAILED:
        with suppress(Exception):  # nothing may hide how the execution ended
            steps = list(client.within(LAST_STEPS_BOUND).list_step_entries(name, **_QUERY))
    return execution_error(execution, name, _oldest_first(steps))


async def failure_async(client: AsyncWorkflowsClient, execution: Execution, name: ExecutionName) -> ExecutionError:
    """Make the exception without blocking the event loop; the caller raises it."""
    steps: list[dict[str, Any]] = []

    async def read() -> None:
        steps.extend([each async for each in client.list_step_entries(name, **_QUERY)])

    if execution.get("executionHistoryLevel") == _DETAILED:
        with suppress(Exception):  # nothing may hide how the execution ended
            await asyncio.wait_for(read(), LAST_STEPS_BOUND)
    return execution_error(execution, name, _oldest_first(steps))


def _oldest_first(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return entries in the order in which they began; none where the service has not sent the newest first."""
    numbers = [int(each["entryId"]) for each in steps if _NUMBER.fullmatch(str(each.get("entryId")))]
    is_newest_first = len(numbers) == len(steps) and numbers == sorted(numbers, reverse=True)
    return list(reversed(steps)) if is_newest_first else []
