# SPDX-License-Identifier: Apache-2.0
"""
Say which task instance an execution belongs to: its hashes, and the labels that carry them.

Pure. :mod:`airflow_provider_workflows.durable.create` says why.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.core.labels import MAX_LABELS, label_text
from airflow_provider_workflows.core.names import WorkflowName

TASK_KEY = "airflow-task-key"
KEY = "airflow-key"
GENERATION = "airflow-generation"
TRY_NUMBER = "airflow-try-number"
ATTEMPT = "airflow-attempt"


@dataclass(frozen=True)
class TaskIdentity:
    """
    Say which task instance creates, and for the how-manyth time.

    :param generation: how many tries had been used up when the task was last cleared; 0 if it never was.
    :param began_at: epoch seconds before which nothing of this task instance can have been created.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    generation: int
    began_at: float

    @property
    def key(self) -> str:
        """Return the hash that all creates of this task instance share."""
        return _digest([self.dag_id, self.run_id, self.task_id, self.map_index])

    def labels(self, fingerprint: str, attempt: str) -> dict[str, str]:
        """Return the labels of one attempt: readable ones for people, hashes to find it by."""
        return {
            "airflow-dag-id": label_text(self.dag_id),
            "airflow-task-id": label_text(self.task_id),
            "airflow-run-id": label_text(self.run_id),
            "airflow-map-index": label_text(str(self.map_index)),
            TRY_NUMBER: str(self.try_number),
            TASK_KEY: self.key,
            KEY: self.create_key(fingerprint),
            GENERATION: str(self.generation),
            ATTEMPT: attempt,
        }

    def is_before(self, execution: Execution) -> bool:
        """Tell whether a later try of this task instance has made an execution: it has this task now."""
        label = label_of(execution, TRY_NUMBER) or ""
        return label.isdecimal() and int(label) > self.try_number

    def create_key(self, fingerprint: str) -> str:
        """Return the hash of this task instance with what it creates: another argument is another execution."""
        return _digest([self.key, fingerprint])


def _digest(parts: Sequence[Any]) -> str:
    """Hash to 40 hex digits, which are valid in a label."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:40]


def fingerprint_of(workflow: WorkflowName, body: Mapping[str, Any]) -> str:
    """Hash what is created: the workflow and everything that is sent."""
    return _digest([str(workflow), dict(body)])


def label_of(execution: Execution, key: str) -> str | None:
    """Return a label of an execution, ``None`` where it has none of that name."""
    return (execution.get("labels") or {}).get(key)


def check_room_for_labels(labels: Mapping[str, Any]) -> None:
    """
    Check that the user's labels leave room for those that make a create durable, and do not use their names.

    :raises ValueError: naming the label or the number that is left.
    """
    identity = TaskIdentity("", "", "", -1, 1, 0, 0.0)
    own = identity.labels("", "")
    for name in own:
        if name in labels:
            raise ValueError(f"labels: the key {name!r} is set by durable=True. Rename it, or use durable=False.")
    if len(labels) + len(own) > MAX_LABELS:
        raise ValueError(
            f"labels has {len(labels)} entries; durable=True adds {len(own)}, and an execution can have "
            f"{MAX_LABELS}. Leave out {len(labels) + len(own) - MAX_LABELS}, or use durable=False."
        )
