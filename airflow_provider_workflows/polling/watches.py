# SPDX-License-Identifier: Apache-2.0
"""Hold all the executions that a poller looks at, and tell those who wait what a look at many has shown."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence

from airflow_provider_workflows.core.execution import Execution, execution_id_of
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.pace import Allowance
from airflow_provider_workflows.polling.waiter import Waiter
from airflow_provider_workflows.polling.watch import Watch

#: Seconds for which a newcomer waits for others to be looked at with; a tenth of the interval if that is less.
GATHER = 1.0
#: Entries or waits that are handled before other tasks get their turn: well below 10 ms.
SLICE = 250


class Watches:
    """Know one :class:`Watch` for each execution that somebody waits for."""

    def __init__(self) -> None:
        self._by_id: dict[str, Watch] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def _idle(self) -> Iterator[Watch]:
        """Yield those that no get is under way for."""
        return (watch for watch in self._by_id.values() if not watch.busy)

    def join(self, name: ExecutionName, waiter: Waiter, now: float, age: float = math.inf) -> Watch:
        """Look at an execution of an age for one more who waits; together with others, if there are any."""
        interval = waiter.interval
        due = now + min(GATHER, interval / 10) if self._by_id else now
        watch = self._by_id.get(name.execution_id)
        if watch is None:
            watch = self._by_id[name.execution_id] = Watch(name, interval, now=now, due=due)
        watch.interval = min(watch.interval, interval)
        watch.due = min(watch.due, due)
        watch.born = max(watch.born, now - age)
        watch.waiters[waiter] = None
        return watch

    def leave(self, watch: Watch, waiter: Waiter) -> None:
        """Look no more for somebody, nor at the execution if nobody else waits for it."""
        watch.leave(waiter)
        if not watch.waiters and self._by_id.get(watch.name.execution_id) is watch:
            del self._by_id[watch.name.execution_id]

    def earliest(self) -> float:
        """Return when the next look is due; never, where there is none to be taken."""
        return min((watch.due for watch in self._idle()), default=math.inf)

    def nearly_due(self, now: float) -> list[Watch]:
        """Return what to look at if anything is looked at now."""
        return [watch for watch in self._idle() if watch.is_nearly_due(now)]

    def hurry(self, price: float, price_of_one: float, seen_since: float, now: float, allowance: Allowance) -> None:
        """
        Look at the young ones of a round again soon, all together, if that can be paid for.

        :param price: what this round has cost.
        :param price_of_one: what one of them costs by itself, which is less where the round was for many others.
        :param seen_since: when it began.
        """
        soon = [
            (after, watch)
            for watch in self._by_id.values()
            if watch.looked >= seen_since and (after := watch.quick_after(now)) is not None
        ]
        if not soon:
            return
        longest = max(watch.interval for _, watch in soon)
        paid = allowance.reserve(min(price, len(soon) * price_of_one), now, longest)
        if paid is None:
            return
        due = now + max(paid, min(after for after, _ in soon))
        for _, watch in soon:
            watch.hurry(due)

    async def saw_page(self, executions: Sequence[Execution], page: int, now: float, jitter: float) -> None:
        """Tell everybody what a page says about their execution, in slices."""
        for start in range(0, len(executions), SLICE):
            for execution in executions[start : start + SLICE]:
                watch = self._by_id.get(execution_id_of(execution)) if "name" in execution else None
                if watch is not None:
                    watch.saw(execution, now, jitter)
                    watch.was_on(page)
            await asyncio.sleep(0)

    def fail(self, error: Exception) -> None:
        """End all waits with an error, at once."""
        for watch in self._by_id.values():
            watch.fail(error)

    async def fail_in_slices(self, error: Exception) -> None:
        """End all waits of this moment with an error."""
        await self._in_slices(lambda watch: watch.fail(error))

    async def warn_in_slices(self, error: Exception, pause: float, lasted: float) -> None:
        """Tell all who wait that nobody can look, and for how long that has been so."""
        await self._in_slices(lambda watch: watch.warn(error, pause, lasted))

    async def _in_slices(self, tell: Callable[[Watch], None]) -> None:
        for index, watch in enumerate(list(self._by_id.values())):
            tell(watch)
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        await asyncio.sleep(0)  # let those who waited leave before anybody looks again
