# SPDX-License-Identifier: Apache-2.0
"""Wait for executions in every way there is; run by `benchmarks/bench_modes.py`, which counts worker processes."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor

ARGUMENT = {"seconds": 12, "result": "done"}
create: dict[str, Any] = {
    "workflow_id": "sleep",
    "argument": ARGUMENT,
    "wait_for_completion": True,
    "poll_interval": 2.0,
}
sense: dict[str, Any] = {
    "workflow_id": "sleep",
    "execution_id": "{{ params.execution_id }}",
    "project_id": "test-project",
    "location": "us-central1",
    "poke_interval": 4.0,
    "timeout": 300,
}

with DAG("bench_modes", schedule=None, params={"execution_id": ""}):
    WorkflowsCreateExecutionOperator(task_id="create_in_worker", deferrable=False, **create)
    WorkflowsCreateExecutionOperator(task_id="create_deferrable", deferrable=True, **create)
    short = {**create, "argument": {**ARGUMENT, "seconds": 3}}
    WorkflowsCreateExecutionOperator(task_id="create_short_deferrable", deferrable=True, **short)
    WorkflowExecutionSensor(task_id="sensor_poke", mode="poke", **sense)
    # Airflow fails a task that is started again before its executor has seen the end of the process before.
    rescheduled = {**sense, "poke_interval": 10.0}
    WorkflowExecutionSensor(task_id="sensor_reschedule", mode="reschedule", **rescheduled)
    WorkflowExecutionSensor(task_id="sensor_deferrable", deferrable=True, **sense)
    WorkflowExecutionSensor(task_id="sensor_start_from_trigger", start_from_trigger=True, **sense)

# Airflow is started again with [workflows] end_from_trigger for this one.
with DAG("bench_end_from_trigger", schedule=None, params={"execution_id": ""}):
    WorkflowsCreateExecutionOperator(task_id="create_end_from_trigger", deferrable=True, **create)
    WorkflowExecutionSensor(task_id="sensor_end_from_trigger", deferrable=True, **sense)
