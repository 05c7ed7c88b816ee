# SPDX-License-Identifier: Apache-2.0
"""End a task's process in the middle of its work."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness import AdvancingClock, TaskRun


class Killed(BaseException):
    """Stand for the end of a task's process: nothing of the task's own code runs after it."""


def killing(run: TaskRun, clock: AdvancingClock, before: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Return what kills a task, after doing something, and ends its process."""

    def kill() -> None:
        clock.forget()
        before()
        run.kill()
        raise Killed

    return kill
