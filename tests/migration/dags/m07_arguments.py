# SPDX-License-Identifier: Apache-2.0
"""Arguments as dicts, as texts, as bytes, and none."""

import json
from datetime import datetime

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import WorkflowsCreateExecutionOperator

ARGUMENTS = {
    "dict": {"a": [1, True, None, "it's"]},
    "text": json.dumps({"a": [1, True, None, "it's"]}),
    "bytes": json.dumps({"a": [1, True, None, "it's"]}).encode("utf-8"),
    "empty": "",
}

with DAG(dag_id="m07_arguments", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    for name, argument in ARGUMENTS.items():
        WorkflowsCreateExecutionOperator(
            task_id=name,
            workflow_id="echo",
            location="us-central1",
            project_id="test-project",
            execution={"argument": argument},
        )
    WorkflowsCreateExecutionOperator(
        task_id="nothing", workflow_id="echo", location="us-central1", project_id="test-project", execution={}
    )
