# SPDX-License-Identifier: Apache-2.0
"""Say once what every operator and the sensor have: the workflow, the connection, and how an execution is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_workflows.compat import BaseOperator
from airflow_provider_workflows.core.defaults import DEFAULT_CONNECTION_ID
from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.seconds import seconds_of
from airflow_provider_workflows.core.xcoms import execution_xcoms, result_xcoms

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import Context
    from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook


class WorkflowsBaseOperator(BaseOperator):
    """
    Take the parameters that all operators of this package share.

    :param workflow_id: the workflow's id, or its whole resource name. (templated)
    :param location: its region, ``us-central1`` for example; the connection's unless given. (templated)
    :param project_id: its project, id or number; the connection's unless given. (templated)
    :param gcp_conn_id: the Airflow connection, of type ``google_cloud_workflows`` or ``google_cloud_platform``.
        (templated)
    :param impersonation_chain: service account to impersonate, or several: delegates first, the target last.
        (templated)
    :param api_version: ``v1`` or ``v1beta``; ``None`` for the connection's, which is ``v1`` unless it says otherwise.
    :param api_endpoint: another base URL than Google's; ``None`` for the connection's.
    :param execution_timeout: Airflow's own; a number of seconds, or a timedelta.
    :param retry: ignored, as ``metadata`` is: the Google provider's operators have them.
    """

    #: What is taken, because the Google provider's classes take it, and ignored; :mod:`…core.ignored` says why.
    ignored_arguments: ClassVar[Sequence[str]] = ("retry", "timeout", "metadata")

    template_fields: Sequence[str] = (
        "workflow_id",
        "location",
        "project_id",
        "gcp_conn_id",
        "impersonation_chain",
        "api_version",
        "api_endpoint",
    )
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        workflow_id: str | None,
        location: str | None = None,
        project_id: str | None = None,
        gcp_conn_id: str = DEFAULT_CONNECTION_ID,
        impersonation_chain: str | Sequence[str] | None = None,
        api_version: str | None = None,
        api_endpoint: str | None = None,
        execution_timeout: float | timedelta | None = None,
        retry: Any = None,
        metadata: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        if execution_timeout is not None:  # Airflow's own __init__ takes a timedelta only
            execution_timeout = timedelta(seconds=seconds_of(execution_timeout, "execution_timeout"))
        super().__init__(execution_timeout=execution_timeout, **kwargs)
        self.workflow_id = workflow_id
        self.location = location
        self.project_id = project_id
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_version = api_version
        self.api_endpoint = api_endpoint
        self.retry = retry
        self.metadata = metadata

    @cached_property
    def hook(self) -> WorkflowExecutionsHook:
        """Return the hook; imported here, because a DAG file is parsed far more often than a task is executed."""
        from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook

        return WorkflowExecutionsHook(self.gcp_conn_id, self.impersonation_chain, self.api_version, self.api_endpoint)

    def execution_name(self, execution_id: str) -> ExecutionName:
        """
        Name an execution of this task's workflow.

        :raises ValueError: naming the parameter that is missing or not an id.
        """
        return self.hook.execution(self.workflow_id, execution_id, self.location, self.project_id)

    def tell_ignored(self) -> None:
        """Say in the task's log where the meaning of arguments lives that are ignored."""
        from airflow_provider_workflows.core.ignored import ignored_line

        if line := ignored_line({name: getattr(self, name) for name in self.ignored_arguments}):
            self.log.warning(line)

    def announce(self, context: Context, name: ExecutionName) -> None:
        """Store the execution's id, name and links as XComs, so that they outlive whatever happens next."""
        push(context, execution_xcoms(name))

    def returned(self, execution: Execution) -> Execution:
        """
        Return what the task returns for an execution: the resource as it is.

        With ``multiple_outputs`` Airflow stores each field as an XCom, and ``result`` over the decoded one of that
        name, so there the field is decoded, too.
        """
        if not getattr(self, "multiple_outputs", False) or "result" not in execution:
            return execution
        return cast("Execution", {**execution, **result_xcoms(execution)})

    def push_result(self, context: Context, execution: Execution) -> None:
        """Store the decoded result of an execution that succeeded."""
        push(context, result_xcoms(execution))


class ExecutionsOperator(WorkflowsBaseOperator):
    """
    Take what the operators share and the sensor does not, whose ``timeout`` is Airflow's own.

    :param timeout: ignored: the Google provider's operators have it.
    """

    def __init__(self, *, timeout: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timeout = timeout


def push(context: Context, xcoms: Mapping[str, Any]) -> None:
    """Store XComs for the running task."""
    ti: Any = context["ti"]
    for key, value in xcoms.items():
        ti.xcom_push(key=key, value=value)
