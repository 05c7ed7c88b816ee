# SPDX-License-Identifier: Apache-2.0
"""
Watch executions for whoever waits on an event loop. No Airflow in here.

One poller serves all waiters of one (event loop, connection, workflow): its first waiter makes it, its last one
closes it. A waiter asks it for the end of an execution and does not know how the poller finds out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.clock import SYSTEM_CLOCK, Clock
from airflow_provider_workflows.exceptions import WorkflowsApiError
from airflow_provider_workflows.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    ExecutionName,
    Verdict,
    WorkflowName,
    classify,
)
from airflow_provider_workflows.waiting import StateLog, is_passing, jittered, wait_after_error

if TYPE_CHECKING:
    from airflow_provider_workflows.client import AsyncWorkflowsClient

log = logging.getLogger(__name__)

#: Makes the client when the first waiter comes; returns it with what closes it.
OpenClient = Callable[[], Awaitable[tuple["AsyncWorkflowsClient", Callable[[], Awaitable[None]]]]]


class Poller:
    """Look at the executions of one workflow for all who wait for one."""

    def __init__(self, workflow: WorkflowName, open_client: OpenClient, clock: Clock = SYSTEM_CLOCK) -> None:
        self.workflow = workflow
        self.waiters = 0
        self._open_client = open_client
        self._clock = clock
        self._opening: asyncio.Task[tuple[AsyncWorkflowsClient, Callable[[], Awaitable[None]]]] | None = None

    async def _client(self) -> AsyncWorkflowsClient:
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.ensure_future(self._open_client())
        client, _ = await asyncio.shield(self._opening)
        return client

    async def wait_for_end(
        self,
        execution_id: str,
        *,
        poll_interval: float,
        success_states: Collection[str] = SUCCESS_STATES,
        failure_states: Collection[str] = FAILURE_STATES,
        log: Any = log,
        on_state: Callable[[str | None], None] = lambda _: None,
    ) -> str:
        """
        Return the state in which the execution ended, as soon as a look shows it.

        :param on_state: told the state after each look.
        :raises WorkflowsError: when a look fails for a lasting reason.
        """
        name = ExecutionName(self.workflow, execution_id)
        states = StateLog(str(name), log)
        started, failures = self._clock.monotonic(), 0
        while True:
            try:
                execution = await (await self._client()).without_retries().get(name, "BASIC")
                failures = 0
                states.saw(execution.get("state"))
                on_state(execution.get("state"))
                if classify(execution.get("state"), success_states, failure_states) is not Verdict.WAITING:
                    return execution["state"]
                pause = jittered(poll_interval)
            except WorkflowsApiError as exc:
                if not is_passing(exc, self._clock.monotonic() - started):
                    raise
                failures += 1
                pause = wait_after_error(exc, failures, poll_interval)
                log.warning("A look at %s failed and will be repeated in %.0f s: %s", name, pause, exc)
            await self._clock.async_sleep(pause)

    async def close(self) -> None:
        """Close the client, if one was ever made."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        if not opening.done():
            opening.cancel()
        elif not opening.cancelled() and not opening.exception():
            _, close = opening.result()
            await close()


_POLLERS: dict[tuple[Hashable, ...], Poller] = {}


@asynccontextmanager
async def shared_poller(
    key: Hashable, workflow: WorkflowName, open_client: OpenClient, *, clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[Poller]:
    """
    Join the poller of this event loop for a workflow; the first to come makes it, the last to leave closes it.

    :param key: tells connections apart (credentials, endpoint, API version).
    """
    full_key = (id(asyncio.get_running_loop()), key, workflow)
    poller = _POLLERS.get(full_key)
    if poller is None:
        poller = _POLLERS[full_key] = Poller(workflow, open_client, clock)
    poller.waiters += 1
    try:
        yield poller
    finally:
        poller.waiters -= 1
        if poller.waiters == 0 and _POLLERS.get(full_key) is poller:
            del _POLLERS[full_key]
            await poller.close()
