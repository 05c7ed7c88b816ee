# SPDX-License-Identifier: Apache-2.0
"""Wait for an execution that something else started."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_workflows.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
    was_rescheduled,
)
from airflow_provider_workflows.core.deadlines import Deadlines, Limit
from airflow_provider_workflows.core.execution import FAILURE_STATES, SUCCESS_STATES, Execution, Verdict, states_or
from airflow_provider_workflows.core.messages import life
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.seconds import seconds_of
from airflow_provider_workflows.exceptions import ExecutionTimeout, WorkflowsApiError
from airflow_provider_workflows.links.executions import WorkflowExecutionLink, WorkflowLink
from airflow_provider_workflows.operators.base import WorkflowsBaseOperator
from airflow_provider_workflows.operators.plain import check_flags
from airflow_provider_workflows.operators.waiting import WaitsForExecution

if TYPE_CHECKING:
    from airflow_provider_workflows.api.looking import Progress
    from airflow_provider_workflows.compat import Context

WAITING_KEY = "waiting_since"


class WorkflowExecutionSensor(WaitsForExecution, BaseSensorOperator):
    """
    Wait until an execution is in a state that counts as success, and return the Execution.

    Poking, rescheduling and deferring all return the same: the FULL Execution, and the XCom ``result``. Passing
    errors of the service never fail the sensor before its ``timeout``. It never cancels the execution: that belongs
    to whoever started it.

    :param execution_id: the execution, by its id, or by its whole resource name and without ``workflow_id``.
        (templated)
    :param success_states: states that count as success, ``{"SUCCEEDED"}`` unless given: names, members of the client
        libraries' enumeration, or the API's numbers. An empty set means the default.
    :param failure_states: states that fail the task; every other end of an execution fails it, too.
    :param deferrable: wait in the triggerer, without a worker, after the first ``[workflows] defer_after`` seconds.
    :param poke_interval: seconds between two looks, a number or a timedelta; a deferrable sensor looks more often at
        young executions.
    :param timeout: seconds from the start of waiting, over deferrals and reschedules: a number or a timedelta.
    :param start_from_trigger: begin in the triggerer, and end there when the execution SUCCEEDED with a small
        result: no worker at all. Needs Airflow 3.3, ``project_id`` and ``location``, and no XCom as an argument;
        in a mapped task Airflow begins on a worker all the same.
    :param soft_fail: skip the task on timeout only: an execution that ended badly, a cancelled one included, and errors
        of the API still fail it.
    :param request_timeout: ignored, as ``retry`` and ``metadata`` are: the Google provider's sensor has them.
    :raises AirflowSensorTimeout: after ``timeout``.
    :raises ExecutionFailed: with the service's message, the failing step and its line.
    :raises AirflowFailException: from :class:`ExecutionCancelled`.
    """

    ignored_arguments: ClassVar[Sequence[str]] = ("retry", "request_timeout", "metadata")
    template_fields: Sequence[str] = (*WorkflowsBaseOperator.template_fields, "execution_id")
    operator_extra_links = (WorkflowExecutionLink(), WorkflowLink())

    def __init__(
        self,
        *,
        execution_id: str,
        workflow_id: str | None = None,
        success_states: Collection[Any] | str | None = None,
        failure_states: Collection[Any] | str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        request_timeout: Any = None,
        **kwargs: Any,
    ) -> None:
        # Airflow's own __init__ takes any number, and fails for the infinite one without a word about which. That of a
        # DAG's default arguments, it looks up itself.
        defaults = {name: span for name, span in (kwargs.get("default_args") or {}).items() if span is not None}
        given = {**defaults, **kwargs}
        spans = {name: given[name] for name in ("poke_interval", "timeout") if name in given}
        kwargs.update({name: seconds_of(span, name, zero=name == "timeout") for name, span in spans.items()})
        super().__init__(workflow_id=workflow_id, **kwargs)
        self.execution_id = execution_id
        self.success_states = states_or(SUCCESS_STATES, success_states, "success_states")
        self.failure_states = states_or(FAILURE_STATES, failure_states, "failure_states")
        self.deferrable = deferrable
        self.start_from_trigger = start_from_trigger
        check_flags(self, "deferrable", "start_from_trigger", "soft_fail", "never_fail")
        self.deferrable = deferrable or start_from_trigger
        self.request_timeout = request_timeout
        self._progress: Progress | None = None
        self._began: float | None = None
        if start_from_trigger:
            from airflow_provider_workflows.sensors.start import start_trigger_args

            self.start_trigger_args = start_trigger_args(self, self.longest_wait())

    def awaited(self, context: Context) -> ExecutionName:  # noqa: ARG002 - a create has to look it up
        """Return the execution waited for, which this sensor's own parameters name."""
        return self.execution_name(self.execution_id)

    def check_interval(self) -> float:
        """Return the sensor's own interval."""
        from airflow_provider_workflows.api.looking import check_interval

        return check_interval(self.poke_interval, "poke_interval")

    def execute(self, context: Context) -> Any:
        """Wait: deferred where asked to, else by poking."""
        from airflow_provider_workflows.api.looking import Progress

        self.tell_ignored()
        self.check_waiting()
        name = self.execution_name(self.execution_id)
        self.announce(context, name)
        if not self.deferrable:
            again = self.reschedule and was_rescheduled(context)
            # The line that would be said again at each look; the step is one.
            self._progress = Progress(name, self.log, told="ACTIVE" if again else None)
            if not again:
                self.log.info(life.waiting(name))
            return self._poking(context, name)
        since = self._waiting_since(context)
        self.log.info(life.waiting(name))
        deadlines = Deadlines(deadline=since + self.longest_wait(), since=since)
        return self._skipping(self.wait, context, name, deadlines)

    def longest_wait(self) -> float:
        """Return the seconds after which a deferred sensor is late; Airflow 3 leaves ``execution_timeout`` to it."""
        return self._shorter(self.execution_timeout)[0]

    def _shorter(self, execution_timeout: timedelta | None) -> tuple[float, str]:
        limits = [(float(self.timeout), "timeout")]
        if execution_timeout is not None:
            limits.append((execution_timeout.total_seconds(), "execution_timeout"))
        return min(limits, key=lambda each: each[0])

    def limit(self, state: str | None, deadlines: Deadlines) -> Limit | None:  # noqa: ARG002 - the base's
        """Return by which parameter a deferred sensor is late."""
        seconds, parameter = self._shorter(self._execution_timeout)
        return deadlines.limit(parameter, seconds, deadlines.deadline)

    def _waiting_since(self, context: Context) -> float:
        """
        Return when the first try since the last clear began to wait.

        Airflow 3.3 and later keep it; earlier ones do not, and each try of a deferrable sensor counts anew there.
        """
        from airflow_provider_workflows.core.messages import retries
        from airflow_provider_workflows.operators.identity import identity_of

        now = self.hook.clock.time()
        store: Any = context.get("task_state_store")
        if store is None:
            return now
        generation = identity_of(context, retries=self.retries or 0).generation
        try:
            record = store.get(WAITING_KEY)
            if isinstance(record, dict) and record.get("generation") == generation:
                since = float(record["since"])
                return min(now, since) if since > 0 else now  # another worker's clock may be ahead; NaN is no time
            store.set(WAITING_KEY, {"since": now, "generation": generation})
        except Exception:  # a backend that is away must not end a wait, nor must what somebody else has stored
            self.log.exception(retries.waiting_unknown())
        return now

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; an execution that has ended badly raises."""
        from airflow_provider_workflows.api.looking import Progress, is_passing
        from airflow_provider_workflows.api.outage import Outage, warn_of_outage

        name = self.execution_name(self.execution_id)
        if self._progress is None:
            self._progress = Progress(name, self.log)
        if self._began is None:
            self._outage, self._began = Outage(), self.hook.clock.monotonic()
        try:
            execution = self.hook.client.without_retries().look(name)
        except WorkflowsApiError as exc:
            # A new process pokes after each rescheduling, so there is no telling for how long it has not been found.
            waited = float("inf") if self.reschedule else self.hook.clock.monotonic() - self._began
            if not is_passing(exc, waited):
                raise
            if (lasted := self._outage.failed(self.hook.clock.monotonic())) is not None:
                warn_of_outage(self.log, name, exc, self.check_interval(), lasted)
            return PokeReturnValue(is_done=False)
        self._progress.saw(execution)
        self._outage.is_over()
        whole = None if self.verdict(execution) is Verdict.WAITING else self._look(name)
        if whole is None:
            return PokeReturnValue(is_done=False)
        finished = self.finish(context, name, whole, seen=execution.get("state"))
        return PokeReturnValue(is_done=True, xcom_value=finished)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume, with the outcome that poking would have had."""
        return self._skipping(super().resume_execution, next_method, next_kwargs, context)

    def resume(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume without the base sensor's handling of ``soft_fail``.

        On resuming, that turns any Airflow error into a skip, a missing connection or a crashed trigger among them;
        poking does not, and neither does this.
        """
        return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)

    def late_error(self, error: ExecutionTimeout) -> Exception:
        """Fail as sensors do; the execution goes on."""
        late = AirflowSensorTimeout(str(error))
        late.__cause__ = error
        return late

    def _poking(self, context: Context, name: ExecutionName) -> Any:
        """
        Wait as Airflow's sensors do, but for two things.

        With ``soft_fail`` Airflow skips for an :class:`AirflowFailException`, too, which a cancelled execution is. And
        its own words for a sensor that is late do not name the execution.
        """
        # Airflow 2 warns of a task that is called by another one, and takes this for such a call.
        poking = getattr(BaseSensorOperator.execute, "__wrapped__", BaseSensorOperator.execute)
        deadline = None if self.reschedule else self.hook.clock.time() + float(self.timeout)
        try:
            return poking(self, context)
        except AirflowSensorTimeout:
            late = self._late_poking(name, deadline)
            raise late from late.__cause__
        except AirflowSkipException as exc:
            failed = exc.__cause__
            if self.soft_fail and failed is None:  # it is late
                late = self._late_poking(name, deadline)
                raise AirflowSkipException(str(late)) from late
            if self.soft_fail and isinstance(failed, AirflowFailException):
                raise failed from failed.__cause__
            raise

    def _late_poking(self, name: ExecutionName, deadline: float | None) -> Exception:
        from airflow_provider_workflows.api.looking import timed_out

        state = self._progress.state if self._progress else None
        return self.late_error(timed_out(name, state, Limit("timeout", float(self.timeout), deadline)))

    def _skipping(self, wait: Callable[..., Execution], *args: Any) -> Execution:
        """Skip as poking does: with ``soft_fail`` on a timeout, with ``never_fail`` for everything else."""
        try:
            return wait(*args)
        except AirflowSkipException:
            raise
        except Exception as exc:
            late = isinstance(exc, AirflowSensorTimeout)
            if self.soft_fail if late else self.never_fail:
                if not late:  # which says itself what happened
                    self.log.exception(life.skipping())
                raise AirflowSkipException(str(exc)) from exc
            raise
