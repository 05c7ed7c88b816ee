# SPDX-License-Identifier: Apache-2.0
"""
Start an execution, work while it is going, and cancel it whatever happened.

Shows: starting without waiting, and cancelling in a teardown task, which comes after the work also when the work
fails. An execution that is over by then is no error. A teardown does not decide whether the run succeeded.

Expects a workflow ``forever`` that only ends when it is cancelled, such as a service that the work needs::

    main:
      steps:
        - wait:
            call: sys.sleep
            args:
              seconds: 3600
        - again:
            next: wait

and a connection ``google_cloud_default`` with project and location.
"""

from __future__ import annotations

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task

from airflow_provider_workflows.operators.executions import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
)

with DAG(
    dag_id="example_cancel_in_teardown",
    schedule=None,
    catchup=False,
    tags=["example", "workflows"],
    doc_md=__doc__,
):
    start = WorkflowsCreateExecutionOperator(
        task_id="start",
        workflow_id="forever",
        wait_for_completion=False,
        retries=2,  # a retry goes on with the same execution
    )

    @task
    def work(execution_id: str) -> str:
        """Do something that needs the execution to be there."""
        return f"worked beside {execution_id}"

    cancel = WorkflowsCancelExecutionOperator(
        task_id="cancel",
        workflow_id="forever",
        execution_id=start.output["execution_id"],
    )

    work(start.output["execution_id"]) >> cancel.as_teardown(setups=start)
