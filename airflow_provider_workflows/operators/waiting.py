# SPDX-License-Identifier: Apache-2.0
"""
Wait for an execution on behalf of a task: in the worker or in the triggerer, with the same outcome.

Both ways end in :meth:`WaitsForExecution.finish`, which fetches the FULL execution once and decides by the one table
of states. What the trigger's event says is never trusted for that: events are stored, may be old or come twice.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_workflows.exceptions import ExecutionCancelled, WorkflowsError
from airflow_provider_workflows.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    Execution,
    ExecutionName,
    Verdict,
    classify,
    execution_error,
    execution_id_of,
)
from airflow_provider_workflows.operators.base import WorkflowsBaseOperator
from airflow_provider_workflows.waiting import check_interval, timed_out

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_workflows.triggers.executions import EventPayload, WorkflowExecutionTrigger


class WaitsForExecution(WorkflowsBaseOperator):
    """Give an operator the waiting; it says what counts as success and where to wait."""

    deferrable: bool
    poll_interval: float
    cancel_on_kill: bool = False
    success_states: Collection[str] = SUCCESS_STATES
    failure_states: Collection[str] = FAILURE_STATES

    def check_interval(self) -> float:
        """Return the interval, or a clear error before anything has been started."""
        return check_interval(self.poll_interval)

    def name_of(self, execution: Execution) -> ExecutionName:
        """Name an execution that the service returned, with the project as it was requested."""
        return self.execution_name(execution_id_of(execution))

    def verdict(self, execution: Execution) -> Verdict:
        """Classify an execution by this task's states."""
        return classify(execution.get("state"), self.success_states, self.failure_states)

    def wait(self, context: Context, name: ExecutionName, deadline: float | None = None) -> Execution:
        """Wait for the execution where this task is to wait; the deferrable way looks once before it defers."""
        if not self.deferrable:
            self.hook.wait_until_ended(
                name,
                poll_interval=self.check_interval(),
                deadline=deadline,
                success_states=self.success_states,
                failure_states=self.failure_states,
            )
            return self.finish(context, name, self.hook.client.get(name))
        execution = self.hook.client.get(name)
        if self.verdict(execution) is Verdict.WAITING:
            self.log.info("%s is %s: waiting in the triggerer.", name, execution.get("state"))
            self.defer(trigger=self.trigger(name, deadline), method_name="execute_complete")
        return self.finish(context, name, execution)

    def trigger(self, name: ExecutionName, deadline: float | None) -> WorkflowExecutionTrigger:
        """Make the trigger that waits for the execution."""
        from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger

        return WorkflowExecutionTrigger(
            project_id=name.workflow_name.project,
            location=name.workflow_name.location,
            workflow_id=name.workflow_name.workflow,
            execution_id=name.execution_id,
            gcp_conn_id=self.gcp_conn_id,
            impersonation_chain=self.impersonation_chain,
            api_version=self.api_version,
            api_endpoint=self.api_endpoint,
            poll_interval=self.check_interval(),
            deadline=deadline,
            cancel_on_kill=self.cancel_on_kill,
            success_states=self.success_states,
            failure_states=self.failure_states,
        )

    def execute_complete(self, context: Context, event: EventPayload) -> Execution:
        """
        Go on after the trigger's event: fetch the execution and finish, whatever the event says of it.

        Keeps no state, so a second call with the same event does the same.
        """
        name = self.execution_name(event["execution_name"].rpartition("/")[2])
        self.announce(context, name)
        execution = self.hook.client.get(name)
        if self.verdict(execution) is not Verdict.WAITING:
            return self.finish(context, name, execution)
        if event["status"] == "timeout":
            return self.deadline_passed(name, execution)
        if event["status"] == "error":
            raise WorkflowsError(f"The triggerer could not wait for {name} any longer: {event['message']}")
        return self.wait(context, name)

    def deadline_passed(self, name: ExecutionName, execution: Execution) -> Execution:
        """Fail, because the execution did not end in time."""
        raise timed_out(name, execution.get("state"))

    def finish(self, context: Context, name: ExecutionName, execution: Execution) -> Execution:
        """
        Return the execution and store its result, or raise what it ended with.

        :raises AirflowFailException: from :class:`ExecutionCancelled`: somebody stopped it, so a retry is not wanted.
        :raises ExecutionFailed, ExecutionUnavailable: for the other ends.
        """
        self.log.info("%s ended in state %s.", name, execution.get("state"))
        if self.verdict(execution) is Verdict.SUCCESS:
            self.push_result(context, execution)
            return execution
        error = execution_error(execution, name)
        if isinstance(error, ExecutionCancelled):
            raise AirflowFailException(str(error)) from error
        raise error
