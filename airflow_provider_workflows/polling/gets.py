# SPDX-License-Identifier: Apache-2.0
"""Look at executions one by one, a few at a time, and know what a failed look means."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter

from airflow_provider_workflows.api.looking import is_passing, wait_after_error
from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.exceptions import QuotaExceeded, WorkflowsError
from airflow_provider_workflows.polling.alarm import Alarm
from airflow_provider_workflows.polling.budget import IN_FLIGHT, Budget
from airflow_provider_workflows.polling.per_loop import create_detached_task
from airflow_provider_workflows.polling.source import ClientSource, OpenedClient
from airflow_provider_workflows.polling.watch import Watch
from airflow_provider_workflows.polling.watches import Watches

#: Gets that are chosen at a time, so that what a list shows meanwhile can still save the others. All stand in line
#: at once, or those of a small poller would have to wait for their turn twice.
GETS_AT_A_TIME = 2 * IN_FLIGHT
#: Up to so many executions the gets ask for the step as well; more would fill logs that nobody reads.
STEPS_UP_TO = 5


class Gets:
    """
    Send the gets of a poller, in tasks of their own.

    :param alarm: rung when the next ones may be chosen, or a look is due earlier than was known.
    """

    def __init__(
        self,
        watches: Watches,
        source: ClientSource,
        budget_of: Callable[[OpenedClient], Budget],
        clock: Clock,
        alarm: Alarm,
    ) -> None:
        self.workers: set[asyncio.Task[None]] = set()
        self._chosen: deque[Watch] = deque()
        self._watches = watches
        self._source = source
        self._budget_of = budget_of
        self._clock = clock
        self._alarm = alarm

    @property
    def are_waiting(self) -> bool:
        """Tell whether some that were chosen have not been begun, so that there is no use in choosing more."""
        return bool(self._chosen)

    def start(self, missing: Sequence[Watch]) -> None:
        """Get the most overdue ones; the others are chosen from again when these are done."""
        chosen = heapq.nsmallest(GETS_AT_A_TIME, missing, key=attrgetter("due"))
        for watch in chosen:
            watch.busy = True
        self._chosen.extend(chosen)
        for _ in range(min(len(chosen), GETS_AT_A_TIME - len(self.workers))):
            task = create_detached_task(self._get_all())
            self.workers.add(task)
            task.add_done_callback(self.workers.discard)

    async def _get_all(self) -> None:
        while self._chosen:
            watch = self._chosen.popleft()
            if not self._chosen:
                self._alarm.wake()  # to choose the next ones, however long this one takes
            try:
                if watch.waiters and watch.is_nearly_due(self._clock.monotonic()):
                    await self._get(watch)
            except Exception as exc:  # noqa: BLE001 - it must reach those who wait, whatever it is
                watch.fail(exc)
            finally:
                watch.busy = False
                self._alarm.wake_before(watch.due)

    async def _get(self, watch: Watch) -> None:
        opened = self._source.current
        if opened is None:
            return  # it was refused; the next step opens another
        view, fields = ("FULL", "name,state,status") if len(self._watches) <= STEPS_UP_TO else ("BASIC", "name,state")
        try:
            async with opened.in_use() as client, self._budget_of(opened).request("get"):
                execution = await client.get(watch.name, view, fields)
        except WorkflowsError as exc:
            self._failed(watch, opened, exc)
        else:
            now, budget = self._clock.monotonic(), self._budget_of(opened)
            watch.saw(execution, now, random.random())  # noqa: S311 - spreading load is no secret
            self._hurry(watch, now, budget)

    def _hurry(self, watch: Watch, now: float, budget: Budget) -> None:
        """Look again soon at a young one, if that can be paid for."""
        after = watch.quick_after(now)
        if after is None:
            return
        paid = budget.quick.reserve(budget.price("get"), now, watch.interval)
        if paid is not None:
            watch.hurry(now + max(paid, after))

    def _failed(self, watch: Watch, opened: OpenedClient, error: WorkflowsError) -> None:
        if self._source.replaces(opened, error) or isinstance(error, QuotaExceeded):
            return  # it stays due: the next step asks again
        now = self._clock.monotonic()
        waited = now - watch.joined
        if not is_passing(error, waited):
            watch.fail(error)
            return
        pause = wait_after_error(error, watch.failures + 1, watch.interval, waited)
        watch.looked_in_vain(error, now, pause)
