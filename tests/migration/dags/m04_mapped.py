# SPDX-License-Identifier: Apache-2.0
"""One execution for each item, and a sensor for each."""

from datetime import datetime

from airflow import DAG
from airflow.decorators import task
from airflow.providers.google.cloud.operators.workflows import WorkflowsCreateExecutionOperator
from airflow.providers.google.cloud.sensors.workflows import WorkflowExecutionSensor
from google.api_core.retry import Retry

with DAG(dag_id="m04_mapped", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):

    @task
    def requests() -> list[dict]:
        return [{"argument": {"seconds": 1, "result": number}} for number in (1, 2, 3)]

    @task
    def ids(executions: list[dict]) -> list[str]:
        return [execution["name"].split("/")[-1] for execution in executions]

    create = WorkflowsCreateExecutionOperator.partial(
        task_id="create",
        workflow_id="sleep",
        location="us-central1",
        project_id="test-project",
        retry=Retry(),
        timeout=30.0,
        metadata=(),
    ).expand(execution=requests())
    WorkflowExecutionSensor.partial(
        task_id="wait",
        workflow_id="sleep",
        location="us-central1",
        project_id="test-project",
        poke_interval=1,
        request_timeout=30.0,
    ).expand(execution_id=ids(create.output))
