# SPDX-License-Identifier: Apache-2.0
"""
Find the executions of one task instance by their labels.

**How.** The syntax of label filters is not confirmed for this service. So a filter is only trusted when it finds
something; when it is refused or finds nothing, the newest executions are read with their labels and compared here.

**How far back.** One rule: to the moment before which nobody whose creates are looked for can have sent one, less
:data:`LOOK_BACK_MARGIN`. That moment is

* for this try's own creates: when this try began;
* for those of any try: when the DAG run began. After a clear there is none, because clearing a task of a finished
  run moves the run's beginning, and what is to be stopped is older. Then :data:`MAX_SCANNED` is the only end.

**How long.** How soon a list shows a new execution is not documented; :data:`SETTLE` says for how long one that is
not there yet is looked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.core.execution import Execution, started_at
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.durable.identity import ATTEMPT, TASK_KEY, TaskIdentity, label_of
from airflow_provider_workflows.exceptions import WorkflowsApiError

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import WorkflowsClient

#: Seconds before each look for an execution whose create got no clear answer. A request may be on its way, or taken
#: and not listed yet; nothing is documented, so the looks reach well over the time of a slow request.
SETTLE = (1.0, 2.0, 4.0, 8.0)
#: Executions that began so many seconds too early still count: the service's clock and Airflow's differ.
LOOK_BACK_MARGIN = 120.0
#: Executions read at most where no filter helps: 20 FULL pages.
MAX_SCANNED = 2000


class TaskSearch:
    """
    Search a workflow for the executions of a task instance; for one try, which begins when this is made. v1 only.

    :param client: talks to the API; its clock is the one waited on.
    :param identity: the task instance.
    :param log: the task's log.
    """

    def __init__(self, client: WorkflowsClient, workflow: WorkflowName, identity: TaskIdentity, log: Any) -> None:
        self._client = client
        self._workflow = workflow
        self._task_key = identity.key
        self._log = log
        self._try_began = client.clock.time()
        self._task_began = 0.0 if identity.generation else identity.began_at

    def of_any_try(self, *, unanswered_since: float | None = None) -> list[Execution]:
        """
        Find what any try made; look again where a create that was sent a moment ago may not be listed yet.

        :param unanswered_since: epoch seconds of a create whose answer nobody saw; ``None`` where there is none.
        """
        found = self._find(self._task_began)
        left = 0.0 if unanswered_since is None else unanswered_since + sum(SETTLE) - self._client.clock.time()
        if found or left <= 0:
            return found
        self._client.clock.sleep(left)
        return self._find(self._task_began)

    def of_attempts(self, attempts: Collection[str]) -> list[Execution]:
        """Find what these single requests of this try made."""
        return [each for each in self._find(self._try_began) if label_of(each, ATTEMPT) in attempts]

    def settle(self, attempt: str) -> Execution | None:
        """Look for what a request of this try made, until it is found or surely was never made."""
        for pause in SETTLE:
            self._client.clock.sleep(pause)
            found = self.of_attempts((attempt,))
            if found:
                return found[0]
        return None

    def _find(self, began: float) -> list[Execution]:
        """Find what was created since then: through the filter, or else by reading the newest."""
        return self._filtered() or list(self._mine(self._newest(began - LOOK_BACK_MARGIN)))

    def _filtered(self) -> list[Execution]:
        query = f'labels.{TASK_KEY}="{self._task_key}"'
        try:
            return list(self._mine(self._client.list(self._workflow, view="FULL", filter=query)))
        except WorkflowsApiError as exc:
            if exc.status_code != 400:
                raise
            self._log.info("The service refused the label filter: comparing labels here.")
            return []

    def _mine(self, executions: Iterable[Execution]) -> Iterator[Execution]:
        return (each for each in executions if label_of(each, TASK_KEY) == self._task_key)

    def _newest(self, since: float) -> Iterator[Execution]:
        """Read the newest executions, whosever they are, back to a moment or to the bound."""
        oldest = datetime.fromtimestamp(since, timezone.utc)
        for number, execution in enumerate(self._client.list(self._workflow, view="FULL")):
            if started_at(execution) < oldest:
                return
            if number >= MAX_SCANNED:
                self._log.warning(
                    "Looked through the newest %d executions of %s without an end.", MAX_SCANNED, self._workflow
                )
                return
            yield execution
