# SPDX-License-Identifier: Apache-2.0
"""
Wait for an execution on behalf of a task: in the worker or in the triggerer, with the same outcome.

Both ways end in :meth:`WaitsForExecution.finish`, which fetches the FULL execution once and decides by the one table
of states. What the trigger's event says is never trusted for that: events are stored, may be old or come twice.

Deadlines are absolute (epoch seconds) and go along through worker, trigger and resume. Airflow's own timers count
anew in each process, so they are only taken as another way to learn that the deadline has passed.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.looking import check_interval, is_passing, timed_out
from airflow_provider_workflows.compat import (
    AirflowFailException,
    AirflowTaskTimeout,
    BaseOperator,
    TaskDeferred,
    conf,
)
from airflow_provider_workflows.core.deadlines import Deadlines
from airflow_provider_workflows.core.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    Execution,
    Verdict,
    classify,
    execution_id_of,
    is_ended,
    state_names,
)
from airflow_provider_workflows.core.failure import execution_error
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
    from airflow_provider_workflows.triggers.executions import EventPayload, WorkflowExecutionTrigger

#: Airflow resumes a task with this method's name when its trigger crashed or timed out.
TRIGGER_FAILED = "__fail__"
TRIGGER_TIMEOUT = "Trigger timeout"
#: The triggerer's clock may be ahead of this worker's by so many seconds.
TRIGGERER_AHEAD = 60.0


class WaitsForExecution(WorkflowsBaseOperator):
    """Give an operator the waiting; it says what counts as success, where to wait and what a kill does."""

    deferrable: bool
    poll_interval: float
    cancel_on_kill: bool = False
    cancel_on_timeout: bool = False
    success_states: Collection[str] = SUCCESS_STATES
    failure_states: Collection[str] = FAILURE_STATES

    def check_interval(self) -> float:
        """Return the interval, or a clear error before anything has been started."""
        return check_interval(self.poll_interval)

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

    def wait(self, context: Context, name: ExecutionName, deadlines: Deadlines) -> Execution:
        """Wait for the execution where this task is to wait, and finish."""
        return (self._wait_deferred if self.deferrable else self._wait_here)(context, name, deadlines)

    def _wait_here(self, context: Context, name: ExecutionName, deadlines: Deadlines) -> Execution:
        interval = self.check_interval()
        try:
            while True:
                seen = self.hook.wait_until_ended(name, poll_interval=interval, deadlines=deadlines, **self.states())
                execution = self._look(name)
                if execution is not None:
                    break
                self.hook.clock.sleep(interval)
        except (ExecutionTimeout, AirflowTaskTimeout):
            return self._late(context, name, self._look(name) or {})
        return self.finish(context, name, execution, seen=seen.get("state"))

    def _look(self, name: ExecutionName, waited: float = math.inf) -> Execution | None:
        """Get the whole execution; ``None`` where that fails for a passing reason, which must not end a wait."""
        try:
            return self.hook.client.get(name)
        except WorkflowsApiError as exc:
            if not is_passing(exc, waited):
                raise
            self.log.warning("A look at %s failed: %s", name, exc)
            return None

    def _wait_deferred(self, context: Context, name: ExecutionName, deadlines: Deadlines) -> Execution:
        """Look once, and defer if there is something left to wait for."""
        execution = self._look(name, waited=0.0)
        if execution is not None and self.verdict(execution) is not Verdict.WAITING:
            return self.finish(context, name, execution)
        self.log.info("Waiting for %s in the triggerer.", name)
        raise TaskDeferred(
            trigger=self.trigger(name, deadlines),
            method_name="execute_complete",
            kwargs={"deadlines": asdict(deadlines)},
        )

    def trigger(self, name: ExecutionName, deadlines: Deadlines) -> WorkflowExecutionTrigger:
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
            cancel_on_kill=self.cancel_on_kill,
            **self.states(),
            end_task=self.may_end_in_triggerer(),
            **asdict(deadlines),
        )

    def may_end_in_triggerer(self) -> bool:
        """
        Tell whether a success may end this task without a worker, as ``[workflows] end_from_trigger`` asks for.

        Only where nothing is left for a worker to do: outlets and ``post_execute`` are a worker's business, and
        before Airflow 3.3 a task that ends in the triggerer loses more than it saves.
        """
        from airflow.triggers.base import BaseTrigger

        wanted = conf.getboolean("workflows", "end_from_trigger", fallback=False)
        return wanted and hasattr(BaseTrigger, "on_kill") and self.has_no_work_after_waiting()

    def has_no_work_after_waiting(self) -> bool:
        """Tell whether the execution's XComs are all that is left to be done after a success."""
        own = (type(self).execute_complete, type(self).post_execute)
        return (
            own == (WaitsForExecution.execute_complete, BaseOperator.post_execute)
            and bool(self.do_xcom_push)
            and not getattr(self, "multiple_outputs", False)
            and not self.outlets
            and getattr(self, "_post_execute_hook", None) is None
        )

    def execute_complete(
        self, context: Context, event: EventPayload | str, deadlines: dict[str, float | None] | None = None
    ) -> Execution:
        """
        Go on after the trigger's event: fetch the execution and finish, whatever the event says of it.

        Keeps no state, so a second call with the same event does the same. ``DAG.test()`` of some versions hands
        over the word "success" instead of the payload of a trigger that ended its task.
        """
        name = self._announced(context, event)
        seen = event["state"] if isinstance(event, dict) else None
        looked = self._look(name)
        # Where it cannot be fetched just now, it counts as it was seen, which is not enough to finish with.
        execution: Execution = looked if looked is not None else {"state": str(seen)}
        if looked is not None and (self.verdict(execution) is not Verdict.WAITING or self._was_passed(seen)):
            return self.finish(context, name, execution, seen=seen)
        limits = Deadlines(**(deadlines or {}))
        if not isinstance(event, dict):
            return self.wait(context, name, limits)
        if event["status"] == "error":
            raise WorkflowsError(
                f"The triggerer could not wait for {name} any longer, and the execution is still going: "
                f"{event['message']}"
            )
        triggerers_time = self.hook.clock.time() + TRIGGERER_AHEAD
        if event["status"] == "timeout" and limits.passed(execution.get("state"), triggerers_time):
            return self._late(context, name, execution)
        return self.wait(context, name, limits)

    def _announced(self, context: Context, event: EventPayload | str | None = None) -> ExecutionName:
        """Name the execution that the trigger waited for, and store its XComs (there may be none yet)."""
        known = event["execution_name"] if isinstance(event, dict) else self.awaited_id(context)
        name = self.execution_name(known)
        self.announce(context, name)
        return name

    def awaited_id(self, context: Context) -> str:
        """Return the id of the execution waited for, where the trigger could not say it: from this task's XCom."""
        ti: Any = context["ti"]
        return str(ti.xcom_pull(task_ids=self.task_id, key="execution_id", map_indexes=ti.map_index))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume; and where Airflow says only that the trigger failed, look before believing that all is lost.

        Airflow 2 ends a trigger at ``execution_timeout`` by itself, with nothing but a text for its task.
        """
        if next_method != TRIGGER_FAILED:
            return self.resume(next_method, next_kwargs, context)
        name = self._announced(context)
        execution = self._look(name) or {}
        if self.verdict(execution) is not Verdict.WAITING:
            return self.finish(context, name, execution)
        if (next_kwargs or {}).get("error") == TRIGGER_TIMEOUT:
            return self._late(context, name, execution)
        self.log.error("The trigger failed while %s is still %s.", name, execution.get("state"))
        return self.resume(next_method, next_kwargs, context)

    def resume(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume the way Airflow does."""
        return super().resume_execution(next_method, next_kwargs, context)

    def _late(self, context: Context, name: ExecutionName, execution: Execution) -> Execution:
        """Take the result of an execution that ended at the last moment; else cancel it and fail."""
        if self.verdict(execution) is not Verdict.WAITING:
            return self.finish(context, name, execution)
        if self.cancel_on_timeout:
            self.cancel(name)
        raise self.late_error(timed_out(name, execution.get("state")))

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
        state = execution.get("state")
        self.log.info("%s ended in state %s." if is_ended(state) else "%s is in state %s.", name, state)
        if self.verdict(execution) is Verdict.SUCCESS or self._was_passed(seen):
            self.push_result(context, execution)
            return self.returned(execution)
        error = execution_error(execution, name)
        if isinstance(error, ExecutionCancelled):
            raise AirflowFailException(str(error)) from error
        raise error
