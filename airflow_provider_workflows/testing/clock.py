# SPDX-License-Identifier: Apache-2.0
"""Tell the emulator what time it is: the system's clock, or one that a test moves by hand."""

from __future__ import annotations

import threading
import time
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """Anything with a `time()`; a virtual-time event loop can be wrapped in three lines."""

    def time(self) -> float:
        """Return the current time in epoch seconds."""
        ...


class SystemClock:
    """Follow the machine's clock."""

    def time(self) -> float:
        """Return the current time in epoch seconds."""
        return time.time()


class ManualClock:
    """Stand still until a test calls `advance`; safe to share between threads.

    :param start: the first reading in epoch seconds. The default, 2026-01-01T00:00:00Z, makes
        timestamps in failed assertions easy to read.
    """

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = float(start)
        self._lock = threading.Lock()

    def time(self) -> float:
        """Return the current time in epoch seconds."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward.

        :raises ValueError: `seconds` is negative; an execution cannot un-happen.
        """
        if seconds < 0:
            raise ValueError(f"seconds must not be negative, got {seconds}")
        with self._lock:
            self._now += seconds
