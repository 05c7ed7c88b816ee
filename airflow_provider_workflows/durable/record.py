# SPDX-License-Identifier: Apache-2.0
"""
Remember from try to try what a task has created: one small value in Airflow's task state store (3.3 and later).

Written before each request, without an execution, and again with the answer. So a record without an execution says
that a create was sent and nobody lived to see the answer. One that surely made nothing is withdrawn.

A write is also the question whether the task is still this try's: Airflow refuses those of a try that it has given up
with 404, because the task instance is another one by then. It answers a *read* of such a try as if nothing were stored.

The store outlives versions of this package, and anybody can write to it: what it holds is checked when it is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.durable.identity import ATTEMPT, GENERATION, KEY, label_of

#: The name of the record in the store.
RECORD_KEY = "workflow_execution"
_ABSENT = "workflow_execution_probe"


class Store(Protocol):
    """Keep small values of a task from try to try: Airflow's task state store."""

    def get(self, key: str) -> Any:
        """Return the value, ``None`` where there is none."""

    def set(self, key: str, value: Any) -> None:
        """Write the value down."""

    def delete(self, key: str) -> None:
        """Forget the value; one that is not there is no error."""


def is_taken_over(refusal: Exception) -> bool:
    """Tell whether Airflow refused a write because another try has this task."""
    detail = getattr(getattr(refusal, "error", None), "detail", None)
    return isinstance(detail, dict) and detail.get("status_code") == 404


def check_not_taken_over(store: Store | None) -> None:
    """
    Ask whether the task is still this try's, with the one write that changes nothing.

    :raises Exception: Airflow's own refusal, where another try has the task; not where there is no clear answer.
    """
    try:
        if store is not None:
            store.delete(_ABSENT)
    except Exception as exc:
        if is_taken_over(exc):
            raise


@dataclass(frozen=True)
class Record:
    """
    Say which create a try has sent, and what came of it.

    :param execution_id: the execution; ``None`` while the create has no answer.
    :param key: hash of the task instance with what it creates, as in the execution's label.
    :param generation: after which clear of the task it was sent.
    :param since: epoch seconds when the create was sent; waiting counts from here.
    :param attempt: which single request, as in the execution's label; ``None`` in what older versions wrote.
    """

    workflow: WorkflowName
    execution_id: str | None
    key: str
    generation: int
    since: float
    attempt: str | None = None

    @classmethod
    def read(cls, store: Store | None) -> Record | None:
        """Return the record in a store; ``None`` where there is none, and for anything that is not one."""
        value = store.get(RECORD_KEY) if store is not None else None
        try:
            return cls._checked(value) if isinstance(value, Mapping) else None
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    @classmethod
    def _checked(cls, value: Mapping[str, Any]) -> Record:
        """Make a record of a stored value, or raise whatever a wrong one leads to."""
        record = cls(
            workflow=_workflow_named(value["workflow"]),
            execution_id=value["execution_id"],
            key=value["key"],
            generation=value["generation"],
            since=value["since"],
            attempt=value.get("attempt"),
        )
        texts = isinstance(record.key, str) and isinstance(record.attempt, (str, type(None)))
        if not (texts and isinstance(record.generation, int) and math.isfinite(record.since)):
            raise ValueError("not a record")
        _ = record.name  # checks the execution's id
        return record

    def write(self, store: Store | None) -> None:
        """Write the record down in place of the one before, where there is a store."""
        if store is None:
            return
        value = {
            "execution_id": self.execution_id,
            "workflow": str(self.workflow),
            "key": self.key,
            "generation": self.generation,
            "since": self.since,
            "attempt": self.attempt,
        }
        store.set(RECORD_KEY, value)

    @property
    def name(self) -> ExecutionName | None:
        """Return the execution's full name, which may be of another workflow than the task creates now."""
        return None if self.execution_id is None else self.workflow.execution(self.execution_id)

    @property
    def is_unanswered(self) -> bool:
        """Tell whether a create was sent whose answer nobody saw."""
        return self.execution_id is None

    def is_of(self, execution: Execution) -> bool:
        """Tell whether an execution is what the recorded request made; any is, where the record does not say which."""
        return self.attempt is None or label_of(execution, ATTEMPT) == self.attempt

    def labelled(self, execution: Execution) -> Execution:
        """Return the recorded execution with the labels to choose by: on v1beta it has none of its own."""
        labels = {KEY: self.key, GENERATION: str(self.generation)}
        return {**execution, "labels": {**execution.get("labels", {}), **labels}}


def _workflow_named(name: str) -> WorkflowName:
    """Return the workflow of a resource name; ``ValueError`` or ``TypeError`` for anything else."""
    _, project, _, location, _, workflow = str(name).split("/")
    return WorkflowName(project, location, workflow)
