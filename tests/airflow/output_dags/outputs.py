# SPDX-License-Identifier: Apache-2.0
"""A DAG whose tasks give each field of what they return an XCom, and one that checks them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_workflows.compat import BaseOperator
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator

RESULT = {"rows": 3, "name": "x"}


class Check(BaseOperator):
    """Fail unless the XCom result of each task before is the decoded one, and other fields are there, too."""

    def execute(self, context: Any) -> None:
        """Look."""
        for create in self.upstream_task_ids:
            result = context["ti"].xcom_pull(task_ids=create, key="result")
            assert result == RESULT, (create, result)
            assert context["ti"].xcom_pull(task_ids=create, key="state") == "SUCCEEDED"


with DAG("outputs", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    creates = [
        WorkflowsCreateExecutionOperator(
            task_id=f"create_{where}",
            workflow_id="sleep",
            argument={"seconds": 0.5, "result": RESULT},
            wait_for_completion=True,
            deferrable=where == "deferred",
            poll_interval=1,
            multiple_outputs=True,
        )
        for where in ("worker", "deferred")
    ]

    creates >> Check(task_id="check")
