# SPDX-License-Identifier: Apache-2.0
"""Give `resume_race.py` tasks that defer together and whose executions end a moment later. They have no retries."""

from __future__ import annotations

import os

from airflow.sdk import DAG

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator

with DAG("race", schedule=None, catchup=False):
    WorkflowsCreateExecutionOperator.partial(
        task_id="wait",
        workflow_id="sleep",
        wait_for_completion=True,
        deferrable=True,
        poll_interval=1,
        retries=0,
    ).expand(argument=[{"seconds": float(os.environ["RACE_SECONDS"])}] * int(os.environ["RACE_TASKS"]))
