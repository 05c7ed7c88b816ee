# SPDX-License-Identifier: Apache-2.0
"""
Know what the poller knows of one execution, and who wants to hear of it.

A :class:`Watch` is an execution that is looked at, a :class:`Waiter` somebody who waits for it. There may be tens of
thousands of both, so they have slots and hold little.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

from airflow_provider_workflows.api.looking import StateLog, next_deadline
from airflow_provider_workflows.core.clock import Clock, Timer
from airflow_provider_workflows.core.execution import Verdict, classify, is_ended
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.polling.plan import NOT_LISTED, is_nearly_due, next_due, search_again

#: Seconds after which a deadline is looked at again: the clock may have been set, or the machine asleep.
CLOCK_CHECK = 300.0


class Waiter:
    """
    Tell one task what becomes of its execution, in that task's context, so that its log lines are its own.

    :param interval: the most seconds between two looks that it wants.
    :param log: the task's logger.
    :param on_state: told each new state.
    """

    __slots__ = (
        "_context",
        "_failure_states",
        "_late_if_queued",
        "_log",
        "_name",
        "_on_state",
        "_state",
        "_success_states",
        "future",
        "interval",
    )

    def __init__(
        self,
        name: ExecutionName,
        interval: float,
        success_states: Collection[str],
        failure_states: Collection[str],
        log: Any,
        on_state: Callable[[str | None], None] | None,
    ) -> None:
        self.future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._context = contextvars.copy_context()
        self._name = name
        self.interval = interval
        self._success_states = success_states
        self._failure_states = failure_states
        self._log = log
        self._on_state = on_state
        self._state: str | None = None
        self._late_if_queued = False

    def saw(self, state: str | None) -> None:
        """Take note of a state; the wait is over if it is one that was waited for."""
        # A list may be older than the get before it, and no execution goes back into the queue.
        if (
            state == self._state
            or (state == "QUEUED" and self._state not in (None, "STATE_UNSPECIFIED"))
            or self.future.done()
        ):
            return
        try:
            self._context.run(self._tell, state)
        except Exception as exc:  # noqa: BLE001 - one task's logger or callback must not disturb the others
            self.fail(exc)
            return
        if classify(state, self._success_states, self._failure_states) is not Verdict.WAITING:
            self.future.set_result(str(state))
        elif state == "QUEUED" and self._late_if_queued:
            self.future.set_exception(asyncio.TimeoutError())

    def _tell(self, state: str | None) -> None:
        first, self._state = self._state is None, state
        if self._on_state is not None:
            self._on_state(state)
        # The task has just said that it defers because the execution is ACTIVE, and Airflow logs the event of an end;
        # ten thousand need not say it again.
        if not (first and state == "ACTIVE") and not is_ended(state):
            StateLog(str(self._name), self._log).saw(state)

    def at_step(self, steps: str) -> None:
        """Log the step that the execution is at."""
        if not self.future.done():
            self._context.run(self._log.info, "%s is at %s.", self._name, steps)

    def warn(self, error: Exception, pause: float) -> None:
        """Log that a look failed and will be repeated."""
        if not self.future.done():
            text = "A look at %s failed and will be repeated in %.0f s: %s"
            self._context.run(self._log.warning, text, self._name, pause, error)

    def fail(self, error: Exception) -> None:
        """End the wait with an error of its own: a shared one would collect the tracebacks of all who raise it."""
        if not self.future.done():
            self.future.set_exception(_copied(error))

    def give_up_at(self, clock: Clock, deadline: float | None, queued_deadline: float | None) -> Callable[[], None]:
        """
        End the wait with ``asyncio.TimeoutError`` at the deadline that its state makes the next one.

        :param deadline: epoch seconds, as is ``queued_deadline``, which counts only while the state is QUEUED.
        :return: what calls it off.
        """
        timer: Timer | None = None

        def check(state: str | None) -> None:
            nonlocal timer
            end = next_deadline(state, deadline, queued_deadline)
            if end is None or self.future.done():
                return
            left = end - clock.time()
            if left > 0:
                timer = clock.call_later(min(left, CLOCK_CHECK), check, state)
            elif state is None or state == self._state:
                self.future.set_exception(asyncio.TimeoutError())
            else:
                self._late_if_queued = True  # nobody has looked yet, or it is queued no longer
                check(None)

        check("QUEUED")
        return lambda: timer.cancel() if timer is not None else None


def _copied(error: Exception) -> Exception:
    try:
        copied = copy.copy(error)
    except Exception:  # noqa: BLE001 - an exception class with arguments of its own; better shared than lost
        return error
    return copied.with_traceback(None)


class Watch:
    """
    Look after one execution: when it is due, where a list may show it, how its looks went.

    :ivar due: when to look next, in the clock's monotonic seconds.
    :ivar looked: when it was last seen.
    :ivar busy: whether a get for it is under way or about to be.
    """

    __slots__ = (
        "_failed_searches",
        "_forget_at",
        "_place",
        "_steps",
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
        self.looked = -1.0
        self.busy = False
        self.failures = 0
        self.state: str | None = None
        self.waiters: dict[Waiter, None] = {}  # in the order in which they came; a list is slow to leave
        self._place = 0
        self._failed_searches = 0
        self._forget_at: float | None = None
        self._steps = ""

    def is_nearly_due(self, now: float) -> bool:
        """Tell whether to look now if anything is looked at."""
        return is_nearly_due(self.due, self.interval, now)

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
        self.looked, self.failures = now, 0
        self.interval = min((waiter.interval for waiter in self.waiters), default=self.interval)
        self.due = next_due(now, self.interval, jitter)
        if state != self.state:
            if self.state is not None:
                self._place, self._forget_at = 0, None  # an execution that leaves the queue may move in the list
            self.state = state
        for waiter in self.waiters:
            waiter.saw(state)
        if "status" in execution:
            self._saw_steps(execution["status"] or {})

    def _saw_steps(self, status: Mapping[str, Any]) -> None:
        steps = " > ".join(
            f"step {step.get('step')} of {step.get('routine')}" for step in status.get("currentSteps") or ()
        )
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
