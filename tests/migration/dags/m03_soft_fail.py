# SPDX-License-Identifier: Apache-2.0
"""A sensor that gives up softly, and what runs whatever became of it."""

from datetime import datetime

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
)
from airflow.providers.google.cloud.sensors.workflows import WorkflowExecutionSensor

PLACE = {"project_id": "test-project", "location": "us-central1"}

with DAG(dag_id="m03_soft_fail", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    create = WorkflowsCreateExecutionOperator(
        task_id="create", workflow_id="forever", execution={"argument": "{}"}, **PLACE
    )
    execution_id = "{{ task_instance.xcom_pull('create', key='execution_id') }}"
    wait = WorkflowExecutionSensor(
        task_id="wait",
        workflow_id="forever",
        execution_id=execution_id,
        soft_fail=True,
        poke_interval=1,
        timeout=2,
        **PLACE,
    )
    cancel = WorkflowsCancelExecutionOperator(
        task_id="cancel", workflow_id="forever", execution_id=execution_id, trigger_rule="all_done", **PLACE
    )
    create >> wait >> cancel
