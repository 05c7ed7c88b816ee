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
import heapq
import logging
import math
import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Any

from airflow_provider_workflows.api.cancelling import (
    CANCEL_BOUND,
    CONFIRM_INTERVAL,
    report_delay,
    report_failure,
    report_state,
)
from airflow_provider_workflows.api.errors import says_already_over
from airflow_provider_workflows.api.looking import check_interval, is_passing, wait_after_error
from airflow_provider_workflows.api.retrying import LONGEST_RETRY_AFTER, backoff
from airflow_provider_workflows.core.clock import SYSTEM_CLOCK, Clock
from airflow_provider_workflows.core.deadlines import Deadlines
from airflow_provider_workflows.core.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    Execution,
    execution_id_of,
    is_ended,
)
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.exceptions import (
    ExecutionNotFound,
    PermissionDenied,
    QuotaExceeded,
    WorkflowsApiError,
    WorkflowsError,
)
from airflow_provider_workflows.polling.budget import IN_FLIGHT, Budget, Limits, shared_budget
from airflow_provider_workflows.polling.cancel import send_cancel
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.polling.per_loop import create_detached_task
from airflow_provider_workflows.polling.plan import Prices, next_page_pays
from airflow_provider_workflows.polling.source import ClientSource, IsLasting, OpenClient, OpenedClient
from airflow_provider_workflows.polling.waiter import Waiter
from airflow_provider_workflows.polling.watch import Watch

log = LoopLog(logging.getLogger(__name__))

