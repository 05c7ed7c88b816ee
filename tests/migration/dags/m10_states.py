# SPDX-License-Identifier: Apache-2.0
"""States by their numbers, an empty set of them, and a sensor that is rescheduled."""

from datetime import datetime

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
)
from airflow.providers.google.cloud.sensors.workflows import WorkflowExecutionSensor

PLACE = {"project_id": "test-project", "location": "us-central1"}
ACTIVE, SUCCEEDED, FAILED, CANCELLED = 1, 2, 3, 4

with DAG(dag_id="m10_states", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    create = WorkflowsCreateExecutionOperator(
        task_id="create", workflow_id="forever", execution={"argument": "{}"}, **PLACE
    )
    wait_for_start = WorkflowExecutionSensor(
        task_id="wait_for_start",
        workflow_id="forever",
        execution_id=create.output["execution_id"],
        success_states={ACTIVE},
        failure_states={FAILED, CANCELLED},
        poke_interval=1,
        mode="reschedule",
        **PLACE,
    )
    cancel = WorkflowsCancelExecutionOperator(
        task_id="cancel", workflow_id="forever", execution_id=create.output["execution_id"], **PLACE
    )
    wait_for_end = WorkflowExecutionSensor(
        task_id="wait_for_end",
        workflow_id="forever",
        execution_id=create.output["execution_id"],
        success_states={SUCCEEDED, CANCELLED},
        failure_states=set(),
        poke_interval=1,
        **PLACE,
    )
    create >> wait_for_start >> cancel >> wait_for_end
