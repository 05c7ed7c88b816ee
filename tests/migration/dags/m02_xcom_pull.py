# SPDX-License-Identifier: Apache-2.0
"""Ids by templates that pull XComs, in the three spellings that are around, and a cancel."""

from datetime import datetime

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
)

PLACE = {"project_id": "test-project", "location": "us-central1"}

with DAG(dag_id="m02_xcom_pull", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    create = WorkflowsCreateExecutionOperator(
        task_id="create", workflow_id="forever", execution={"argument": ""}, **PLACE
    )
    get = WorkflowsGetExecutionOperator(
        task_id="get",
        workflow_id="forever",
        execution_id="{{ task_instance.xcom_pull('create', key='execution_id') }}",
        **PLACE,
    )
    cancel = WorkflowsCancelExecutionOperator(
        task_id="cancel",
        workflow_id="forever",
        execution_id="{{ ti.xcom_pull(task_ids='create')['name'].split('/')[-1] }}",
        **PLACE,
    )
    cancel_again = WorkflowsCancelExecutionOperator(
        task_id="cancel_again",
        workflow_id="forever",
        execution_id="{{ ti.xcom_pull(task_ids=['create'], key='execution_id')[0] }}",
        **PLACE,
    )
    create >> get >> cancel >> cancel_again
