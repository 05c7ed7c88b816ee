# SPDX-License-Identifier: Apache-2.0
"""Give `busy_race.py` deferrable tasks whose executions take 1 to 15 seconds. They have no retries."""

from __future__ import annotations

import os

from airflow.sdk import DAG

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator

with DAG("busy", schedule=None, catchup=False):
    WorkflowsCreateExecutionOperator.partial(
        task_id="wait",
        workflow_id="sleep",
        wait_for_completion=True,
        deferrable=True,
        retries=0,
    ).expand(argument=[{"seconds": 1 + number % 15} for number in range(int(os.environ["RACE_TASKS"]))])
