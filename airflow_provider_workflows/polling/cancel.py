# SPDX-License-Identifier: Apache-2.0
"""Send the cancel of a killed task through the client and the budget that its poller looks with."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_workflows.api.cancelling import CANCEL_BOUND
from airflow_provider_workflows.api.retrying import backoff
from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.exceptions import PermissionDenied, WorkflowsError
from airflow_provider_workflows.polling.budget import Budget
from airflow_provider_workflows.polling.source import ClientSource, OpenedClient


async def send_cancel(
    name: ExecutionName, source: ClientSource, budget_of: Callable[[OpenedClient], Budget], clock: Clock
) -> Execution:
    """
    Ask for a cancel, again and again for ``CANCEL_BOUND`` seconds while that may help; return the answer.

    Longer where an opening hangs or the budget makes it wait: late is better than never.

    :raises Exception: what the last attempt met, or what is lasting.
    """
    until, failures = clock.monotonic() + CANCEL_BOUND, 0
    while True:
        opened = None
        try:
            opened = await source.ready()
            async with opened.in_use() as client, budget_of(opened).request("cancel"):
                return await client.request_cancel(name)
        except Exception as exc:
            failures += 1
            pause = backoff(failures)
            # A missing permission to cancel says nothing about the credentials that everybody else looks with.
            refused = isinstance(exc, WorkflowsError) and not isinstance(exc, PermissionDenied)
            again = refused and opened is not None and source.replaces(opened, exc)
            if (source.is_lasting(exc) and not again) or clock.monotonic() + pause > until:
                raise
        await clock.async_sleep(pause)
