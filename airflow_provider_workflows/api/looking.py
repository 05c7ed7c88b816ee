# SPDX-License-Identifier: Apache-2.0
"""
Decide what to do after each look at an execution; worker, sensor and poller wait by the same rules.

A look that failed for a passing reason never ends the waiting: only the deadline does. A look that failed for a
lasting reason (403, a bad request) ends it at once, with one exception: an execution that was created a moment ago
may not be found yet (nothing is documented about read-after-write), so a 404 is believed only after a grace period.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection
from typing import Any

from airflow_provider_workflows.api.retrying import LONGEST_RETRY_AFTER, backoff
from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.deadlines import NO_DEADLINES, Deadlines, Limit
from airflow_provider_workflows.core.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    Execution,
    Verdict,
    age_of,
    classify,
    current_steps,
    is_ended,
    is_known,
)
from airflow_provider_workflows.core.messages import failures, life
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.seconds import seconds_of
from airflow_provider_workflows.exceptions import ExecutionNotFound, ExecutionTimeout, WorkflowsApiError

#: Seconds after the waiting began during which a 404 may mean "not visible yet".
NOT_FOUND_GRACE = 30.0
SHORTEST_INTERVAL = 0.1
#: The jitter of a wait that looks alone, as a share of its interval; a poller's is in ``polling.plan``.
JITTER = 0.1


def check_interval(span: Any, parameter: str = "poll_interval") -> float:
    """Return a span in seconds that one can wait between two looks; zero and less would be a busy loop."""
    return max(seconds_of(span, parameter), SHORTEST_INTERVAL)


def jittered(interval: float, jitter: Callable[[], float] = random.random) -> float:
    """Return the interval with its jitter, up to a tenth either way: who began together spreads out."""
    return interval * (1 - JITTER + 2 * JITTER * jitter())


def pause_at(age: float, poll_interval: float) -> float:
    """Return the seconds until somebody who waits alone looks again: with a jitter, which makes no look too quick."""
    from airflow_provider_workflows.core.pace import next_look

    pause = next_look(age, poll_interval)
    return jittered(pause) if pause == poll_interval else max(pause, jittered(pause))


def wait_after_error(error: Exception, failures: int, interval: float, waited: float) -> float:
    """
    Return the seconds until the next look: at least the interval, more after each failure in a row.

    After a 404 no more than are left, of the ``waited`` seconds, until another one would be believed.
    """
    asked = min(getattr(error, "retry_after", None) or 0.0, LONGEST_RETRY_AFTER)
    growing = backoff(failures)
    if isinstance(error, ExecutionNotFound):
        growing = min(growing, NOT_FOUND_GRACE - waited)
    return max(asked, interval, growing)


def is_passing(error: Exception, waited: float) -> bool:
    """Tell whether a failed look is no reason to stop waiting, after ``waited`` seconds."""
    if isinstance(error, ExecutionNotFound):
        return waited < NOT_FOUND_GRACE
    return isinstance(error, WorkflowsApiError) and error.retryable


def tell_state(log: Any, name: ExecutionName, state: str | None) -> None:
    """Log a state that is new, but for an end, which whoever waits tells or raises; warn about one nobody knows."""
    if not is_known(state):
        log.warning(life.is_in_unknown(name, state))
    elif not is_ended(state):
        log.info(life.is_in(name, state))


class Progress:
    """
    Log each change of an execution's state once, and each step that it comes to.

    :param told: the state that the log has already.
    :ivar state: the last one seen.
    """

    def __init__(self, name: ExecutionName, log: Any, told: str | None = None) -> None:
        self.state: str | None = None
        self._told = told
        self._name = name
        self._log = log
        self._steps: list[tuple[str, str]] = []

    def saw(self, execution: Execution) -> None:
        """Take note of a look."""
        self.state = state = execution.get("state")
        steps = current_steps(execution)
        if state != self._told:
            self._told = state
            tell_state(self._log, self._name, state)
        if steps and steps != self._steps and not is_ended(state):
            self._steps = steps
            self._log.info(life.at_step(self._name, steps))


def timed_out(name: ExecutionName, state: str | None, limit: Limit | None = None) -> ExecutionTimeout:
    """Make the exception for an execution that did not start or end in time; the caller raises it."""
    return ExecutionTimeout(failures.timed_out(name, state, limit), execution_name=str(name), state=state)


class _Wait:
    """Hold what a wait that looks alone has seen; each look, and each failed one, says how soon the next is due."""

    def __init__(self, name: ExecutionName, clock: Clock, log: Any, poll_interval: float) -> None:
        from airflow_provider_workflows.api.outage import Outage

        self._name = name
        self._clock = clock
        self._log = log
        self._interval = poll_interval
        self._progress = Progress(name, log)
        self._outage = Outage()
        self._began = clock.monotonic()
        self._age = 0.0  # of the execution when the waiting began
        self._failures = 0

    def _waited(self) -> float:
        return self._clock.monotonic() - self._began

    def saw(self, execution: Execution) -> float:
        """Take note of a look."""
        self._age = max(self._age, age_of(execution, self._clock.time()) - self._waited())
        self._failures = 0
        self._progress.saw(execution)
        self._outage.is_over()
        return pause_at(self._age + self._waited(), self._interval)

    def failed(self, error: WorkflowsApiError) -> float:
        """Take note of a look that failed; raise the error where it is a lasting one."""
        from airflow_provider_workflows.api.outage import warn_of_outage

        waited = self._waited()
        if not is_passing(error, waited):
            raise error
        self._failures += 1
        pause = wait_after_error(error, self._failures, self._interval, waited)
        if (lasted := self._outage.failed(self._clock.monotonic())) is not None:
            warn_of_outage(self._log, self._name, error, pause, lasted)
        return pause


def wait_for_end(
    look: Callable[[], Execution],
    name: ExecutionName,
    *,
    clock: Clock,
    log: Any,
    poll_interval: float,
    deadlines: Deadlines = NO_DEADLINES,
    patience: float = math.inf,
    success_states: Collection[str] = SUCCESS_STATES,
    failure_states: Collection[str] = FAILURE_STATES,
) -> Execution:
    """
    Look until the execution is in one of the states waited for; return it as last seen.

    :param look: gets the execution once; its retries should be off, since this repeats anyway.
    :param poll_interval: the most seconds between looks, with a jitter of a tenth either way; see ``core.pace``.
    :param patience: seconds after which it is returned as it is then seen, empty where it could not be seen.
    :raises ExecutionTimeout: at a deadline, after a last look.
    :raises WorkflowsApiError: when a look failed for a lasting reason.
    """
    wait = _Wait(name, clock, log, poll_interval)
    end = clock.monotonic() + patience
    execution: Execution = {}
    while True:
        try:
            execution = look()
            pause = wait.saw(execution)
            if classify(execution.get("state"), success_states, failure_states) is not Verdict.WAITING:
                return execution
        except WorkflowsApiError as exc:
            pause = wait.failed(exc)
        left = deadlines.left(execution.get("state"), clock.time())
        if left <= 0:
            raise timed_out(name, execution.get("state"))
        more = end - clock.monotonic()
        if more <= 0:
            return execution
        clock.sleep(min(pause, left, more))
