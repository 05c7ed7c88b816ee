# SPDX-License-Identifier: Apache-2.0
"""
Tell one task of the execution that it waits for, and end its wait: with a state, an error or a deadline.

There may be tens of thousands of them, so they have slots and hold little.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import math
from collections.abc import Callable, Collection
from typing import Any

from airflow_provider_workflows.api.looking import tell_state
from airflow_provider_workflows.api.outage import warn_of_outage
from airflow_provider_workflows.core.clock import Clock, Timer
from airflow_provider_workflows.core.deadlines import Deadlines
from airflow_provider_workflows.core.execution import Verdict, classify
from airflow_provider_workflows.core.messages import life
from airflow_provider_workflows.core.names import ExecutionName

#: Seconds after which a deadline is looked at again: the clock may have been set, or the machine asleep.
CLOCK_CHECK = 300.0


class Waiter:
    """
    Tell one task what becomes of its execution, in that task's context, so that its log lines are its own.

    :param interval: the most seconds between two looks that it wants.
    :param log: the task's logger.
    :param on_state: told each new state.
    :param deadlines: end the wait from :meth:`mind_deadlines` on.
    """

    __slots__ = (
        "_clock",
        "_context",
        "_deadlines",
        "_failure_states",
        "_log",
        "_name",
        "_on_state",
        "_state",
        "_success_states",
        "_timer",
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
        clock: Clock,
        deadlines: Deadlines,
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
        self._clock = clock
        self._deadlines = deadlines
        self._timer: Timer | None = None

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
        elif self._deadlines.passed(state, self._clock.time()):  # its time in the queue, before anybody could look
            self.future.set_exception(asyncio.TimeoutError())

    def _tell(self, state: str | None) -> None:
        first, self._state = self._state is None, state
        if self._on_state is not None:
            self._on_state(state)
        # The task has just said that it defers because the execution is ACTIVE, and Airflow logs the event of an end;
        # ten thousand need not say it again.
        if not (first and state == "ACTIVE"):
            tell_state(self._log, self._name, state)

    def at_step(self, steps: list[tuple[str, str]]) -> None:
        """Log the step that the execution is at."""
        if not self.future.done():
            self._context.run(self._log.info, life.at_step(self._name, steps))

    def warn(self, error: Exception, pause: float, lasted: float) -> None:
        """Log that a look failed and will be repeated, and for how many seconds none has gone well."""
        if not self.future.done():
            self._context.run(warn_of_outage, self._log, self._name, error, pause, lasted)

    def fail(self, error: Exception) -> None:
        """End the wait with an error of its own: a shared one would collect the tracebacks of all who raise it."""
        if not self.future.done():
            self.future.set_exception(_copied(error))

    def mind_deadlines(self) -> None:
        """End the wait with ``asyncio.TimeoutError`` as soon as its execution is late; until then come back."""
        self._timer = None
        now = self._clock.time()
        if self.future.done():
            return
        if self._deadlines.passed(self._state, now):
            self.future.set_exception(asyncio.TimeoutError())
        elif (seconds := self._deadlines.until_next(now)) < math.inf:
            self._timer = self._clock.call_later(min(seconds, CLOCK_CHECK), self.mind_deadlines)

    def stop_minding(self) -> None:
        """Call that off."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _copied(error: Exception) -> Exception:
    try:
        copied = copy.copy(error)
    except Exception:  # noqa: BLE001 - an exception class with arguments of its own; better shared than lost
        return error
    return copied.with_traceback(None)
