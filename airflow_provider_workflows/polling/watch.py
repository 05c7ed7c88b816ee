# SPDX-License-Identifier: Apache-2.0
"""
Know one execution that is looked at: when it is due, where a list may show it, who wants to hear of it.

There may be tens of thousands of them, so they have slots and hold little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.api.outage import Outage
from airflow_provider_workflows.core.execution import current_steps, is_ended
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.pace import next_look
from airflow_provider_workflows.polling.plan import NOT_LISTED, is_nearly_due, next_due, search_again
from airflow_provider_workflows.polling.waiter import Waiter


class Watch:
    """
    Look after one execution: when it is due, where a list may show it, how its looks went.

    :ivar born: when the execution began, in the clock's monotonic seconds; for ever ago where nobody knows.
    :ivar due: when to look next, in the same.
    :ivar looked: when it was last seen.
    :ivar busy: whether a get for it is under way or about to be.
    """

    __slots__ = (
        "_failed_searches",
        "_forget_at",
        "_outage",
        "_place",
        "_steps",
        "born",
        "busy",
        "due",
        "failures",
        "interval",
        "joined",
        "looked",
        "name",
        "state",
        "waiters",
    )

    def __init__(self, name: ExecutionName, interval: float, *, now: float, due: float) -> None:
        self.name = name
        self.interval = interval
        self.due = due
        self.joined = now
        self.born = -math.inf
        self.looked = -1.0
        self.busy = False
        self.failures = 0
        self.state: str | None = None
        self.waiters: dict[Waiter, None] = {}  # in the order in which they came; a list is slow to leave
        self._place = 0
        self._failed_searches = 0
        self._forget_at: float | None = None
        self._steps: list[tuple[str, str]] = []
        self._outage: Outage | None = None

    def is_nearly_due(self, now: float) -> bool:
        """Tell whether to look now if anything is looked at."""
        return is_nearly_due(self.due, self.interval, now)

    def quick_after(self, now: float) -> float | None:
        """Return the seconds to the next look at an execution that is young; ``None`` when it is not any more."""
        after = next_look(now - self.born, self.interval)
        return after if after < self.interval and not is_ended(self.state) else None

    def hurry(self, due: float) -> None:
        """Look at that time, if that is sooner."""
        self.due = min(self.due, due)

    def place(self, now: float) -> int:
        """Return the page on which a list may show it, at the earliest; see ``polling.plan``."""
        if self._forget_at is not None and now >= self._forget_at:
            self._place, self._forget_at = 0, None
        return self._place

    def was_on(self, page: int) -> None:
        """Take note of the page on which a list has just shown it."""
        self._place, self._failed_searches, self._forget_at = page, 0, None

    def was_not_within(self, pages: int, now: float, *, complete: bool) -> None:
        """Take note that a list did not show it; ``complete`` where the list had no further pages."""
        if not complete and self._place >= pages:
            return
        self._place = NOT_LISTED if complete else pages
        self._failed_searches += 1
        self._forget_at = search_again(now, self.interval, self._failed_searches)

    def saw(self, execution: Mapping[str, Any], now: float, jitter: float) -> None:
        """Take note of a look that went well."""
        state = execution.get("state")
        self.looked, self.failures, self._outage = now, 0, None
        self.interval = min((waiter.interval for waiter in self.waiters), default=self.interval)
        self.due = next_due(now, self.interval, jitter)
        if state != self.state:
            if self.state is not None:
                self._place, self._forget_at = 0, None  # an execution that leaves the queue may move in the list
            self.state = state
        for waiter in self.waiters:
            waiter.saw(state)
        if "status" in execution:
            self._saw_steps(execution)

    def looked_in_vain(self, error: Exception, now: float, pause: float) -> None:
        """Take note of a look that failed and will be repeated, and tell those who wait when that is news."""
        self.failures += 1
        self.due = now + pause
        self._outage = self._outage or Outage()
        if (lasted := self._outage.failed(now)) is not None:
            self.warn(error, pause, lasted)

    def warn(self, error: Exception, pause: float, lasted: float) -> None:
        """Tell those who wait that nobody can look, and for how long that has been so."""
        for waiter in self.waiters:
            waiter.warn(error, pause, lasted)

    def _saw_steps(self, execution: Mapping[str, Any]) -> None:
        steps = current_steps(execution)
        if steps and steps != self._steps:
            self._steps = steps
            for waiter in self.waiters:
                waiter.at_step(steps)

    def leave(self, waiter: Waiter) -> None:
        """Forget somebody who waits no longer; the interval that only they wanted ends with the next look."""
        del self.waiters[waiter]

    def fail(self, error: Exception) -> None:
        """End all its waits with an error."""
        for waiter in self.waiters:
            waiter.fail(error)
