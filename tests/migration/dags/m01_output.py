# SPDX-License-Identifier: Apache-2.0
"""Create and wait, with the id from ``.output``, JSON text as argument and everything shared in default_args."""

from datetime import datetime

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import (
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
)
from airflow.providers.google.cloud.sensors.workflows import WorkflowExecutionSensor

with DAG(
    dag_id="m01_output",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"project_id": "test-project", "location": "us-central1", "gcp_conn_id": "google_cloud_default"},
):
    create = WorkflowsCreateExecutionOperator(
        task_id="create", workflow_id="sleep", execution={"argument": '{"seconds": 1, "result": "{{ ds }}"}'}
    )
    wait = WorkflowExecutionSensor(
        task_id="wait", workflow_id="sleep", execution_id=create.output["execution_id"], poke_interval=1
    )
    get = WorkflowsGetExecutionOperator(task_id="get", workflow_id="sleep", execution_id=create.output["execution_id"])
    create >> wait >> get
