# SPDX-License-Identifier: Apache-2.0
"""
Run one workflow for each item of a list, and gather the results.

Shows: dynamic task mapping over ``argument``. The list may be made by an upstream task; every item becomes an
execution and a task instance of its own, which retries and can be cleared by itself. All of them wait in the
triggerer together.

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

from collections.abc import Iterable
from typing import Any

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator

with DAG(
    dag_id="example_fan_out",
    schedule=None,
    catchup=False,
    params={"regions": ["north", "east", "south"], "seconds": 6},
    tags=["example", "workflows"],
    doc_md=__doc__,
):

    @task
    def plan(params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Make one argument for each region."""
        wanted = params or {}
        return [
            {"seconds": wanted["seconds"] + number, "result": {"region": region, "rows": 100 * (number + 1)}}
            for number, region in enumerate(wanted["regions"])
        ]

    count_rows = WorkflowsCreateExecutionOperator.partial(
        task_id="count_rows",
        workflow_id="sleep",
        wait_for_completion=True,
        deferrable=True,
        poll_interval=2,
        retries=2,  # a retry goes on with the same execution
    ).expand(argument=plan())

    @task
    def gather(results: Iterable[dict[str, Any]]) -> dict[str, int]:
        """Bring the results of all executions together, in the order of the arguments."""
        return {result["region"]: result["rows"] for result in results}

    gather(count_rows.output["result"])
