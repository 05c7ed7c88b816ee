# SPDX-License-Identifier: Apache-2.0
"""Give time as a parameter: whoever waits or looks at the time takes a :class:`Clock`."""

from __future__ import annotations

import asyncio
import time
from typing import Any


class Clock:
    """
    Tell the time and sleep for real; tests pass a subclass that moves by itself.

    ``time`` is epoch seconds, because deadlines cross processes; ``monotonic`` is for spans inside one process.
    """

    def time(self) -> float:
        """Return the time in epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for that long."""
        time.sleep(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """Let other tasks of the event loop go on for that long."""
        await asyncio.sleep(seconds)

    async def wait(self, task: asyncio.Future[Any], seconds: float | None) -> None:
        """Wait until a task is done, or for that long; it is not cancelled."""
        await asyncio.wait({task}, timeout=seconds)


SYSTEM_CLOCK = Clock()
