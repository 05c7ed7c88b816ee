# SPDX-License-Identifier: Apache-2.0
"""
Cancel the execution of a deferred task that a user has killed.

Airflow 3.3 calls a trigger's ``on_kill`` also when it moves the trigger to another triggerer, and so the task
instance is asked first (``triggers.task_state``).

Airflow 3.3 also repeats the cancellation about every second until the trigger has ended, and so would end a kill that
takes longer: the first question to a fresh triggerer does, and so does a service that is away. The work is therefore
done beside the trigger's coroutine and outlives it. ``api.cancelling`` has its bounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.triggers.task_state import was_killed

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_workflows.polling.shared import shared_poller

#: What is being cancelled: a task that nobody holds may be collected before it is done.
_KILLS: set[asyncio.Future[None]] = set()


async def cancel_if_killed(trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller]) -> None:
    """
    Cancel an execution if the task that this trigger belongs to was killed; otherwise leave it alone.

    :param join: returns what joins the trigger's poller.
    """
    kill = asyncio.ensure_future(_cancel_if_killed(trigger, name, join))
    _KILLS.add(kill)
    kill.add_done_callback(_KILLS.discard)
    await asyncio.shield(kill)


async def _cancel_if_killed(trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller]) -> None:
    log = LoopLog(trigger.log)
    if await was_killed(trigger, name, log):
        async with join() as poller:
            await poller.cancel(name.execution_id, log)
    await log.written()
