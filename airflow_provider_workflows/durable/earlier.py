# SPDX-License-Identifier: Apache-2.0
"""Look back at what earlier tries of a task created: the recorded execution first, then what the labels find."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_workflows.core.execution import Execution, execution_id_of, is_ended
from airflow_provider_workflows.durable.choice import Choice
from airflow_provider_workflows.durable.identity import TaskIdentity
from airflow_provider_workflows.durable.record import Record
from airflow_provider_workflows.durable.search import TaskSearch
from airflow_provider_workflows.exceptions import ExecutionNotFound

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import WorkflowsClient


@dataclass(frozen=True)
class EarlierTries:
    """
    Find what the tries before this one left.

    :param identity: the task instance, with the number of this try.
    :param record: what the last of them wrote down.
    :param search: finds executions by label; ``None`` where they have no labels (v1beta).
    """

    client: WorkflowsClient
    identity: TaskIdentity
    record: Record | None
    search: TaskSearch | None

    @property
    def may_exist(self) -> bool:
        """Tell whether there can have been any: a record also outlives the count of tries."""
        return self.identity.try_number > 1 or self.record is not None

    def choose(self, decide: Callable[[Iterable[Execution]], Choice]) -> Choice:
        """Decide on the recorded execution; only when it is none to go on with, search for others."""
        recorded = self._recorded()
        choice = decide(recorded)
        if choice.attach is not None:
            return choice
        # Also beside a recorded one: an earlier try may have died between its create and the record.
        unanswered_since = self.record.unanswered_since if self.record is not None else None
        return decide([*recorded, *self._searched(recorded, unanswered_since)])

    def still_going(self) -> list[Execution]:
        """Find what they left going; for whoever is killed while it looks back and has attached to nothing."""
        if not self.may_exist:
            return []
        recorded = self._recorded()
        return [each for each in [*recorded, *self._searched(recorded)] if not is_ended(each.get("state"))]

    def _recorded(self) -> list[Execution]:
        """Get the recorded execution, if there is one and it still exists."""
        if self.record is None or self.record.name is None:
            return []
        try:
            return [self.record.labelled(self.client.get(self.record.name))]
        except ExecutionNotFound:
            return []

    def _searched(self, recorded: Iterable[Execution], unanswered_since: float | None = None) -> list[Execution]:
        """Find by label what is not the recorded execution."""
        if self.search is None:
            return []
        known = {execution_id_of(each) for each in recorded}
        found = self.search.of_any_try(unanswered_since=unanswered_since)
        return [each for each in found if execution_id_of(each) not in known]
