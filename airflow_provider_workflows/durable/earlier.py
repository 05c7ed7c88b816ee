# SPDX-License-Identifier: Apache-2.0
"""Look back at what earlier tries of a task created: the recorded execution, and what the labels find beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.looking import SHORTEST_INTERVAL, is_passing, wait_after_error
from airflow_provider_workflows.core.execution import Execution, execution_id_of, is_ended
from airflow_provider_workflows.core.messages import retries
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.durable.choice import Choice
from airflow_provider_workflows.durable.identity import TaskIdentity
from airflow_provider_workflows.durable.record import Record
from airflow_provider_workflows.durable.search import TaskSearch
from airflow_provider_workflows.exceptions import ExecutionNotFound, WorkflowsError

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import WorkflowsClient


@dataclass(frozen=True)
class EarlierTries:
    """
    Find what the tries before this one left.

    :param identity: the task instance, with the number of this try.
    :param record: what the last of them wrote down.
    :param search: finds executions by label; ``None`` where they have no labels (v1beta).
    :param log: the task's log.
    """

    client: WorkflowsClient
    identity: TaskIdentity
    record: Record | None
    search: TaskSearch | None
    log: Any

    @property
    def may_exist(self) -> bool:
        """Tell whether there can have been any: a record also outlives the count of tries."""
        return self.identity.try_number > 1 or self.record is not None

    def choose(self, decide: Callable[[Iterable[Execution]], Choice]) -> Choice:
        """
        Decide on the recorded execution and on what is found beside it.

        An earlier try may have died, or lost the task, between its create and the record. What is recorded is enough
        to go on with where looking fails.
        """
        recorded = self._recorded(self._awaited)
        try:
            return decide([*recorded, *self._beside(recorded, self.record)])
        except WorkflowsError as exc:
            choice = decide(recorded)
            if choice.attach is None:
                raise
            if self.record is not None:
                self.log.warning(retries.others_unknown(self.record.workflow, exc))
            return choice

    def within(self, seconds: float, client: WorkflowsClient) -> EarlierTries:
        """Return the same for what must be over in a bounded time."""
        search = self.search and self.search.within(seconds, client)
        return replace(self, client=client.within(seconds), search=search)

    def still_going(self) -> list[Execution]:
        """Find what they left going; for whoever is killed while it looks back and has attached to nothing."""
        if not self.may_exist:
            return []
        recorded = self._recorded(self.client.get)
        return [each for each in [*recorded, *self._beside(recorded)] if not is_ended(each.get("state"))]

    def _recorded(self, get: Callable[[ExecutionName], Execution]) -> list[Execution]:
        """Get the recorded execution, if there is one and it still exists."""
        if self.record is None or self.record.name is None:
            return []
        try:
            return [self.record.labelled(get(self.record.name))]
        except ExecutionNotFound:
            return []

    def _awaited(self, name: ExecutionName) -> Execution:
        """Get an execution that may not be found yet; a 404 is believed when it was waited out, as in every wait."""
        clock, failures = self.client.clock, 0
        began = clock.monotonic()
        while True:
            try:
                return self.client.get(name)
            except ExecutionNotFound as exc:
                waited, failures = clock.monotonic() - began, failures + 1
                if not is_passing(exc, waited):
                    raise
                pause = wait_after_error(exc, failures, SHORTEST_INTERVAL, waited)
                self.log.warning(retries.not_found_yet(name, pause))
            clock.sleep(pause)

    def _beside(self, recorded: Iterable[Execution], record: Record | None = None) -> list[Execution]:
        """
        Find by label what is not the recorded execution.

        :param record: where it has no answer, what it may have made is waited for.
        """
        if self.search is None:
            return []
        known = {execution_id_of(each) for each in recorded}
        awaited = record.is_of if record is not None and record.is_unanswered else None
        return [each for each in self.search.of_any_try(awaited) if execution_id_of(each) not in known]
