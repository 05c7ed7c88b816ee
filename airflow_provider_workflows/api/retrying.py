# SPDX-License-Identifier: Apache-2.0
"""
Hold the one retry policy of the package; the retrying itself is tenacity's.

Reads and cancel are repeated on 408, 429, server errors and broken connections: both may be sent twice without harm.
A create is not repeated by whoever sends it: :func:`made_nothing` is what the hooks and ``durable`` repeat it on, where
it surely did not happen (429, a connection that was never made). Waits double from
1 s (what Google suggests for 500 and 503) to at most 60 s (quotas are counted by the minute), less a jitter of up to
half, so that tasks that failed together do not come back together; a ``Retry-After`` of the service (up to five
minutes) is the least that is waited.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_workflows.core.clock import SYSTEM_CLOCK, Clock
from airflow_provider_workflows.exceptions import QuotaExceeded, WorkflowsApiError

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState, Retrying

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 300.0


def backoff(attempt: int, jitter: Callable[[], float] = random.random) -> float:
    """
    Return the seconds to wait after the given failed attempt (1 is the first).

    ``FIRST_WAIT * 2 ** (attempt - 1)``, never more than ``LONGEST_WAIT``, less a jitter of up to half of it.
    """
    longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 10))
    return longest * (0.5 + 0.5 * jitter())


def may_pass(error: BaseException) -> bool:
    """Tell whether sending the same request again may help."""
    return isinstance(error, WorkflowsApiError) and error.retryable


def made_nothing(error: BaseException) -> bool:
    """Tell whether a create that failed surely had no effect, and another one may help."""
    return (
        isinstance(error, WorkflowsApiError) and error.retryable and (error.unsent or isinstance(error, QuotaExceeded))
    )


@dataclass(frozen=True)
class RetryPolicy:
    """
    Repeat a request up to ``retries`` times.

    :param retries: how many repetitions after the first attempt; 0 turns repeating off.
    :param until: when there is no time left, in the clock's monotonic seconds; infinite for no such limit.
    :param clock: where the waiting happens.
    :param jitter: a number between 0 and 1, drawn for each wait.
    """

    retries: int = 5
    clock: Clock = SYSTEM_CLOCK
    until: float = math.inf
    jitter: Callable[[], float] = field(default=random.random, repr=False)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None) or 0.0
        return max(min(asked, LONGEST_RETRY_AFTER), backoff(state.attempt_number, self.jitter))

    def _stop(self) -> Callable[[RetryCallState], bool]:
        """Stop after the attempts, or before a wait that would outlast the time there is."""

        def stop(state: RetryCallState) -> bool:
            return state.attempt_number > self.retries or state.upcoming_sleep >= self.left()

        return stop

    def left(self) -> float:
        """Return the seconds that are left for everything."""
        return self.until - self.clock.monotonic()

    def sync(self, repeats: Callable[[BaseException], bool] = may_pass) -> Retrying:
        """Return tenacity's repeater for a blocking call; ``repeats`` tells after which errors."""
        from tenacity import Retrying, retry_if_exception

        return Retrying(
            sleep=self.clock.sleep,
            stop=self._stop(),
            wait=self._wait,
            retry=retry_if_exception(repeats),
            reraise=True,
        )

    def asynchronous(self, repeats: Callable[[BaseException], bool] = may_pass) -> AsyncRetrying:
        """Return tenacity's repeater for a coroutine; ``repeats`` tells after which errors."""
        from tenacity import AsyncRetrying, retry_if_exception

        return AsyncRetrying(
            sleep=self.clock.async_sleep,
            stop=self._stop(),
            wait=self._wait,
            retry=retry_if_exception(repeats),
            reraise=True,
        )
