# SPDX-License-Identifier: Apache-2.0
"""Let only so many executions of a project and location go on at once; the others are QUEUED.

There is no background task: whoever looks first calls `settle`, which begins queued executions at the times
when others ended.
"""

from __future__ import annotations

import math
from collections import deque

from airflow_provider_workflows.testing.errors import ApiError, error_info
from airflow_provider_workflows.testing.execution import Execution


class Region:
    """The executions of one project and location that are going on or queued."""

    def __init__(self) -> None:
        self._active: list[Execution] = []
        self._queue: deque[Execution] = deque()

    def check_room(self, *, may_queue: bool, limit: int, backlog: int | None) -> None:
        """Check that one more execution can be taken; call `settle` first.

        :raises ApiError: 429, the limit is reached and it may not queue, or the backlog is full.
        """
        if len(self._active) < limit and not self._queue:
            return
        if may_queue and (backlog is None or len(self._queue) < backlog):
            return
        raise ApiError(429, "Too many requests", details=[error_info("RATE_LIMIT_EXCEEDED")])

    def add(self, execution: Execution) -> None:
        """Queue an execution; `settle` has it begin when there is room, perhaps at once."""
        self._queue.append(execution)

    def settle(self, now: int, limit: int) -> None:
        """Begin what has room by `now`, each at the time when its room became free."""
        room_since = 0
        while self._queue:
            execution = self._queue[0]
            if execution.ended(now) or execution.begun is not None:
                self._queue.popleft()  # cancelled, or set by a test, while it was queued
            elif len(self._active) < limit:
                self._queue.popleft()
                execution.begin(max(execution.created, room_since))
                self._active.append(execution)
            else:
                first = min(self._active, key=_end, default=None)
                if first is None or _end(first) > now:
                    return
                self._active.remove(first)
                room_since = int(_end(first))
        self._active = [execution for execution in self._active if _end(execution) > now]


def _end(execution: Execution) -> float:
    ending = execution.ending()
    return math.inf if ending is None else ending.at
