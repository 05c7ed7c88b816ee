# SPDX-License-Identifier: Apache-2.0
"""
Watch executions for whoever waits on an event loop, with as few requests as possible. No Airflow in here.

One poller serves all waits of one (event loop, connection, workflow): ten thousand waits on one workflow are ten
list requests a round instead of ten thousand gets. Its contract:

* **Made and gone.** The first who enters ``shared_poller`` (``polling.shared``) makes it, the last who leaves
  closes it, its client included. It belongs to its event loop: another loop, or a forked process, has its own.
* **What a wait gets.** The state in which the execution ended, once, as soon as a look has shown it, or an exception
  of its own. Each new state is told and logged once, in order, in the context of the task that waits. States go
  forward only: a list that is older than the get before it changes nothing.
* **When.** A look at least every ``poll_interval`` seconds, up to 30 % early when that saves requests, as long as the
  budget allows; otherwise those who have waited longest come first. Before a first look it waits for up to a second
  for others that come together with this one.
* **Leaving.** A wait may be cancelled at any time and disturbs nobody; what was under way for it is finished and
  thrown away.
* **How it looks.** Every round takes the cheaper of pages of a list and gets, or both, see ``polling.plan``. What
  a list has not shown is not taken for gone: a get decides. Requests are paced by the ``polling.budget`` that all
  pollers share.
* **Errors.** Passing ones (429, server errors, broken connections) never end a wait. Lasting ones do: of a get, the
  waits for that execution (a 404 only when it has not been young for some time); of a list or of opening the
  client, all. Refused credentials are read anew once before that. A list that is not found or not permitted
  leaves it to the gets.
* **Time** is the clock's. After a freeze of the whole process it goes on with whatever is due.

It runs in a task of its own in an empty context, so that nothing it logs is taken for a single task's.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_workflows.api.looking import check_interval
from airflow_provider_workflows.api.outage import Outage
from airflow_provider_workflows.core.clock import SYSTEM_CLOCK, Clock
from airflow_provider_workflows.core.deadlines import Deadlines
from airflow_provider_workflows.core.execution import FAILURE_STATES, SUCCESS_STATES, Execution
from airflow_provider_workflows.core.messages import looks
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.exceptions import WorkflowsError
from airflow_provider_workflows.polling.alarm import Alarm
from airflow_provider_workflows.polling.budget import Budget, Kind, Limits, shared_budget
from airflow_provider_workflows.polling.cancel import cancel_within_budget
from airflow_provider_workflows.polling.gets import GETS_AT_A_TIME, Gets
from airflow_provider_workflows.polling.lists import Lists
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.polling.per_loop import create_detached_task
from airflow_provider_workflows.polling.rests import Rest
from airflow_provider_workflows.polling.source import ClientSource, IsLasting, OpenClient, OpenedClient
from airflow_provider_workflows.polling.waiter import Waiter
from airflow_provider_workflows.polling.watch import Watch
from airflow_provider_workflows.polling.watches import Watches

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import AsyncWorkflowsClient

log = LoopLog(logging.getLogger(__name__))


class Poller:
    """
    Look at the executions of one workflow for all who wait for one; see the module for the contract.

    :param limits: what the budget allows, unless somebody else has set it up before.
    :param is_lasting: tells which errors of ``open_client`` and refusals of its client will not pass; unless given,
        ``ValueError`` and our own.
    """

    def __init__(
        self,
        workflow: WorkflowName,
        open_client: OpenClient,
        clock: Clock = SYSTEM_CLOCK,
        *,
        limits: Limits | None = None,
        is_lasting: IsLasting | None = None,
    ) -> None:
        self.workflow = workflow
        self.members = 0
        self._clock = clock
        self._limits = limits or Limits()
        self._source = ClientSource(open_client, clock, is_lasting, self._resent)
        self._alarm = Alarm(clock)
        self._watches = watches = Watches()
        self._openings = Rest()
        self._closed = Outage()
        self._lists = Lists(workflow, watches, self._source, self._budget, clock)
        self._gets = Gets(watches, self._source, self._budget, clock, self._alarm)
        self._task: asyncio.Task[None] | None = None
        self._fetches = asyncio.Semaphore(GETS_AT_A_TIME)  # more in the budget's line would make everybody else wait

    # --- joining and leaving ----------------------------------------------------------------------------------

    async def wait_for_end(
        self,
        execution_id: str,
        *,
        poll_interval: float | timedelta,
        success_states: Collection[str] = SUCCESS_STATES,
        failure_states: Collection[str] = FAILURE_STATES,
        log: Any = log,
        on_state: Callable[[str | None], None] | None = None,
        deadline: float | None = None,
        queued_deadline: float | None = None,
        started_at: float | None = None,
    ) -> str:
        """
        Return the state in which the execution ended, as soon as a look shows it.

        :param poll_interval: the most seconds between two looks.
        :param log: called on the event loop with what is said about this execution: changes of its state, steps,
            looks that failed.
        :param on_state: told each new state, the first one included.
        :param deadline: epoch seconds; costs less than a timer around this call.
        :param queued_deadline: epoch seconds by which it must have left the state QUEUED.
        :param started_at: epoch seconds when it began, for the pace of the looks; fixed rounds where that is not known.
        :raises WorkflowsError: when a look fails for a lasting reason.
        :raises asyncio.TimeoutError: at a deadline.
        """
        name = ExecutionName(self.workflow, execution_id)
        interval, states = check_interval(poll_interval), (success_states, failure_states)
        deadlines = Deadlines(deadline, queued_deadline)
        waiter = Waiter(name, interval, *states, log, on_state, self._clock, deadlines)
        age = math.inf if started_at is None else max(0.0, self._clock.time() - started_at)
        watch = self._join(name, waiter, age)
        waiter.mind_deadlines()
        try:
            return await waiter.future
        finally:
            waiter.stop_minding()
            self._leave(watch, waiter)

    def _join(self, name: ExecutionName, waiter: Waiter, age: float) -> Watch:
        watch = self._watches.join(name, waiter, self._clock.monotonic(), age)
        if self._task is None or self._task.done():
            self._task = create_detached_task(self._run())
        self._alarm.wake_before(watch.due)
        return watch

    def _leave(self, watch: Watch, waiter: Waiter) -> None:
        self._watches.leave(watch, waiter)
        if not self._watches:
            self._alarm.wake()

    async def get(self, execution_id: str) -> Execution:
        """
        Get an execution once and FULL, within the budget; for who needs more than the state in which it ended.

        :raises WorkflowsError: whatever the one request ends with.
        """
        opened = await self._source.ready()
        # In use while it stands in line: what has been replaced meanwhile must not be closed.
        async with opened.in_use() as client, self._fetches, self._budget(opened).request("get"):
            return await client.get(ExecutionName(self.workflow, execution_id))

    async def cancel(self, execution_id: str, log: Any = log) -> bool:
        """Cancel an execution within the budget; returns whether it is known to have ended. See ``polling.cancel``."""
        return await cancel_within_budget(
            ExecutionName(self.workflow, execution_id),
            source=self._source,
            budget_of=self._budget,
            wait_for_end=self.wait_for_end,
            clock=self._clock,
            log=log,
        )

    async def close(self) -> None:
        """Stop looking and close the client."""
        tasks = [*self._gets.workers, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.close()

    # --- the loop ---------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self._watches:
                await self._safe_step()
        except asyncio.CancelledError:
            self._watches.fail(WorkflowsError(looks.poller_stopped(self.workflow)))
            raise

    async def _safe_step(self) -> None:
        try:
            await self._step()
        except Exception as exc:  # a mistake in here must not leave anybody waiting for ever
            log.exception(looks.poller_broke(self.workflow))
            await self._watches.fail_in_slices(exc)

    async def _step(self) -> None:
        """Do the next thing that is to be done: rest, connect, read pages, or have single executions got."""
        wake_at = self._next_step_at()
        if wake_at > self._clock.monotonic():
            await self._alarm.sleep(wake_at)
        elif (opened := await self._open()) is not None:
            async with opened.in_use():  # what is replaced meanwhile must not be closed between two pages
                missing = await self._lists.read(opened)
            self._gets.start(missing)

    def _next_step_at(self) -> float:
        if self._gets.are_waiting:
            return math.inf
        return max(self._openings.until, self._lists.rest.everybody_until, self._watches.earliest())

    async def _open(self) -> OpenedClient | None:
        """Return the client; where it cannot be opened, rest, or end all waits if that will not pass."""
        try:
            opened = await self._source.ready()
        except Exception as exc:  # noqa: BLE001 - opening may raise whatever Airflow and its backends raise
            if self._source.is_lasting(exc):
                await self._watches.fail_in_slices(exc)
                return None
            pause = self._openings.failed(exc, self._clock.monotonic())
            log.warning(looks.not_opened(self.workflow, exc, pause))
            if lasted := self._closed.failed(self._clock.monotonic()):
                await self._watches.warn_in_slices(exc, pause, lasted)
            return None
        self._openings.went_well()
        self._closed.is_over()
        return opened

    def _budget(self, opened: OpenedClient) -> Budget:
        return self._budget_of(opened.client)

    def _budget_of(self, client: AsyncWorkflowsClient) -> Budget:
        workflow = self.workflow
        return shared_budget(workflow.project, workflow.location, client.api.endpoint, self._limits, self._clock)

    def _resent(self, client: AsyncWorkflowsClient, operation: str) -> None:
        self._budget_of(client).charge(cast("Kind", operation))
