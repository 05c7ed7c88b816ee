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
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.core.execution import is_ended
from airflow_provider_workflows.core.messages import cancels
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.exceptions import WorkflowsError
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.triggers.task_state import was_killed

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_workflows.core.clock import Clock
    from airflow_provider_workflows.polling.poller import Poller
    from airflow_provider_workflows.polling.shared import shared_poller

#: Seconds from an event until its task's state is asked for: Airflow hands an event over within a few.
AFTER_EVENT = 10.0
#: What is being cancelled: a task that nobody holds may be collected before it is done.
_KILLS: set[asyncio.Future[None]] = set()


async def cancel_if_killed(trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller]) -> None:
    """
    Cancel an execution if the task that this trigger belongs to was killed; otherwise leave it alone.

    :param join: returns what joins the trigger's poller.
    """
    await asyncio.shield(_begin(_cancel_if_killed(trigger, name, join)))


def cancel_if_nobody_takes_it(
    trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller], clock: Clock
) -> None:
    """
    Begin to cancel an execution whose task was killed while the trigger's event was on its way to it.

    Airflow drops such an event, tells nobody, and the trigger has ended by then. A task that has heard of the event
    and failed because of it has cancelled the execution itself.
    """
    _begin(_cancel_if_nobody_takes_it(trigger, name, join, clock))


def _begin(kill: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
    future = asyncio.ensure_future(kill)
    _KILLS.add(future)
    future.add_done_callback(_KILLS.discard)
    return future


async def _cancel_if_killed(trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller]) -> None:
    log = LoopLog(trigger.log)
    killed = await was_killed(trigger, name, log)
    if killed:
        async with join() as poller:
            await poller.cancel(name.execution_id, log)
    elif killed is False:
        log.info(cancels.still_awaited(name))
    await log.written()


async def _cancel_if_nobody_takes_it(
    trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller], clock: Clock
) -> None:
    await clock.async_sleep(AFTER_EVENT)
    log = LoopLog(trigger.log)
    if await was_killed(trigger, name, log):
        async with join() as poller:
            if not await _is_over(poller, name):
                await poller.cancel(name.execution_id, log)
    await log.written()


async def _is_over(poller: Poller, name: ExecutionName) -> bool:
    try:
        return is_ended((await poller.get(name.execution_id)).get("state"))
    except WorkflowsError:
        return False  # as far as anybody knows
