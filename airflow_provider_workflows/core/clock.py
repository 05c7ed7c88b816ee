# SPDX-License-Identifier: Apache-2.0
"""Give time as a parameter: whoever waits or looks at the time takes a :class:`Clock`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    """Call off what was to be called later."""

    def cancel(self) -> None:
        """Call it off."""


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

    def call_later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call something on the running event loop after that long, unless the timer is cancelled before."""
        return asyncio.get_running_loop().call_later(seconds, callback, *args)


SYSTEM_CLOCK = Clock()