#: Seconds for which a newcomer waits for others to be looked at with; a tenth of the interval if that is less.
GATHER = 1.0
#: Up to so many executions the gets ask for the step as well; more would fill logs that nobody reads.
STEPS_UP_TO = 5
#: Entries or waits that are handled before other tasks get their turn: well below 10 ms.
SLICE = 250
#: Gets that are chosen at a time, so that what a list shows meanwhile can still save the others. All stand in line
#: at once, or those of a small poller would have to wait for their turn twice.
GETS_AT_A_TIME = 2 * IN_FLIGHT
#: After so many failures in a row, lists rest and gets go on without them.
LIST_FAILURES = 3
#: Seconds for which lists rest after one was not found.
LIST_REST = 60.0


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
        self._source = ClientSource(open_client, clock, is_lasting)
        self._watches: dict[str, Watch] = {}
        self._task: asyncio.Task[None] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._to_get: deque[Watch] = deque()
        self._sleep: asyncio.Future[None] | None = None
        self._sleeps_until = 0.0
        self._rest_until = 0.0
        self._failures = 0
        self._lists_from = 0.0
        self._fetches = asyncio.Semaphore(GETS_AT_A_TIME)  # more in the budget's line would make everybody else wait

    # --- joining and leaving ----------------------------------------------------------------------------------

    async def wait_for_end(
        self,
        execution_id: str,
        *,
        poll_interval: float,
        success_states: Collection[str] = SUCCESS_STATES,
        failure_states: Collection[str] = FAILURE_STATES,
        log: Any = log,
        on_state: Callable[[str | None], None] | None = None,
        deadline: float | None = None,
        queued_deadline: float | None = None,
    ) -> str:
        """
        Return the state in which the execution ended, as soon as a look shows it.

        :param poll_interval: the most seconds between two looks.
        :param log: called on the event loop with what is said about this execution: changes of its state, steps,
            looks that failed.
        :param on_state: told each new state, the first one included.
        :param deadline: epoch seconds; costs less than a timer around this call.
        :param queued_deadline: epoch seconds by which it must have left the state QUEUED.
        :raises WorkflowsError: when a look fails for a lasting reason.
        :raises asyncio.TimeoutError: at a deadline.
        """
        name = ExecutionName(self.workflow, execution_id)
        interval, states = check_interval(poll_interval), (success_states, failure_states)
        deadlines = Deadlines(deadline, queued_deadline)
        waiter = Waiter(name, interval, *states, log, on_state, self._clock, deadlines)
        watch = self._join(name, waiter)
        waiter.mind_deadlines()
        try:
            return await waiter.future
        finally:
            waiter.stop_minding()
            self._leave(watch, waiter)

    def _join(self, name: ExecutionName, waiter: Waiter) -> Watch:
        now, interval = self._clock.monotonic(), waiter.interval
        due = now + min(GATHER, interval / 10) if self._watches else now
        watch = self._watches.get(name.execution_id)
        if watch is None:
            watch = self._watches[name.execution_id] = Watch(name, interval, now=now, due=due)
        watch.interval = min(watch.interval, interval)
        watch.due = min(watch.due, due)
        watch.waiters[waiter] = None
        if self._task is None or self._task.done():
            self._task = create_detached_task(self._run())
        self._wake_before(due)
        return watch

    def _leave(self, watch: Watch, waiter: Waiter) -> None:
        watch.leave(waiter)
        if not watch.waiters and self._watches.get(watch.name.execution_id) is watch:
            del self._watches[watch.name.execution_id]
            if not self._watches:
                self._wake_before(-math.inf)

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
        """
        Cancel an execution within the budget; returns whether it is known to have ended.

        Whatever keeps the request from being sent, it is repeated for ``CANCEL_BOUND`` seconds, and then logged; where
        it cannot even be tried so soon, that is logged, too. For as long after its answer it looks, together with
        everybody else, whether it has worked.
        """
        name = ExecutionName(self.workflow, execution_id)
        late = self._clock.call_later(CANCEL_BOUND, report_delay, name, log)
        state, refused = None, None
        try:
            state = (await send_cancel(name, self._source, self._budget, self._clock)).get("state")
        except Exception as exc:  # noqa: BLE001 - opening may raise anything; nobody else would hear of it
            if not (isinstance(exc, WorkflowsApiError) and says_already_over(exc)):
                return report_failure(name, exc, log)
            refused = exc  # a look tells whether it is over
        finally:
            late.cancel()
        if not is_ended(state):
            end = self._clock.time() + CANCEL_BOUND
            with suppress(Exception):  # whatever the looks end with, what became of the cancel is logged
                state = await self.wait_for_end(execution_id, poll_interval=CONFIRM_INTERVAL, log=log, deadline=end)
        if refused is not None and not is_ended(state):
            return report_failure(name, refused, log)
        return report_state(name, state, log)

    async def close(self) -> None:
        """Stop looking and close the client."""
        tasks = [*self._workers, *([self._task] if self._task else [])]
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
            for watch in self._watches.values():
                watch.fail(WorkflowsError(f"The poller of {self.workflow} was stopped."))
            raise

    async def _safe_step(self) -> None:
        try:
            await self._step()
        except Exception as exc:  # a mistake in here must not leave anybody waiting for ever
            log.exception("The poller of %s broke.", self.workflow)
            await self._fail_all(exc)

    async def _step(self) -> None:
        """Do the next thing that is to be done: rest, connect, read pages, or have single executions got."""
        wake_at = math.inf if self._to_get else max(self._rest_until, self._earliest())
        if wake_at > self._clock.monotonic():
            await self._rest(wake_at)
            return
        try:
            opened = await self._source.ready()
        except Exception as exc:  # noqa: BLE001 - opening may raise whatever Airflow and its backends raise
            await self._opening_failed(exc)
            return
        async with opened.in_use():  # what is replaced meanwhile must not be closed between two pages
            missing = await self._read_pages(opened)
        if missing:
            self._start_gets(missing)

    def _earliest(self) -> float:
        return min((watch.due for watch in self._watches.values() if not watch.busy), default=math.inf)

    async def _rest(self, until: float) -> None:
        """Sleep until then, or until woken; for ever is not a time, so the clock has no part in it."""
        self._sleeps_until = until
        if until == math.inf:
            self._sleep = asyncio.get_running_loop().create_future()
        else:
            self._sleep = asyncio.ensure_future(self._clock.async_sleep(until - self._clock.monotonic()))
        try:
            await asyncio.wait({self._sleep})
        finally:
            self._sleep.cancel()
            self._sleep = None

    def _wake_before(self, due: float) -> None:
        """End the rest if it would last longer."""
        if self._sleep is not None and due < self._sleeps_until:
            self._sleep.cancel()

    async def _fail_all(self, error: Exception) -> None:
        for index, watch in enumerate(list(self._watches.values())):
            watch.fail(error)
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        await asyncio.sleep(0)  # let those who waited leave before anybody looks again

    async def _opening_failed(self, error: Exception) -> None:
        if self._source.is_lasting(error):
            await self._fail_all(error)
            return
        self._back_off(error, "Could not open a client for %s and will try again in %.0f s: %s")

    def _back_off(self, error: Exception, text: str) -> None:
        self._failures += 1
        asked = min(getattr(error, "retry_after", None) or 0.0, LONGEST_RETRY_AFTER)
        pause = max(asked, backoff(self._failures))
        self._rest_until = self._clock.monotonic() + pause
        log.warning(text, self.workflow, pause, error)

    def _budget(self, opened: OpenedClient) -> Budget:
        workflow = self.workflow
        return shared_budget(workflow.project, workflow.location, opened.client.api.endpoint, self._limits, self._clock)

    # --- lists ------------------------------------------------------------------------------------------------

    async def _read_pages(self, opened: OpenedClient) -> Sequence[Watch]:
        """Read the pages that pay; return whom they have not shown, for gets, or nobody when a list failed."""
        began = now = self._clock.monotonic()
        missing = [watch for watch in self._watches.values() if not watch.busy and watch.is_nearly_due(now)]
        budget, jitter = self._budget(opened), random.random()  # noqa: S311 - spreading load is no secret
        page: Any = None
        read = fruitless = 0
        complete = False
        while not complete:
            places = [watch.place(now) for watch in missing]
            if not next_page_pays(places, self._prices(budget), read=read, fruitless=fruitless):
                break
            page = await self._read_page(opened, budget, page)
            if page is None:
                return ()
            await self._take_in(page[1].get("executions") or (), read, jitter)
            still = [watch for watch in missing if watch.looked < began and watch.waiters]
            read, fruitless = read + 1, fruitless + 1 if len(still) == len(missing) else 0
            missing, now = still, self._clock.monotonic()
            complete = not page[1].get("nextPageToken")
        if read:
            self._failures = 0  # not before: a later page may fail each time
            for watch in missing:
                watch.was_not_within(read, now, complete=complete)
        return missing

    def _prices(self, budget: Budget) -> Prices:
        waits = {"get_wait": budget.expected_wait("get"), "page_wait": budget.expected_wait("list")}
        resting = self._clock.monotonic() < self._lists_from
        return Prices(budget.price("get"), math.inf if resting else budget.price("list"), **waits)

    async def _read_page(self, opened: OpenedClient, budget: Budget, after: Any) -> Any:
        try:
            async with budget.request("list"):
                return await opened.client.list_page(
                    self.workflow, after, view="BASIC", fields="nextPageToken,executions(name,state)"
                )
        except WorkflowsError as exc:
            await self._list_failed(opened, exc, first=after is None)
            return None

    async def _list_failed(self, opened: OpenedClient, error: WorkflowsError, *, first: bool) -> None:
        if isinstance(error, (ExecutionNotFound, PermissionDenied)):
            # The gets decide, also about the credentials: a role may have the one permission without the other.
            self._lists_from = self._clock.monotonic() + LIST_REST
            return
        if self._source.replaces(opened, error) or isinstance(error, QuotaExceeded):
            return  # the next step asks again: with a new client, or when the budget's pause is over
        # A page token may have become invalid; a bad request at the beginning is bad for ever.
        passing = isinstance(error, WorkflowsApiError) and (error.retryable or not first)
        if not passing:
            await self._fail_all(error)
            return
        self._back_off(error, "Could not list the executions of %s and will try again in %.0f s: %s")
        if self._failures >= LIST_FAILURES:
            self._lists_from, self._rest_until = self._rest_until, 0.0

    async def _take_in(self, executions: Sequence[Execution], page: int, jitter: float) -> None:
        """Tell everybody what a page says about their execution, in slices."""
        now = self._clock.monotonic()
        for start in range(0, len(executions), SLICE):
            for execution in executions[start : start + SLICE]:
                watch = self._watches.get(execution_id_of(execution)) if "name" in execution else None
                if watch is not None:
                    watch.saw(execution, now, jitter)
                    watch.was_on(page)
            await asyncio.sleep(0)

    # --- gets -------------------------------------------------------------------------------------------------

    def _start_gets(self, missing: Sequence[Watch]) -> None:
        """Have the most overdue ones got; the others are chosen from again when these are done."""
        chosen = heapq.nsmallest(GETS_AT_A_TIME, missing, key=attrgetter("due"))
        for watch in chosen:
            watch.busy = True
        self._to_get.extend(chosen)
        for _ in range(min(len(chosen), GETS_AT_A_TIME - len(self._workers))):
            task = create_detached_task(self._get_all())
            self._workers.add(task)
            task.add_done_callback(self._workers.discard)

    async def _get_all(self) -> None:
        while self._to_get:
            watch = self._to_get.popleft()
            if not self._to_get:
                self._wake_before(-math.inf)  # to choose the next ones, however long this one takes
            try:
                if watch.waiters and watch.is_nearly_due(self._clock.monotonic()):
                    await self._get(watch)
            except Exception as exc:  # noqa: BLE001 - it must reach those who wait, whatever it is
                watch.fail(exc)
            finally:
                watch.busy = False
                self._wake_before(watch.due)

    async def _get(self, watch: Watch) -> None:
        opened = self._source.current
        if opened is None:
            return  # it was refused; the next step opens another
        view, fields = ("FULL", "name,state,status") if len(self._watches) <= STEPS_UP_TO else ("BASIC", "name,state")
        try:
            async with opened.in_use() as client, self._budget(opened).request("get"):
                execution = await client.get(watch.name, view, fields)
        except WorkflowsError as exc:
            self._get_failed(watch, opened, exc)
        else:
            watch.saw(execution, self._clock.monotonic(), random.random())  # noqa: S311 - spreading load is no secret

    def _get_failed(self, watch: Watch, opened: OpenedClient, error: WorkflowsError) -> None:
        if self._source.replaces(opened, error) or isinstance(error, QuotaExceeded):
            return  # it stays due: the next step asks again
        now = self._clock.monotonic()
        waited = now - watch.joined
        if not is_passing(error, waited):
            watch.fail(error)
            return
        watch.failures += 1
        pause = wait_after_error(error, watch.failures, watch.interval, waited)
        watch.due = now + pause
        if watch.failures == 1:
            for waiter in watch.waiters:
                waiter.warn(error, pause)
