# SPDX-License-Identifier: Apache-2.0
"""Everything that is a template there is one here, with native rendering."""

from datetime import datetime

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import WorkflowsCreateExecutionOperator

with DAG(
    dag_id="m06_templates",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    render_template_as_native_obj=True,
    params={"region": "us-central1", "workflow": "echo", "connection": "google_cloud_default", "count": 3},
):
    WorkflowsCreateExecutionOperator(
        task_id="create",
        workflow_id="{{ params.workflow }}",
        location="{{ params.region }}",
        project_id="test-project",
        gcp_conn_id="{{ params.connection }}",
        execution={"argument": {"count": "{{ params.count }}", "day": "{{ ds }}", "flag": True, "none": None}},
    )
