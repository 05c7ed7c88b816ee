# SPDX-License-Identifier: Apache-2.0
"""Give the browser runs to look at: one that succeeds, and one for each way in which a user meets trouble."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import Any

try:
    from airflow.sdk import DAG, get_current_context
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.python import get_current_context

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator


class MachineLost(WorkflowsCreateExecutionOperator):
    """Lose the worker's machine in the first try, when the execution has long been created."""

    def trigger(self, *args: Any, **kwargs: Any) -> Any:
        """Make the trigger to defer with, but die instead in the first try."""
        if get_current_context()["ti"].try_number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().trigger(*args, **kwargs)


CHARGE: dict[str, Any] = {
    "task_id": "charge",
    "argument": {"order": "{{ dag.dag_id }}-7", "amount": 42},
    "wait_for_completion": True,
    "deferrable": True,
    "poll_interval": 1,
}
SHORT: dict[str, Any] = {"execution_timeout": timedelta(seconds=20)}

with DAG("order_paid", schedule=None, catchup=False):
    WorkflowsCreateExecutionOperator(workflow_id="charge-order", **CHARGE)

with DAG("order_declined", schedule=None, catchup=False):
    WorkflowsCreateExecutionOperator(workflow_id="charge-declined", **CHARGE)

with DAG("order_late", schedule=None, catchup=False):
    WorkflowsCreateExecutionOperator(workflow_id="charge-on-approval", **SHORT, **CHARGE)

with DAG("order_stopped", schedule=None, catchup=False):
    WorkflowsCreateExecutionOperator(workflow_id="charge-on-approval", **CHARGE)

with DAG("order_retried", schedule=None, catchup=False):
    MachineLost(workflow_id="ship-order", retries=1, retry_delay=timedelta(seconds=1), **CHARGE)
