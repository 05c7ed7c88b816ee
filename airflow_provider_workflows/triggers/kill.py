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

from airflow_provider_workflows.core.execution import is_ended
from airflow_provider_workflows.core.messages import cancels
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.polling.per_loop import PerLoop, create_detached_task
from airflow_provider_workflows.triggers.task_state import MARKED, was_killed

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_workflows.core.clock import Clock
    from airflow_provider_workflows.polling.poller import Poller
    from airflow_provider_workflows.polling.shared import shared_poller

#: Seconds from an event until its task's state is asked for: Airflow hands an event over within a few.
AFTER_EVENT = 10.0
#: One question at a time after events, because all questions of a triggerer wait in one line, kills' as well.
_ASKING: PerLoop[str, asyncio.Lock] = PerLoop()
#: What is being cancelled: a task that nobody holds may be collected before it is done.
_KILLS: set[asyncio.Future[None]] = set()


async def cancel_if_killed(trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller]) -> None:
    """
    Cancel an execution if the task that this trigger belongs to was killed; otherwise leave it alone.

    :param join: returns what joins the trigger's poller.
    """
    await asyncio.shield(_keep(asyncio.ensure_future(_cancel_if_killed(trigger, name, join))))


def cancel_if_nobody_takes_it(
    trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller], clock: Clock
) -> None:
    """
    Begin to cancel an execution whose task was marked while the trigger's event was on its way to it.

    Airflow drops such an event, tells nobody, and the trigger has ended by then; so has its log, and what is to be
    said is said in the triggerer's own. A task that has heard of the event and failed because of it has cancelled the
    execution itself.
    """
    if getattr(trigger, "task_instance", None) is not None:
        clock.call_later(AFTER_EVENT, lambda: _keep(create_detached_task(_cancel_if_marked(trigger, name, join))))


def _keep(kill: asyncio.Future[None]) -> asyncio.Future[None]:
    _KILLS.add(kill)
    kill.add_done_callback(_KILLS.discard)
    return kill


async def _cancel_if_killed(trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller]) -> None:
    log = LoopLog(trigger.log)
    killed = await was_killed(trigger, name, log)
    if killed:
        async with join() as poller:
            await poller.cancel(name.execution_id, log)
    elif killed is False:
        log.info(cancels.still_awaited(name))
    await log.written()


async def _cancel_if_marked(trigger: BaseTrigger, name: ExecutionName, join: Callable[[], shared_poller]) -> None:
    log = LoopLog(trigger.log)
    async with _ASKING.current().setdefault("after an event", asyncio.Lock()):
        marked = await was_killed(trigger, name, log, MARKED)
    if marked:
        async with join() as poller:
            if not await _is_over(poller, name):
                await poller.cancel(name.execution_id, log)
    await log.written()


async def _is_over(poller: Poller, name: ExecutionName) -> bool:
    try:
        return is_ended((await poller.get(name.execution_id)).get("state"))
    except Exception:  # noqa: BLE001 - a cancel is tried whatever opening or looking raises, and says what it met
        return False
