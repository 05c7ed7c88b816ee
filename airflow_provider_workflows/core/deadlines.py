# SPDX-License-Identifier: Apache-2.0
"""
Decide when a wait is late, given the state that its execution is in; worker, operator and poller ask here.

Deadlines are epoch seconds, because they go along through worker, trigger and resume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """
    Say by which parameter a wait is late.

    :param seconds: its value.
    :param deadline: epoch seconds; ``None`` where only Airflow knows.
    """

    parameter: str
    seconds: float
    deadline: float | None = None

    @property
    def began(self) -> float | None:
        """Return the epoch seconds from which it is counted."""
        return None if self.deadline is None else self.deadline - self.seconds


@dataclass(frozen=True, slots=True)
class Deadlines:
    """
    Hold by when an execution must have ended, and by when it must have left the queue.

    The second counts for an execution that is known to be QUEUED, and for no other: not for one that nobody has
    looked at yet, and not for one that has started, however late.

    :param deadline: epoch seconds; ``None`` for no limit.
    :param queued_deadline: epoch seconds; ``None`` for no limit.
    :param since: the epoch seconds from which both are counted; ``None`` where that is not known.
    """

    deadline: float | None = None
    queued_deadline: float | None = None
    since: float | None = None

    def limit(self, parameter: str, seconds: float, deadline: float | None) -> Limit:
        """
        Return the limit of a deadline of these.

        :param seconds: the parameter's value, which may have been edited since the deadline was made of it.
        """
        if deadline is not None and self.since is not None:
            seconds = deadline - self.since
        return Limit(parameter, seconds, deadline)

    def left(self, state: str | None, now: float) -> float:
        """Return the seconds that an execution in this state has left: infinite, or not positive when it is late."""
        ends = (self.deadline, self.queued_deadline if state == "QUEUED" else None)
        return min((end - now for end in ends if end is not None), default=math.inf)

    def passed(self, state: str | None, now: float) -> bool:
        """Tell whether an execution in this state is late."""
        return self.left(state, now) <= 0

    def is_of_queue(self, state: str | None) -> bool:
        """Tell whether it is the queue's deadline by which an execution in this state is late first."""
        if state != "QUEUED" or self.queued_deadline is None:
            return False
        return self.deadline is None or self.queued_deadline <= self.deadline

    def until_next(self, now: float) -> float:
        """Return the seconds until a deadline passes, whether or not it will count by then; infinite after the last."""
        ahead = (end - now for end in (self.deadline, self.queued_deadline) if end is not None and end > now)
        return min(ahead, default=math.inf)


NO_DEADLINES = Deadlines()
