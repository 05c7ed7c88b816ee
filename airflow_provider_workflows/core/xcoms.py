# SPDX-License-Identifier: Apache-2.0
"""Say which XComs an execution leaves; the same whether a worker or the triggerer stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.core.names import ExecutionName, WorkflowName

CONSOLE = "https://console.cloud.google.com"
#: Where Airflow 3 looks for the links of these classes of :mod:`airflow_provider_workflows.links.executions`.
EXECUTION_LINK = "_link_WorkflowExecutionLink"
WORKFLOW_LINK = "_link_WorkflowLink"


def execution_xcoms(name: ExecutionName) -> dict[str, str]:
    """Return what is known as soon as an execution exists: its id, its name, and its address in the console."""
    return {
        "execution_id": name.execution_id,
        "execution_name": str(name),
        "execution_url": execution_address(name),
        EXECUTION_LINK: execution_address(name),
        **workflow_xcoms(name.workflow_name),
    }


def workflow_xcoms(workflow: WorkflowName) -> dict[str, str]:
    """Return the link to a workflow."""
    return {WORKFLOW_LINK: workflow_address(workflow)}


def result_xcoms(execution: Mapping[str, Any]) -> dict[str, Any]:
    """Return the decoded result of an execution that succeeded."""
    from airflow_provider_workflows.core.values import result_of  # no DAG file that is parsed needs it

    return {"result": result_of(execution)}


def execution_address(name: ExecutionName) -> str:
    """Return the console's address of an execution."""
    workflow = name.workflow_name
    path = f"workflows/workflow/{workflow.location}/{workflow.workflow}/execution/{name.execution_id}"
    return f"{CONSOLE}/{path}?project={workflow.project}"


def workflow_address(workflow: WorkflowName) -> str:
    """Return the console's address of a workflow's executions."""
    path = f"workflows/workflow/{workflow.location}/{workflow.workflow}/executions"
    return f"{CONSOLE}/{path}?project={workflow.project}"
