# SPDX-License-Identifier: Apache-2.0
"""
Wait for an execution on behalf of a task: in the worker or in the triggerer, with the same outcome.

Both ways fetch the FULL execution once and end in :meth:`EndsWithExecution.finish`. What the trigger's event says is
never trusted for that: events are stored, may be old or come twice.

Deadlines are absolute (epoch seconds) and go along through worker, trigger and resume. Airflow's own timers count
anew in each process, so they are only taken as another way to learn that the deadline has passed.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_workflows.compat import (
    AirflowTaskTimeout,
    BaseOperator,
    TaskDeferred,
)
from airflow_provider_workflows.core.deadlines import NO_DEADLINES, Deadlines
from airflow_provider_workflows.core.execution import (
    Execution,
    Verdict,
    age_of,
)
from airflow_provider_workflows.core.messages import life
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.exceptions import (
    ExecutionTimeout,
    WorkflowsError,
)
from airflow_provider_workflows.operators.ending import EndsWithExecution

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import Context
    from airflow_provider_workflows.operators.options import WaitingOptions
    from airflow_provider_workflows.triggers.executions import EventPayload, WorkflowExecutionTrigger

#: Airflow resumes a task with this method's name when its trigger crashed or timed out.
TRIGGER_FAILED = "__fail__"
TRIGGER_TIMEOUT = "Trigger timeout"
#: The triggerer's clock may be ahead of this worker's by so many seconds.
TRIGGERER_AHEAD = 60.0


class WaitsForExecution(EndsWithExecution):
    """Give an operator the waiting; it says where to wait and what a kill does."""

    deferrable: bool
    poll_interval: float | timedelta
    cancel_on_kill: bool = False

    def check_interval(self) -> float:
        """Return the interval, or a clear error before anything has been started."""
        from airflow_provider_workflows.api.looking import check_interval

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
        from airflow_provider_workflows.api.looking import SHORTEST_INTERVAL

        options = self._options()
        until_deadline = deadlines.until_next(self.hook.clock.time())
        if until_deadline <= options.defer_after + options.resume_after:
            return until_deadline + SHORTEST_INTERVAL
        return options.defer_after

    def _defer(self, trigger: WorkflowExecutionTrigger, deadlines: Deadlines) -> NoReturn:
        self.log.info(life.deferred(trigger.execution_name))
        raise TaskDeferred(trigger=trigger, method_name="execute_complete", kwargs={"deadlines": asdict(deadlines)})

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
            cancel_on_timeout=self.cancel_on_timeout,
            deadline=deadlines.deadline,
            queued_deadline=deadlines.queued_deadline,
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
        execution: Execution = looked or ({"state": seen} if seen else {})
        if event["status"] == "error":
            from airflow_provider_workflows.core.messages import failures

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
        name = ExecutionName.parse(event["execution_name"]) if isinstance(event, dict) else self.awaited(context)
        self.announce(context, name)
        return name

    def awaited(self, context: Context) -> ExecutionName:
        """
        Return the execution waited for, where the trigger could not say it.

        From this task's XCom: what names the workflow may have been edited since, or render differently now.
        """
        noted = self.noted(context)
        if noted is None:
            from airflow_provider_workflows.core.messages import failures

            raise WorkflowsError(failures.not_noted())
        return noted

    def noted(self, context: Context) -> ExecutionName | None:
        """Return what this try stored before it was deferred; ``None`` where that is nothing."""
        ti: Any = context["ti"]
        name = ti.xcom_pull(task_ids=self.task_id, key="execution_name", map_indexes=ti.map_index)
        return ExecutionName.parse(name) if isinstance(name, str) else None

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
