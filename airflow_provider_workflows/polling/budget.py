# SPDX-License-Identifier: Apache-2.0
"""
Keep all pollers of a process within the service's quota of requests.

One :class:`Budget` for each (project, location, endpoint), because that is what Google counts by: 6,000 get, 1,200
list and 6,000 write requests a minute. The defaults take half of each and leave the other half to the project's other
clients.

What it promises:

* In any minute, no more requests of a kind arrive than its limit says. A second's worth may go at once, the rest is
  spaced out: two seconds' worth less than the limit is handed out per minute, one that pays for a burst, and one for
  requests that are longer on their way than those after them.
* A request that is sent once more with a new token, after a 401, goes out at once and is paid for by those after it:
  ``IN_FLIGHT`` at most at a time.
* First come, first served, among all pollers, for each kind. A poller stands in line for a few requests only, so a
  big one does not starve the small ones.
* At most ``IN_FLIGHT`` requests are under way.
* A 429, or any answer with Retry-After, stops *everything* for as long as it asks (five minutes at most), or else for
  a growing while.
  After that one request goes ahead alone; when it is answered, the others follow at half the former pace. Requests
  that were under way when the pause began do not make it longer.
* The pace doubles every ``DOUBLING`` seconds after the last pause, whatever the limits are and however little is sent:
  two minutes without another 429 make it whole. A service that refuses more often than that meets ever fewer
  requests, down to ``SMALLEST_SHARE`` of the limit or one in ``LONGEST_PAUSE`` seconds, whichever is more.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from airflow_provider_workflows.api.retrying import LONGEST_RETRY_AFTER, backoff
from airflow_provider_workflows.core.clock import SYSTEM_CLOCK, Clock
from airflow_provider_workflows.core.messages import looks
from airflow_provider_workflows.core.pace import Allowance
from airflow_provider_workflows.exceptions import QuotaExceeded, WorkflowsApiError
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.polling.per_loop import PerLoop

log = LoopLog(logging.getLogger(__name__))

Kind = Literal["get", "list", "cancel"]
KINDS: tuple[Kind, ...] = ("get", "list", "cancel")

#: Requests under way at once. With answers in 100 ms they make 80 a second, more than the default limits allow.
IN_FLIGHT = 8
#: Seconds; what Google suggests to wait after a quota error. More would only make everybody late.
LONGEST_PAUSE = 30.0
#: The pace is never reduced below this share of the limit: 47 gets a minute with the defaults. Nor is it reduced below
#: one request in LONGEST_PAUSE, unless the limit is: a service that refuses everything is asked as often.
SMALLEST_SHARE = 1 / 64
#: Seconds after a pause in which the pace doubles. Quotas are counted by the minute: after one 429 a third of a minute
#: goes at less than the whole pace, and from SMALLEST_SHARE, six doublings away, it takes two minutes to get there.
#: Each 429 halves the pace, so where they come more often than this it shrinks.
DOUBLING = 20.0
#: Seconds; who waits for a pace that grows looks at it as often, within which it grows by 4 %.
_RECHECK = 1.0
#: A token is whole when it is so but for rounding; otherwise one could wait for it in ever smaller steps.
_WHOLE = 1 - 1e-6


@dataclass(frozen=True)
class Limits:
    """
    Say how many requests a minute may be sent, to one project and location, by this process.

    :raises ValueError: for anything less than 1; it names the setting.
    """

    get_requests_per_minute: int = 3000
    list_requests_per_minute: int = 600

    def __post_init__(self) -> None:
        for name in ("get_requests_per_minute", "list_requests_per_minute"):
            if not getattr(self, name) >= 1:
                msg = f"{name} must be at least 1, got {getattr(self, name)!r}."
                raise ValueError(msg)

    def of(self, kind: Kind) -> int:
        """Return the limit of a kind of request."""
        # The documented quota of writes is that of gets.
        return self.list_requests_per_minute if kind == "list" else self.get_requests_per_minute


class _Bucket:
    """Hand out one kind's requests: a token bucket, and a line in front of it."""

    def __init__(self, per_minute: int, now: float) -> None:
        self.rate = per_minute / 60 * 58 / 60
        self.burst = float(max(1, per_minute // 60))
        self.tokens = self.burst
        self.queued = 0
        self.line = asyncio.Lock()  # which is fair
        self._filled = now

    def pace(self, share: float) -> float:
        """Return the tokens a second that a share of the limit is, or the least that there always are."""
        return min(self.rate, max(self.rate * share, 1 / LONGEST_PAUSE))

    def refill(self, now: float, pace: float) -> None:
        """Add the tokens of the time gone by."""
        self.tokens = min(self.burst, self.tokens + (now - self._filled) * pace)
        self._filled = now

    def empty(self, now: float) -> None:
        """Take away what was saved up until now."""
        self.tokens = min(self.tokens, 0.0)
        self._filled = now

    def seconds_until(self, tokens: float, pace: float) -> float:
        """Return how long it takes until there are so many tokens."""
        missing = tokens - self.tokens
        return 0.0 if missing <= 1 - _WHOLE else missing / pace


class Budget:
    """
    Let requests through at the pace that the limits and the service allow.

    Belongs to the event loop it was first used on. See the module for what it promises.

    :ivar quick: the share of it for looks that come sooner than they must.
    """

    def __init__(self, limits: Limits, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        now = clock.monotonic()
        self._buckets = {kind: _Bucket(limits.of(kind), now) for kind in KINDS}
        self._in_flight = 0
        self._freed = asyncio.Event()
        self._share = 1.0  # when the last pause ended; see _share_at
        self._paused_until = 0.0
        self._pauses_in_a_row = 0
        self._pauses = 0
        self._probing = False
        self.quick = Allowance(now)

    def price(self, kind: Kind) -> float:
        """Return the seconds for which one request uses up its kind's share of the budget."""
        return 1 / self._buckets[kind].pace(self._share_at(self._clock.monotonic()))

    def expected_wait(self, kind: Kind) -> float:
        """Return the seconds that a request would wait that asked to be sent now."""
        now = self._clock.monotonic()
        bucket = self._buckets[kind]
        pace = bucket.pace(self._share_at(now))
        bucket.refill(now, pace)
        return max(self._paused_until - now, bucket.seconds_until(bucket.queued + 1, pace))

    def _share_at(self, now: float) -> float:
        """Return the share of the limits that may be used; it stands still during a pause, and then grows."""
        doublings = (now - self._paused_until) / DOUBLING
        if doublings >= -math.log2(self._share):
            return 1.0
        return self._share * math.pow(2.0, max(0.0, doublings))

    @asynccontextmanager
    async def request(self, kind: Kind) -> AsyncIterator[None]:
        """Wait for the permission to send one request; the block sends it and lets its errors through."""
        await self._admit(self._buckets[kind])
        pauses = self._pauses
        try:
            yield
        except WorkflowsApiError as exc:
            if isinstance(exc, QuotaExceeded) or exc.retry_after:
                self._pause(exc, began=pauses)
            elif exc.status_code is not None:
                self._answered(began=pauses)
            raise
        else:
            self._answered(began=pauses)
        finally:
            self._in_flight -= 1
            self._freed.set()

    def charge(self, kind: Kind) -> None:
        """Count a request that must go out without permission; those after it wait for as much longer."""
        bucket = self._buckets[kind]
        now = self._clock.monotonic()
        bucket.refill(now, bucket.pace(self._share_at(now)))
        bucket.tokens -= 1

    async def _admit(self, bucket: _Bucket) -> None:
        bucket.queued += 1
        try:
            async with bucket.line:
                while not await self._is_open(bucket):
                    pass
                bucket.tokens -= 1
                self._in_flight += 1
        finally:
            bucket.queued -= 1

    async def _is_open(self, bucket: _Bucket) -> bool:
        """Tell whether the first in line may go, or wait until that may have changed."""
        now = self._clock.monotonic()
        pace = bucket.pace(self._share_at(now))
        bucket.refill(now, pace)
        seconds = bucket.seconds_until(1, pace)
        if pace < bucket.rate:
            seconds = min(seconds, _RECHECK)
        seconds = max(self._paused_until - now, seconds)
        if seconds > 0:
            await self._clock.async_sleep(seconds)
            return False
        if self._in_flight >= (1 if self._probing else IN_FLIGHT):
            self._freed.clear()
            await self._freed.wait()
            return False
        return True

    def _answered(self, *, began: int) -> None:
        if began != self._pauses:
            return  # it says nothing about how the service has been since it asked to slow down
        self._pauses_in_a_row = 0
        if self._probing:
            self._probing = False
            for bucket in self._buckets.values():  # what was saved up meanwhile must not go out at once
                bucket.empty(self._clock.monotonic())

    def _pause(self, error: WorkflowsApiError, *, began: int) -> None:
        """Stop for a while; ``began`` is the number of pauses when the request went out."""
        pause = min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)
        if began == self._pauses:
            if not self._pauses_in_a_row:  # that a lone attempt failed says nothing about the pace before
                self._share = max(SMALLEST_SHARE, self._share_at(self._clock.monotonic()) / 2)
            self._pauses += 1
            self._pauses_in_a_row += 1
            self._probing = True
            pause = max(pause, min(backoff(self._pauses_in_a_row), LONGEST_PAUSE))
            log.warning(looks.slow_down(pause, error))
        self._paused_until = max(self._paused_until, self._clock.monotonic() + pause)


_BUDGETS: PerLoop[tuple[str, str, str], Budget] = PerLoop()


def shared_budget(project: str, location: str, endpoint: str, limits: Limits, clock: Clock = SYSTEM_CLOCK) -> Budget:
    """
    Return the budget that all pollers of this event loop share for a project and location.

    :param endpoint: the base URL of the API.
    :param limits: taken from whoever comes first.
    """
    budgets = _BUDGETS.current()
    key = (project, location, endpoint)
    if key not in budgets:
        budgets[key] = Budget(limits, clock)
    return budgets[key]
