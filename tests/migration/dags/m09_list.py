# SPDX-License-Identifier: Apache-2.0
"""List what began lately, and work on it."""

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow.decorators import task
from airflow.providers.google.cloud.operators.workflows import (
    WorkflowsCreateExecutionOperator,
    WorkflowsListExecutionsOperator,
)

PLACE = {"project_id": "test-project", "location": "us-central1"}

with DAG(dag_id="m09_list", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    create = WorkflowsCreateExecutionOperator(
        task_id="create", workflow_id="echo", execution={"argument": '"m09"'}, **PLACE
    )
    recent = WorkflowsListExecutionsOperator(
        task_id="recent",
        workflow_id="echo",
        start_date_filter=datetime.now(tz=timezone.utc) - timedelta(hours=6),
        **PLACE,
    )

    @task
    def count(executions: list[dict], execution_id: str) -> int:
        names = [execution["name"] for execution in executions]
        assert any(name.endswith(execution_id) for name in names)
        return len(names)

    create >> recent
    count(recent.output, create.output["execution_id"])
