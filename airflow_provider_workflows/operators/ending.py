# SPDX-License-Identifier: Apache-2.0
"""
End a task that waited for an execution: with its result, with what it ended with, or because it is late.

All ways of waiting end in :meth:`EndsWithExecution.finish`, which decides by the one table of states.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.compat import AirflowFailException
from airflow_provider_workflows.core.deadlines import Deadlines, Limit
from airflow_provider_workflows.core.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    Execution,
    Verdict,
    classify,
    duration_of,
    execution_id_of,
    is_ended,
    state_names,
)
from airflow_provider_workflows.core.messages import life, looks
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.exceptions import (
    ExecutionCancelled,
    ExecutionTimeout,
    WorkflowsApiError,
    WorkflowsError,
)
from airflow_provider_workflows.operators.base import WorkflowsBaseOperator

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import Context

#: Seconds for the last look at an execution whose time is over: it is to be cancelled, whatever the look meets.
LAST_LOOK_BOUND = 10.0


class EndsWithExecution(WorkflowsBaseOperator):
    """Give an operator the end of its waiting; it says what counts as success and whether a late one is cancelled."""

    cancel_on_timeout: bool = False
    success_states: Collection[str] = SUCCESS_STATES
    failure_states: Collection[str] = FAILURE_STATES
    _execution_timeout: timedelta | None = None

    def name_of(self, execution: Execution) -> ExecutionName:
        """Name an execution that the service returned, with the project as it was requested."""
        return self.execution_name(execution_id_of(execution))

    def states(self) -> dict[str, Any]:
        """Return the states that end the wait, by name: the client libraries have an enumeration of them."""
        return {
            "success_states": state_names(self.success_states, "success_states"),
            "failure_states": state_names(self.failure_states, "failure_states"),
        }

    def verdict(self, execution: Execution) -> Verdict:
        """Classify an execution by this task's states."""
        return classify(execution.get("state"), **self.states())

    def pre_execute(self, context: Any) -> None:
        """
        Leave ``execution_timeout`` of a resumed task to the deadline that it brings along.

        Airflow 2 counts it from the task's first start and ends a late task before it is called: nobody would look
        at its execution or cancel it.
        """
        super().pre_execute(context)
        self._execution_timeout = self.execution_timeout
        if getattr(context["ti"], "next_method", None):
            self.execution_timeout = None

    def _look(self, name: ExecutionName) -> Execution | None:
        """Get the whole execution; ``None`` where that fails for a passing reason, which must not end a wait."""
        from airflow_provider_workflows.api.looking import is_passing

        try:
            return self.hook.client.get(name)
        except WorkflowsApiError as exc:
            if not is_passing(exc, math.inf):
                raise
            self.log.warning(looks.look_failed(name, exc))
            return None

    def _last_look(self, name: ExecutionName) -> Execution:
        """Get the whole execution when its time is over; where that fails, it is to be cancelled all the same."""
        try:
            return self.hook.client.within(LAST_LOOK_BOUND).get(name)
        except WorkflowsApiError as exc:
            self.log.warning(looks.last_look_failed(name, exc))
            return {}

    def _late(self, context: Context, name: ExecutionName, execution: Execution, deadlines: Deadlines) -> Execution:
        """Take the result of an execution that ended at the last moment; else cancel it and fail."""
        from airflow_provider_workflows.api.looking import timed_out

        if self.verdict(execution) is not Verdict.WAITING:
            return self.finish(context, name, execution)
        if self.cancel_on_timeout:
            self.cancel(name)
        state = execution.get("state")
        raise self.late_error(timed_out(name, state, self.limit(state, deadlines)))

    def limit(self, state: str | None, deadlines: Deadlines) -> Limit | None:  # noqa: ARG002 - a queue has its own
        """Return by which parameter an execution in this state is late; ``None`` where the task has none."""
        if self._execution_timeout is None:
            return None
        return deadlines.limit("execution_timeout", self._execution_timeout.total_seconds(), deadlines.deadline)

    def cancel(self, name: ExecutionName) -> None:
        """Cancel an execution in a bounded time; what keeps it from being cancelled is only logged."""
        from airflow_provider_workflows.api.cancelling import Cancelling, cancel_bounded

        try:
            client = self.hook.client
        except WorkflowsError as exc:  # of a process that has not talked to the service yet
            cancelling = Cancelling(name, self.hook.clock, self.log)
            cancelling.failed(exc)
            cancelling.report()
        else:
            cancel_bounded(client, name, self.log)

    def late_error(self, error: ExecutionTimeout) -> Exception:
        """Return what to raise for an execution that did not end in time."""
        return error

    def _was_passed(self, seen: str | None) -> bool:
        """Tell whether a state that was waited for, and is no end, has been seen: the execution may have moved on."""
        return seen in self.states()["success_states"] and not is_ended(seen)

    def finish(
        self, context: Context, name: ExecutionName, execution: Execution, *, seen: str | None = None
    ) -> Execution:
        """
        Return the execution and store its result, or raise what it ended with.

        :param seen: the state that ended the wait, a moment before ``execution`` was fetched.
        :raises AirflowFailException: from :class:`ExecutionCancelled`: somebody stopped it, so a retry is not wanted.
        :raises ExecutionFailed, ExecutionUnavailable: for the other ends.
        """
        if self.verdict(execution) is Verdict.SUCCESS or self._was_passed(seen):
            self.log.info(life.succeeded(name, execution.get("state"), duration_of(execution)))
            self.push_result(context, execution)
            return self.returned(execution)
        from airflow_provider_workflows.api.failure import failure
        from airflow_provider_workflows.core.messages import failures

        error = failure(self.hook.client, execution, name)
        if isinstance(error, ExecutionCancelled):
            raise AirflowFailException(failures.not_retried(name)) from error
        raise error
