# SPDX-License-Identifier: Apache-2.0
"""
Cancel for a killed task in the triggerer: with the client and the budget that its poller looks with.

``api.cancelling`` has the bounds, the rules and what is said; here is what only a poller has: a client that may have
to be opened or replaced first, requests that stand in line, and looks that are shared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from airflow_provider_workflows.api.cancelling import (
    CONFIRM_BOUND,
    CONFIRM_INTERVAL,
    DELAY_BOUND,
    Cancelling,
    may_come_to_be,
    may_need_credentials,
)
from airflow_provider_workflows.api.retrying import backoff
from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.polling.budget import Budget
from airflow_provider_workflows.polling.source import ClientSource, OpenedClient


async def cancel_within_budget(
    name: ExecutionName,
    *,
    source: ClientSource,
    budget_of: Callable[[OpenedClient], Budget],
    wait_for_end: Callable[..., Awaitable[str]],
    clock: Clock,
    log: Any,
) -> bool:
    """
    Cancel an execution; returns whether it is known to have ended.

    Whatever keeps the request from being sent, it is repeated for ``CANCEL_BOUND`` seconds, and then logged; where
    it cannot even be tried so soon, that is logged, too. After its answer, or a refusal that may mean that the
    execution is over, it looks for ``CONFIRM_BOUND`` seconds, together with everybody else.

    :param wait_for_end: the poller's.
    """
    cancelling = Cancelling(name, clock, log)
    late = clock.call_later(DELAY_BOUND, cancelling.report_delay)
    try:
        cancelling.saw((await _send(name, cancelling, source, budget_of, clock)).get("state"))
    except Exception as exc:  # noqa: BLE001 - opening may raise anything; nobody else would hear of it
        cancelling.failed(exc)
    finally:
        late.cancel()
    if cancelling.is_open() and cancelling.is_answered():
        end = clock.time() + CONFIRM_BOUND
        with suppress(Exception):  # whatever the looks end with, what became of the cancel is logged
            cancelling.saw(await wait_for_end(name.execution_id, poll_interval=CONFIRM_INTERVAL, log=log, deadline=end))
    return cancelling.report()


async def _send(
    name: ExecutionName,
    cancelling: Cancelling,
    source: ClientSource,
    budget_of: Callable[[OpenedClient], Budget],
    clock: Clock,
) -> Execution:
    """
    Ask for a cancel, again and again while that may help and there is time; return the answer.

    Longer where an opening hangs or the budget makes it wait: late is better than never.

    :raises Exception: what the last attempt met, or what is lasting.
    """
    failures = 0
    while True:
        opened = None
        try:
            opened = await source.ready()
            async with opened.in_use() as client, budget_of(opened).request("cancel"):
                return await client.request_cancel(name)
        except Exception as exc:
            failures += 1
            pause = backoff(failures)
            again = may_need_credentials(exc) and opened is not None and source.replaces(opened, exc)
            lasting = source.is_lasting(exc) and not again and not may_come_to_be(exc)
            if lasting or not cancelling.has_time(pause):
                raise
        await clock.async_sleep(pause)
