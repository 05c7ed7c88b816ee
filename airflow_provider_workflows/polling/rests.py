# SPDX-License-Identifier: Apache-2.0
"""
Decide for how long to rest after failures. Time is a parameter; the poller acts on it.

Openings and lists fail for different reasons and each have a rest of their own, so that old failures of the one do
not make a single failure of the other expensive.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from airflow_provider_workflows.api.retrying import LONGEST_RETRY_AFTER, backoff

#: After so many failures in a row, lists rest and gets go on without them.
LIST_FAILURES = 3
#: Seconds for which lists rest after one was not found or not permitted.
LIST_REST = 60.0


class Rest:
    """
    Rest longer after each failure in a row, or for as long as the service asks, up to five minutes.

    :ivar until: when it is over.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self.until = 0.0
        self.failures = 0
        self._jitter = jitter

    def failed(self, error: Exception, now: float) -> float:
        """Begin a rest; return its seconds."""
        self.failures += 1
        asked = min(getattr(error, "retry_after", None) or 0.0, LONGEST_RETRY_AFTER)
        pause = max(asked, backoff(self.failures, self._jitter))
        self.until = now + pause
        return pause

    def went_well(self) -> None:
        """Begin anew: the next failure is a first one."""
        self.failures = 0


class ListRest:
    """
    Rest after lists that failed: everybody at first, since gets would hardly fare better; then lists alone.

    :ivar everybody_until: until when nothing is looked at.
    :ivar lists_until: until when gets do without lists.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self.everybody_until = 0.0
        self.lists_until = 0.0
        self._rest = Rest(jitter)

    def failed(self, error: Exception, now: float) -> float:
        """Begin a rest of everybody, or from the third failure in a row on of lists; return its seconds."""
        pause = self._rest.failed(error, now)
        if self._rest.failures < LIST_FAILURES:
            self.everybody_until = now + pause
        else:
            self.lists_until = now + pause
        return pause

    def leave_it_to_gets(self, now: float) -> None:
        """Begin a rest of lists, because they are not for us."""
        self.lists_until = now + LIST_REST

    def went_well(self) -> None:
        """Begin anew: the next failure is a first one."""
        self._rest.went_well()
