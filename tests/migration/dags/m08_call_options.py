# SPDX-License-Identifier: Apache-2.0
"""Options of Google's client libraries, in the operators and in default_args."""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import (
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
)
from airflow.providers.google.cloud.sensors.workflows import WorkflowExecutionSensor
from google.api_core.retry import Retry

with DAG(
    dag_id="m08_call_options",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={
        "project_id": "test-project",
        "location": "us-central1",
        "retry": Retry(initial=1.0, maximum=10.0, multiplier=2.0),
        "metadata": [("x-goog-request-params", "a=b")],
        "retries": 1,
        "retry_delay": timedelta(seconds=1),
    },
):
    create = WorkflowsCreateExecutionOperator(
        task_id="create", workflow_id="sleep", execution={"argument": '{"seconds": 1}'}, timeout=60.0
    )
    wait = WorkflowExecutionSensor(
        task_id="wait",
        workflow_id="sleep",
        execution_id=create.output["execution_id"],
        request_timeout=10.0,
        timeout=60,
        poke_interval=1,
    )
    get = WorkflowsGetExecutionOperator(
        task_id="get", workflow_id="sleep", execution_id=create.output["execution_id"], timeout=5
    )
    create >> wait >> get
