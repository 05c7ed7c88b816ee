# SPDX-License-Identifier: Apache-2.0
"""Give `test_kills.py` tasks to kill: one task for each kill, so that all of them wait at the same time."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator


class DeadlyRecord:
    """Kill this process, as the machine's failing would, when the execution's id is to be written down."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, key: str, *args: Any) -> Any:
        """Read as usual."""
        return self._store.get(key, *args)

    def set(self, key: str, value: Any, **kwargs: Any) -> None:
        """Write as usual, unless it is the answer to a create."""
        if isinstance(value, dict) and value.get("execution_id"):
            os.kill(os.getpid(), signal.SIGKILL)
        self._store.set(key, value, **kwargs)


class DiesBeforePersisting(WorkflowsCreateExecutionOperator):
    """Die in the first try after the create was answered and before anything was written down about it."""

    def execute(self, context: Any) -> Any:
        """Execute with a record that kills."""
        if context["ti"].try_number == 1:
            context["task_state_store"] = DeadlyRecord(context["task_state_store"])
        return super().execute(context)


WAITS: dict[str, Any] = {
    "workflow_id": "forever",
    "wait_for_completion": True,
    "poll_interval": 0.5,
    "retries": 3,
    "retry_delay": timedelta(seconds=0.1),
}

with DAG("kills", schedule=None):
    WorkflowsCreateExecutionOperator(task_id="unanswered", deferrable=True, **WAITS)
    DiesBeforePersisting(task_id="unpersisted", deferrable=True, **WAITS)
    WorkflowsCreateExecutionOperator(task_id="worker", deferrable=False, **WAITS)
    WorkflowsCreateExecutionOperator(task_id="triggerer", deferrable=True, **WAITS)
    WorkflowsCreateExecutionOperator(task_id="marked_in_worker", deferrable=False, **WAITS)
    WorkflowsCreateExecutionOperator(task_id="cleared_in_worker", deferrable=False, **WAITS)
    WorkflowsCreateExecutionOperator(task_id="marked_failed", deferrable=True, **WAITS)
    WorkflowsCreateExecutionOperator(task_id="marked_success", deferrable=True, **WAITS)
    WorkflowsCreateExecutionOperator(task_id="cleared", deferrable=True, **WAITS)

with DAG("kills_run", schedule=None):
    WorkflowsCreateExecutionOperator(task_id="failed_run", deferrable=True, **WAITS)
