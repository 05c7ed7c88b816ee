# SPDX-License-Identifier: Apache-2.0
"""
Notice that a later try has taken over this task, where Airflow has no store that would refuse a write (below 3.3).

A try that a pause or a frozen machine has held may have been given up. Then a later one has looked, found nothing and
made an execution of its own, which its label tells (v1).
"""

from __future__ import annotations

from typing import Any

from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.messages import retries
from airflow_provider_workflows.durable.identity import TaskIdentity
from airflow_provider_workflows.durable.search import TaskSearch
from airflow_provider_workflows.exceptions import WorkflowsError

#: Seconds for which nobody is asked again. Airflow gives a try up after more than these without a heartbeat.
SURE = 15.0


class LaterTries:
    """
    Look for executions of later tries; begins when it is certain that there are none.

    :param clock: its time of day goes on while a machine stands still.
    :param identity: the task instance, with the number of this try.
    :param log: the task's log.
    """

    def __init__(self, clock: Clock, identity: TaskIdentity, log: Any) -> None:
        self._clock = clock
        self._identity = identity
        self._log = log
        self._sure_at = clock.time()

    def check(self, search: TaskSearch) -> None:
        """
        Look, if some time has passed since the last look.

        :raises WorkflowsError: where a later try has made an execution; not where that cannot be told.
        """
        now = self._clock.time()
        if now - self._sure_at < SURE:
            return
        try:
            found = search.of_any_try()
        except WorkflowsError as exc:
            self._log.warning(retries.later_try_unknown(exc))
            return
        self._sure_at = now
        if any(map(self._identity.is_before, found)):
            raise WorkflowsError(retries.taken_over())
