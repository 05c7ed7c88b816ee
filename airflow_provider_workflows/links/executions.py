# SPDX-License-Identifier: Apache-2.0
"""
Link tasks to Google Cloud's console: to the execution, and to its workflow.

The whole address is stored in an XCom under the link's own key as soon as the execution exists, before any wait:
that is where Airflow 3 looks for it, and :meth:`get_link` reads the same one for Airflow 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_workflows.execution import ExecutionName, WorkflowName

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context, TaskInstanceKey

CONSOLE = "https://console.cloud.google.com"


class _ConsoleLink(BaseOperatorLink):
    """Read a stored address."""

    @property
    def xcom_key(self) -> str:
        """Return the key of the XCom that holds the address."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the address that the task stored, or nothing where it has not come that far."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class WorkflowExecutionLink(_ConsoleLink):
    """Open the execution in the console."""

    name = "Workflows Execution"

    @staticmethod
    def address(execution: ExecutionName) -> str:
        """Return the console's address of an execution."""
        workflow = execution.workflow_name
        return (
            f"{CONSOLE}/workflows/workflow/{workflow.location}/{workflow.workflow}"
            f"/execution/{execution.execution_id}?project={workflow.project}"
        )


class WorkflowLink(_ConsoleLink):
    """Open the workflow's list of executions in the console."""

    name = "Workflow"

    @staticmethod
    def address(workflow: WorkflowName) -> str:
        """Return the console's address of a workflow."""
        path = f"workflows/workflow/{workflow.location}/{workflow.workflow}/executions"
        return f"{CONSOLE}/{path}?project={workflow.project}"


def push_links(context: Context, execution: ExecutionName) -> None:
    """Store the addresses of an execution and its workflow for the running task."""
    ti: Any = context["ti"]
    ti.xcom_push(key=WorkflowExecutionLink().xcom_key, value=WorkflowExecutionLink.address(execution))
    push_workflow_link(context, execution.workflow_name)


def push_workflow_link(context: Context, workflow: WorkflowName) -> None:
    """Store the address of a workflow for the running task."""
    ti: Any = context["ti"]
    ti.xcom_push(key=WorkflowLink().xcom_key, value=WorkflowLink.address(workflow))
