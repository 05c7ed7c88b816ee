# SPDX-License-Identifier: Apache-2.0
"""
Link tasks to Google Cloud's console: to the execution, and to its workflow.

The whole address is stored in an XCom under the link's own key as soon as the execution exists, before any wait:
that is where Airflow 3 looks for it, and :meth:`get_link` reads the same one for Airflow 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_workflows.compat import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import BaseOperator, TaskInstanceKey


class _ConsoleLink(BaseOperatorLink):
    """Read a stored address."""

    @property
    def xcom_key(self) -> str:
        """Return the key of the XCom that holds the address, as Airflow 3 makes it and :mod:`…xcoms` stores it."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the address that the task stored, or nothing where it has not come that far.

        Nothing is an empty text: Airflow 3 would store ``None`` and show a link to "None".
        """
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class WorkflowExecutionLink(_ConsoleLink):
    """Open the execution in the console."""

    name = "Workflow execution"


class WorkflowLink(_ConsoleLink):
    """Open the workflow's list of executions in the console."""

    name = "Workflow details"
