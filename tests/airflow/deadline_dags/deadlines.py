# SPDX-License-Identifier: Apache-2.0
"""Give `test_late_tasks.py` tasks that wait for ever, but for their deadline."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor

SECONDS = 12
CREATE: dict[str, Any] = {"workflow_id": "forever", "deferrable": True, "poll_interval": 1}

with DAG("late_create", schedule=None, catchup=False):
    WorkflowsCreateExecutionOperator(
        task_id="late", wait_for_completion=True, execution_timeout=timedelta(seconds=SECONDS), **CREATE
    )

with DAG("late_sensor", schedule=None, catchup=False):
    create = WorkflowsCreateExecutionOperator(task_id="create", **CREATE)
    create >> WorkflowExecutionSensor(
        task_id="late",
        workflow_id="forever",
        execution_id="{{ ti.xcom_pull(task_ids='create', key='execution_id') }}",
        deferrable=True,
        poke_interval=1,
        timeout=SECONDS,
    )
