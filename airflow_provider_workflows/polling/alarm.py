# SPDX-License-Identifier: Apache-2.0
"""Sleep until a time, or until somebody has something to do before it."""

from __future__ import annotations

import asyncio
import math

from airflow_provider_workflows.core.clock import Clock


class Alarm:
    """Wake the one task that sleeps on it; times are the clock's monotonic seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sleep: asyncio.Future[None] | None = None
        self._until = 0.0

    async def sleep(self, until: float) -> None:
        """Sleep until then, or until woken; for ever is not a time, so the clock has no part in it."""
        self._until = until
        if until == math.inf:
            self._sleep = asyncio.get_running_loop().create_future()
        else:
            self._sleep = asyncio.ensure_future(self._clock.async_sleep(until - self._clock.monotonic()))
        try:
            await asyncio.wait({self._sleep})
        finally:
            self._sleep.cancel()
            self._sleep = None

    def wake_before(self, due: float) -> None:
        """End the sleep if it would last longer."""
        if self._sleep is not None and due < self._until:
            self._sleep.cancel()

    def wake(self) -> None:
        """End the sleep."""
        self.wake_before(-math.inf)
