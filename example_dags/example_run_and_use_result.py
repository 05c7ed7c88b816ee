# SPDX-License-Identifier: Apache-2.0
"""
Run a workflow and use its result in the next task.

Shows: an argument with Jinja templates that is sent as JSON, waiting in the triggerer (``deferrable=True``: no worker
slot is held meanwhile), and the XCom ``result``, which is the workflow's result already decoded.

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

and a connection ``google_cloud_default`` with project and location (without a connection: the application
default credentials, and ``project_id`` and ``location`` as arguments of the operator).
"""

from __future__ import annotations

from typing import Any

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator

with DAG(
    dag_id="example_run_and_use_result",
    schedule=None,
    catchup=False,
    params={"customer": "Ada", "seconds": 6},
    # Templates keep their types: `seconds` arrives as a number.
    render_template_as_native_obj=True,
    tags=["example", "workflows"],
    doc_md=__doc__,
):
    run_workflow = WorkflowsCreateExecutionOperator(
        task_id="run_workflow",
        workflow_id="sleep",
        argument={
            "seconds": "{{ params.seconds }}",
            "result": {"customer": "{{ params.customer }}", "total": 42, "paid": True},
        },
        wait_for_completion=True,
        deferrable=True,
        poll_interval=2,
        retries=2,  # a retry goes on with the same execution
    )

    @task
    def report(result: dict[str, Any]) -> str:
        """Use the decoded result like any other value."""
        return (
            f"{result['customer']} owes nothing" if result["paid"] else f"{result['customer']} owes {result['total']}"
        )

    report(run_workflow.output["result"])
