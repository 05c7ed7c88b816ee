# SPDX-License-Identifier: Apache-2.0
"""
Wait for an execution that something else started.

Shows: the sensor, which waits for an execution by its id and starts none, and the hook in a task. Here the task
``started_elsewhere`` plays the other system: in real life an event, a schedule of Cloud Scheduler or another team's
program starts the execution, and only its id reaches the DAG.

Expects a workflow ``sleep`` that waits and answers with what it was given::

    main:
      params: [args]
      steps:
        - wait:
            call: sys.sleep
            args:
              seconds: ${args.seconds}
        - answer:
            return: ${args.result}

and a connection ``google_cloud_default`` with project and location.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task

from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor

with DAG(
    dag_id="example_wait_for_execution",
    schedule=None,
    catchup=False,
    params={"seconds": 10},
    tags=["example", "workflows"],
    doc_md=__doc__,
):

    @task
    def started_elsewhere(params: dict[str, Any] | None = None) -> str:
        """Start an execution and hand on its id only."""
        from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook

        argument = {"seconds": (params or {})["seconds"], "result": ["a.csv", "b.csv"]}
        with WorkflowExecutionsHook() as hook:
            execution = hook.create_execution(workflow_id="sleep", argument=argument)
        # The last segment of the name is the execution's id.
        return execution["name"].rpartition("/")[2]

    wait = WorkflowExecutionSensor(
        task_id="wait",
        workflow_id="sleep",
        execution_id=started_elsewhere(),
        deferrable=True,
        poke_interval=2,
        timeout=timedelta(minutes=10),
        retries=2,  # in the time that is left
    )

    @task
    def load(files: list[str]) -> int:
        """Use the result of the execution that was waited for."""
        return len(files)

    load(wait.output["result"])
