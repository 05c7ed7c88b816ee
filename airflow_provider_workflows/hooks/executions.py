# SPDX-License-Identifier: Apache-2.0
"""
Talk to the Workflow Executions API with an Airflow connection: the sync hook and its async twin.

API reference: https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.body import create_body
from airflow_provider_workflows.api.failure import failure
from airflow_provider_workflows.api.looking import check_interval, timed_out, wait_for_end
from airflow_provider_workflows.api.retrying import made_nothing
from airflow_provider_workflows.compat import AirflowNotFoundException
from airflow_provider_workflows.core.deadlines import NO_DEADLINES, Deadlines
from airflow_provider_workflows.core.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    Execution,
    Verdict,
    classify,
    states_or,
)
from airflow_provider_workflows.core.ignored import IgnoredArguments
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.exceptions import ExecutionTimeout, WorkflowsError
from airflow_provider_workflows.hooks.asynchronous import WorkflowExecutionsAsyncHook
from airflow_provider_workflows.hooks.base import limit_of_timeout
from airflow_provider_workflows.hooks.history import HistoryMethods
from airflow_provider_workflows.hooks.trial import (
    ASK_AGAIN,
    CREDENTIALS_LOADED,
    failed,
    for_a_form,
    is_answer,
    tested_workflow,
    worked,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack


__all__ = ["WorkflowExecutionsAsyncHook", "WorkflowExecutionsHook"]


class WorkflowExecutionsHook(HistoryMethods):
    """
    Create, get, list, cancel and wait for executions.

    Opens nothing until the first call; :meth:`close` or the context manager releases the connections. Not for
    several threads at once. Methods take ``workflow_id``, ``location`` and ``project_id``, the latter two from the
    connection unless given.
    """

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the connection form's fields for Airflow 2; Airflow 3 reads the provider info."""
        from airflow_provider_workflows.hooks.connection_form import connection_form_widgets

        return connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return which standard fields the form hides in Airflow 2."""
        from airflow_provider_workflows.hooks.connection_form import ui_field_behaviour

        return ui_field_behaviour()

    def create_execution(
        self,
        workflow_id: str,
        location: str | None = None,
        project_id: str | None = None,
        *,
        argument: Any = None,
        labels: Mapping[str, str] | None = None,
        execution: Mapping[str, Any] | None = None,
        **ignored: Unpack[IgnoredArguments],
    ) -> Execution:
        """
        Create an execution of the latest revision of a workflow, with exactly one POST.

        Repeated only where the first surely had no effect: 429, and where nothing was sent.

        :param argument: any JSON value, sent as JSON; ``None`` sends none.
        :param labels: labels of the execution (v1 only).
        :param execution: further Execution fields, such as ``callLogLevel``; its ``argument`` may be JSON text.
        :return: the Execution as created, usually ACTIVE, or QUEUED when the quota of executions is used up.
        :raises ValueError: for what is not JSON, and fields and values that the API version does not have.
        :raises AmbiguousCreate: where the answer got lost: an execution may exist.
        :raises WorkflowsApiError: where the service refuses.
        """
        self._ignore(ignored)
        return self.create(self.workflow(workflow_id, location, project_id), create_body(argument, labels, execution))

    def create(self, workflow: WorkflowName, body: Mapping[str, Any]) -> Execution:
        """Create an execution of a body that is made already; see :meth:`create_execution`."""
        client = self.client
        return client.retry.sync(made_nothing)(client.create, workflow, body)

    def get_execution(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        view: str = "FULL",
        **ignored: Unpack[IgnoredArguments],
    ) -> Execution:
        """
        Get an execution.

        :param view: ``FULL``, or ``BASIC`` without argument, result, error, status and labels.
        :raises ExecutionNotFound: where it does not exist.
        """
        self._ignore(ignored)
        return self.client.get(self.execution(workflow_id, execution_id, location, project_id), view)

    def list_executions(
        self,
        workflow_id: str,
        location: str | None = None,
        project_id: str | None = None,
        *,
        view: str = "BASIC",
        filter: str | None = None,  # noqa: A002 - the API's own name
        order_by: str | None = None,
        page_size: int | None = None,
        limit: int | None = None,
        **ignored: Unpack[IgnoredArguments],
    ) -> Iterator[Execution]:
        """
        List executions over all pages, newest first; pages are fetched as they are consumed.

        :param filter: for example ``state="SUCCEEDED"`` (v1 only).
        :param order_by: for example ``startTime desc`` (v1 only).
        :param page_size: executions per request; the largest that the version and view allow unless given.
        :param limit: stop after so many.
        """
        self._ignore(ignored)
        workflow = self.workflow(workflow_id, location, project_id)
        return self.client.list(workflow, view=view, filter=filter, order_by=order_by, page_size=page_size, limit=limit)

    def cancel_execution(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        **ignored: Unpack[IgnoredArguments],
    ) -> Execution:
        """
        Cancel an execution; one that is already over is no error and is returned as it ended.

        The answer to a cancel may still say ACTIVE: whether the service waits is not documented.
        """
        self._ignore(ignored)
        return self.client.cancel(self.execution(workflow_id, execution_id, location, project_id))

    def wait_for_execution(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        poll_interval: float | timedelta = 10.0,
        timeout: float | timedelta | None = None,
        success_states: Collection[str] = SUCCESS_STATES,
        failure_states: Collection[str] = FAILURE_STATES,
    ) -> Execution:
        """
        Wait, blocking, until an execution has ended well; passing errors do not end the waiting.

        :param poll_interval: the most seconds between two looks, each a get of a few fields, with a jitter of a tenth
            either way; while the execution is young they are closer.
        :param timeout: seconds after which to give up; ``None`` waits for as long as the execution takes.
        :return: the FULL Execution.
        :raises ExecutionFailed, ExecutionCancelled, ExecutionUnavailable: where it ended otherwise.
        :raises ExecutionTimeout: after ``timeout``; the execution goes on.
        """
        success_states = states_or(SUCCESS_STATES, success_states, "success_states")
        failure_states = states_or(FAILURE_STATES, failure_states, "failure_states")
        name = self.execution(workflow_id, execution_id, location, project_id)
        limit = limit_of_timeout(timeout, self.clock.time())
        try:
            self.wait_until_ended(
                name,
                poll_interval=poll_interval,
                deadlines=Deadlines(None if limit is None else limit.deadline),
                success_states=success_states,
                failure_states=failure_states,
            )
        except ExecutionTimeout as exc:
            raise timed_out(name, exc.state, limit) from None
        ended = self.client.get(name)
        if classify(ended.get("state"), success_states, failure_states) is Verdict.FAILED:
            raise failure(self.client, ended, name)
        return ended

    def wait_until_ended(
        self,
        name: ExecutionName,
        *,
        poll_interval: float | timedelta,
        deadlines: Deadlines = NO_DEADLINES,
        patience: float = math.inf,
        success_states: Collection[str] = SUCCESS_STATES,
        failure_states: Collection[str] = FAILURE_STATES,
    ) -> Execution:
        """Wait until an execution is in one of the states, whichever, or ``patience`` is over."""
        looker = self.client.without_retries()
        return wait_for_end(
            lambda: looker.look(name),
            name,
            clock=self.clock,
            log=self.log,
            poll_interval=check_interval(poll_interval),
            deadlines=deadlines,
            patience=patience,
            success_states=success_states,
            failure_states=failure_states,
        )

    def get_conn(self) -> Any:
        """
        Return google-api-python-client's resource of the API, for calls that this hook does not wrap.

        Its requests go through the hook's session, so ``execute()`` sends a create once even when the connection
        drops. Pass no ``num_retries`` to a create.
        """
        from airflow_provider_workflows.api.resource import SessionHttp, build_resource

        settings, http = self.settings, SessionHttp(self._open_session(), self.settings.timeout)
        return build_resource(settings.api_version, self._identity().endpoint, http)

    def test_connection(self) -> tuple[bool, str]:
        """
        Try the connection: get a token, and where it has a project and location, ask the API something harmless.

        :return: whether it works, and a text for the form.
        """
        patience, self._patience = self._patience, 0.0
        try:
            self._settings = for_a_form(self.settings)
            if not self._settings.location:
                self._open_session()
                return True, CREDENTIALS_LOADED
            workflow = self.workflow(tested_workflow(self._settings))
            return self._ask(workflow)
        except (ValueError, WorkflowsError, AirflowNotFoundException) as exc:
            return False, str(exc)
        finally:
            self.close()
            self._settings, self._patience = None, patience

    def _ask(self, workflow: WorkflowName, *, again: bool = True) -> tuple[bool, str]:
        """List one execution; after a passing error once more, and then what failed first is told."""
        client = self.client.without_retries()
        host = client.api.endpoint
        try:
            next(client.list(workflow, limit=1), None)
        except WorkflowsError as exc:
            if is_answer(exc, workflow):
                return True, worked(host, workflow)
            if again and getattr(exc, "retryable", False):
                self.clock.sleep(ASK_AGAIN)
                repeated = self._ask(workflow, again=False)
                if repeated[0]:
                    return repeated
            return False, failed(exc, host, workflow)
        return True, worked(host, workflow)
