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
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_workflows.api.looking import SHORTEST_INTERVAL, check_interval, is_passing, timed_out
from airflow_provider_workflows.compat import (
    AirflowFailException,
    AirflowTaskTimeout,
    BaseOperator,
    TaskDeferred,
)
from airflow_provider_workflows.core.deadlines import NO_DEADLINES, Deadlines, Limit
from airflow_provider_workflows.core.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    Execution,
    Verdict,
    age_of,
    classify,
    duration_of,
    execution_id_of,
    is_ended,
    state_names,
)
from airflow_provider_workflows.core.messages import failures, life, looks
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
    from airflow_provider_workflows.operators.options import WaitingOptions
    from airflow_provider_workflows.triggers.executions import EventPayload, WorkflowExecutionTrigger

#: Airflow resumes a task with this method's name when its trigger crashed or timed out.
TRIGGER_FAILED = "__fail__"
TRIGGER_TIMEOUT = "Trigger timeout"
#: Seconds for the last look at an execution whose time is over: it is to be cancelled, whatever the look meets.
LAST_LOOK_BOUND = 10.0
#: The triggerer's clock may be ahead of this worker's by so many seconds.
TRIGGERER_AHEAD = 60.0


class WaitsForExecution(WorkflowsBaseOperator):
    """Give an operator the waiting; it says what counts as success, where to wait and what a kill does."""

    deferrable: bool
    poll_interval: float | timedelta
    cancel_on_kill: bool = False
    cancel_on_timeout: bool = False
    success_states: Collection[str] = SUCCESS_STATES
    failure_states: Collection[str] = FAILURE_STATES
    _execution_timeout: timedelta | None = None

    def check_interval(self) -> float:
        """Return the interval, or a clear error before anything has been started."""
        return check_interval(self.poll_interval)

    def check_waiting(self) -> None:
        """Check all that waiting needs, before anything is started."""
        self.check_interval()
        self.states()
        if self.deferrable:
            self._options()

    @staticmethod
    def _options() -> WaitingOptions:
        """Read the configuration; imported here, because parsing a DAG file needs none of it."""
        from airflow_provider_workflows.operators.options import WaitingOptions

        return WaitingOptions.read()

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

    def wait(
        self, context: Context, name: ExecutionName, deadlines: Deadlines, *, triggerer_ahead: float = 0.0
    ) -> Execution:
        """
        Wait for the execution where this task is to wait, and finish.

        A deferrable task waits in its worker first: many executions are over before a triggerer could look.

        :param triggerer_ahead: seconds by which the triggerer's clock is known to be ahead.
        """
        interval = self.check_interval()
        patience = self._patience(deadlines) if self.deferrable else math.inf
        try:
            while True:
                seen = self.hook.wait_until_ended(
                    name, poll_interval=interval, deadlines=deadlines, patience=patience, **self.states()
                )
                if self.verdict(seen) is Verdict.WAITING:
                    self._defer(self.trigger(name, deadlines, seen, triggerer_ahead), deadlines)
                execution = self._look(name)
                if execution is not None:
                    break
                self.hook.clock.sleep(interval)
        except (ExecutionTimeout, AirflowTaskTimeout):
            return self._late(context, name, self._last_look(name), deadlines)
        return self.finish(context, name, execution, seen=seen.get("state"))

    def _patience(self, deadlines: Deadlines) -> float:
        """
        Return the seconds for which a deferrable task waits in its worker.

        Beyond a deadline that a triggerer would have to report before the scheduler is ready for it.
        """
        options = self._options()
        until_deadline = deadlines.until_next(self.hook.clock.time())
        if until_deadline <= options.defer_after + options.resume_after:
            return until_deadline + SHORTEST_INTERVAL
        return options.defer_after

    def _defer(self, trigger: WorkflowExecutionTrigger, deadlines: Deadlines) -> NoReturn:
        self.log.info(life.deferred(trigger.execution_name))
        raise TaskDeferred(trigger=trigger, method_name="execute_complete", kwargs={"deadlines": asdict(deadlines)})

    def _look(self, name: ExecutionName) -> Execution | None:
        """Get the whole execution; ``None`` where that fails for a passing reason, which must not end a wait."""
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

    def trigger(
        self, name: ExecutionName, deadlines: Deadlines, seen: Execution, triggerer_ahead: float
    ) -> WorkflowExecutionTrigger:
        """Make the trigger that waits for an execution, which was ``seen`` last as that."""
        from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger

        options, now = self._options(), self.hook.clock.time()
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
            end_task=self.may_end_in_triggerer(options),
            started_at=now - age_of(seen, now),
            deferred_at=now,
            resume_after=options.resume_after,
            clock_ahead=triggerer_ahead,
            **asdict(deadlines),
        )

    def may_end_in_triggerer(self, options: WaitingOptions) -> bool:
        """
        Tell whether a success may end this task without a worker, as ``[workflows] end_from_trigger`` asks for.

        Only where nothing is left for a worker to do: outlets and ``post_execute`` are a worker's business, and
        before Airflow 3.3 a task that ends in the triggerer loses more than it saves.
        """
        from airflow.triggers.base import BaseTrigger

        return options.end_from_trigger and hasattr(BaseTrigger, "on_kill") and self.has_no_work_after_waiting()

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
        if not isinstance(event, dict):
            return self.wait(context, name, Deadlines(**(deadlines or {})))
        brought = Deadlines(event.get("deadline"), event.get("queued_deadline"))
        limits = Deadlines(**deadlines) if deadlines else brought
        seen, timeout = event["state"], event["status"] == "timeout"
        looked = self._last_look(name) if timeout else self._look(name)
        if looked and (self.verdict(looked) is not Verdict.WAITING or self._was_passed(seen)):
            return self.finish(context, name, looked, seen=seen)
        # Where it cannot be fetched just now, it counts as it was seen, which is not enough to finish with.
        execution: Execution = looked or {"state": str(seen)}
        if event["status"] == "error":
            text = failures.not_waited_for(name, execution.get("state"), event["message"])
            raise WorkflowsError(text, execution_name=str(name))
        now = self.hook.clock.time()
        if timeout and limits.passed(execution.get("state"), now + TRIGGERER_AHEAD):
            return self._late(context, name, execution, limits)
        return self.wait(context, name, limits, triggerer_ahead=max(0.0, (event.get("time") or now) - now))

    def _announced(self, context: Context, event: EventPayload | str | None = None) -> ExecutionName:
        """
        Name the execution that the trigger waited for, and store its XComs (there may be none yet).

        From the event alone, where there is one: a kill may come before Airflow has answered anything.
        """
        if isinstance(event, dict):
            name = ExecutionName.parse(event["execution_name"])
        else:
            name = self.execution_name(self.awaited_id(context))
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
        if (next_kwargs or {}).get("error") == TRIGGER_TIMEOUT:
            return self._late(context, name, self._last_look(name), NO_DEADLINES)
        execution = self._look(name) or {}
        if self.verdict(execution) is not Verdict.WAITING:
            return self.finish(context, name, execution)
        self.log.error(life.trigger_failed(name, execution.get("state")))
        return self.resume(next_method, next_kwargs, context)

    def resume(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume the way Airflow does."""
        return super().resume_execution(next_method, next_kwargs, context)

    def _late(self, context: Context, name: ExecutionName, execution: Execution, deadlines: Deadlines) -> Execution:
        """Take the result of an execution that ended at the last moment; else cancel it and fail."""
        if self.verdict(execution) is not Verdict.WAITING:
            return self.finish(context, name, execution)
        if self.cancel_on_timeout:
            self.cancel(name)
        state = execution.get("state")
        raise self.late_error(timed_out(name, state, self.limit(state, deadlines)))

    def limit(self, state: str | None, deadlines: Deadlines) -> Limit | None:  # noqa: ARG002 - a queue has its own
        """Return by which parameter an execution in this state is late; ``None`` where the task has none."""
        limit = self._execution_timeout
        return None if limit is None else Limit("execution_timeout", limit.total_seconds(), deadlines.deadline)

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

        error = failure(self.hook.client, execution, name)
        if isinstance(error, ExecutionCancelled):
            raise AirflowFailException(failures.not_retried(name)) from error
        raise error
