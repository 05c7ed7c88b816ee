# SPDX-License-Identifier: Apache-2.0
"""
Create, cancel, get and list executions of a workflow.

API reference: https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_workflows.compat import conf
from airflow_provider_workflows.core.deadlines import Deadlines, Limit
from airflow_provider_workflows.core.execution import Execution, parse_time, started_at
from airflow_provider_workflows.core.messages import life
from airflow_provider_workflows.core.seconds import seconds_of
from airflow_provider_workflows.core.xcoms import workflow_xcoms
from airflow_provider_workflows.links.executions import WorkflowExecutionLink, WorkflowLink
from airflow_provider_workflows.operators.base import ExecutionsOperator, push
from airflow_provider_workflows.operators.creating import CreatesExecution
from airflow_provider_workflows.operators.plain import check_flags, check_limit, check_numbers

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import Context

_LINKS = (WorkflowExecutionLink(), WorkflowLink())
#: Executions that a list returns unless told otherwise: what a page has by default, and an XCom bears.
DEFAULT_LIMIT = 100


class WorkflowsCreateExecutionOperator(CreatesExecution, ExecutionsOperator):
    """
    Create an execution of the latest revision of a workflow, and wait for it if asked to.

    Returns the Execution resource. The XComs ``execution_id`` and ``execution_name`` exist as soon as the execution
    does, and ``result`` (decoded JSON) when it SUCCEEDED under ``wait_for_completion``. All of it is the same
    whether the waiting happens in the worker or in the triggerer. With ``multiple_outputs=True`` Airflow makes XComs of
    the returned fields, too; ``result`` is the decoded one there as well.

    :param argument: any JSON value, sent as JSON: dict, list, str, number, bool. ``None`` sends no argument. A
        string is sent as a JSON *string*; JSON text goes into ``execution={"argument": …}``. (templated)
    :param execution: further fields of the Execution, ``{"callLogLevel": "LOG_ERRORS_ONLY"}`` for example. Its
        ``argument`` may be a JSON value or JSON text. (templated)
    :param labels: labels of the execution, v1 only: at most 64, lowercase. (templated)
    :param wait_for_completion: wait until the execution has ended, and fail when it did not succeed.
    :param deferrable: wait in the triggerer, without a worker; says where to wait, never whether. The first
        ``[workflows] defer_after`` seconds are waited in the worker all the same.
    :param poll_interval: the most seconds between two looks, a number or a timedelta; ``[workflows] poll_interval``
        unless given, which is 10: what a wait of minutes needs, at a fraction of the quota. Young executions are
        looked at more often.
    :param cancel_on_kill: cancel the execution when the task is killed (cleared, marked failed or successful).
    :param durable: never start a second execution by accident: a retry goes on with the one that an earlier try
        started, and a create whose answer got lost is looked for before it is repeated. On v1 this adds labels.
    :param cancel_on_timeout: cancel the execution when ``execution_timeout`` or ``queued_timeout`` has passed.
    :param queued_timeout: how long the execution may stay QUEUED before it counts as late: seconds or a timedelta.
        ``None`` for no limit of its own.
    :raises ValueError: before any request, for an argument that is not JSON and for ids and labels that cannot be.
    :raises ExecutionFailed: with the service's message, the failing step and its line.
    :raises ExecutionTimeout: when ``execution_timeout`` (Airflow's own parameter, here also a number of seconds) has
        passed, counted from the first try that waited for the same execution, over deferrals and restarts.
    :raises AirflowFailException: from :class:`ExecutionCancelled`: it was stopped on purpose, so no retry; and from
        :class:`AmbiguousCreate` on v1beta, where a retry could not tell whether it starts a second execution.
    """

    template_fields: Sequence[str] = (
        *ExecutionsOperator.template_fields,
        "argument",
        "execution",
        "labels",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"argument": "json", "execution": "json", "labels": "json"}
    operator_extra_links = _LINKS

    def __init__(
        self,
        *,
        workflow_id: str,
        argument: Any = None,
        execution: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        wait_for_completion: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = conf.getfloat("workflows", "poll_interval", fallback=10.0),  # noqa: B008
        cancel_on_kill: bool = True,
        durable: bool = True,
        cancel_on_timeout: bool = True,
        queued_timeout: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(workflow_id=workflow_id, **kwargs)
        self.argument = argument
        self.execution = execution
        self.labels = labels
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.cancel_on_kill = cancel_on_kill
        self.durable = durable
        self.cancel_on_timeout = cancel_on_timeout
        self.queued_timeout = queued_timeout
        check_flags(self, "wait_for_completion", "deferrable", "cancel_on_kill", "durable", "cancel_on_timeout")
        check_numbers(self, "poll_interval", "queued_timeout")

    def execute(self, context: Context) -> Execution:
        """Create the execution, or find the one of an earlier try, and wait for it if asked to."""
        self.tell_ignored()
        self._be_ready(context)
        queued_timeout = self._checked_waiting()
        created = self._create(context)
        name = self.name_of(created.execution)
        self.announce(context, name)
        if not created.attached:
            self.log.info(life.created(name))
        if not self.wait_for_completion:
            return self.returned(created.execution)
        since = created.waiting_since
        limit = self.execution_timeout.total_seconds() if self.execution_timeout else None
        deadlines = Deadlines(
            deadline=None if limit is None else since + limit,
            queued_deadline=None if queued_timeout is None else since + queued_timeout,
            since=since,
        )
        return self.wait(context, name, deadlines)

    def limit(self, state: str | None, deadlines: Deadlines) -> Limit | None:
        """Return by which parameter an execution in this state is late."""
        if self.queued_timeout is None or not deadlines.is_of_queue(state):
            return super().limit(state, deadlines)
        seconds = seconds_of(self.queued_timeout, "queued_timeout")
        return deadlines.limit("queued_timeout", seconds, deadlines.queued_deadline)

    def _checked_waiting(self) -> float | None:
        """Check what says how to wait before anything is started; return ``queued_timeout`` in seconds."""
        if self.wait_for_completion:
            self.check_waiting()
        return None if self.queued_timeout is None else seconds_of(self.queued_timeout, "queued_timeout")


class WorkflowsCancelExecutionOperator(ExecutionsOperator):
    """
    Cancel an execution; one that is already over is no error.

    Returns the Execution, as the service shows it right after the cancel.

    :param execution_id: the execution, by its id, or by its whole resource name and without ``workflow_id``.
        (templated)
    """

    template_fields: Sequence[str] = (*ExecutionsOperator.template_fields, "execution_id")
    operator_extra_links = _LINKS

    def __init__(self, *, execution_id: str, workflow_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(workflow_id=workflow_id, **kwargs)
        self.execution_id = execution_id

    def execute(self, context: Context) -> Execution:
        """Cancel the execution."""
        self.tell_ignored()
        name = self.execution_name(self.execution_id)
        self.announce(context, name)
        execution = self.hook.client.cancel(name)
        self.log.info(life.asked_to_cancel(name, execution.get("state")))
        return execution


class WorkflowsGetExecutionOperator(ExecutionsOperator):
    """
    Get an execution and return it.

    :param execution_id: the execution, by its id, or by its whole resource name and without ``workflow_id``.
        (templated)
    :param view: ``FULL``, or ``BASIC`` without argument, result, error, status and labels. (templated)
    """

    template_fields: Sequence[str] = (*ExecutionsOperator.template_fields, "execution_id", "view")
    operator_extra_links = _LINKS

    def __init__(self, *, execution_id: str, workflow_id: str | None = None, view: str = "FULL", **kwargs: Any) -> None:
        super().__init__(workflow_id=workflow_id, **kwargs)
        self.execution_id = execution_id
        self.view = view

    def execute(self, context: Context) -> Execution:
        """Get the execution."""
        self.tell_ignored()
        name = self.execution_name(self.execution_id)
        self.announce(context, name)
        execution = self.hook.client.get(name, self.view)
        self.log.info(life.got(name, execution.get("state")))
        return execution


class WorkflowsListExecutionsOperator(ExecutionsOperator):
    """
    List executions of a workflow, newest first, and return them as a list.

    :param view: ``BASIC``, or ``FULL`` with argument, result and labels (100 a page). (templated)
    :param filter: for example ``state="SUCCEEDED"``, v1 only. (templated)
    :param order_by: for example ``startTime desc``, v1 only. (templated)
    :param limit: at most so many, 100 unless given: a list is an XCom. ``None`` for all. The log says when there are
        more.
    :param start_date_filter: only executions that started at this time or later: a datetime with a time zone, or an
        ISO 8601 text. Works on both API versions: the newest come first, so listing stops at the first older one.
        (templated)
    """

    template_fields: Sequence[str] = (
        *ExecutionsOperator.template_fields,
        "view",
        "filter",
        "order_by",
        "start_date_filter",
    )
    operator_extra_links = (WorkflowLink(),)

    def __init__(
        self,
        *,
        workflow_id: str,
        view: str = "BASIC",
        filter: str | None = None,  # noqa: A002 - the API's own name
        order_by: str | None = None,
        limit: int | None = DEFAULT_LIMIT,
        start_date_filter: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(workflow_id=workflow_id, **kwargs)
        self.view = view
        self.filter = filter
        self.order_by = order_by
        self.limit = limit
        check_limit(limit)
        self.start_date_filter = start_date_filter

    def execute(self, context: Context) -> list[Execution]:
        """List the executions."""
        self.tell_ignored()
        since = parse_time(self.start_date_filter, "start_date_filter")
        workflow = self.hook.workflow(self.workflow_id, self.location, self.project_id)
        push(context, workflow_xcoms(workflow))
        query: dict[str, Any] = {"view": self.view, "filter": self.filter, "order_by": self.order_by}
        if since is None:
            return list(self.hook.client.list(workflow, limit=self.limit, on_cut=self._tell_cut, **query))
        recent = self._since(since, self.hook.client.list(workflow, **query))
        found = list(itertools.islice(recent, self.limit))
        if found and len(found) == self.limit and next(recent, None):
            self._tell_cut()
        return found

    def _tell_cut(self) -> None:
        self.log.warning(life.list_is_cut(self.limit))

    def _since(self, since: datetime, executions: Iterator[Execution]) -> Iterator[Execution]:
        """Keep what started since then; in the default order, newest first, the first older one is the last to read."""
        keep = filter if self.order_by else itertools.takewhile
        return iter(keep(lambda each: started_at(each) >= since, executions))
