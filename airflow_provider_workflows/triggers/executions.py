# SPDX-License-Identifier: Apache-2.0
"""
Wait for an execution in the triggerer.

The trigger's arguments and its event are stored in Airflow's database, so they hold names, ids and numbers only:
never the execution's argument, its result or a credential.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_workflows.compat import AirflowException
from airflow_provider_workflows.core.clock import SYSTEM_CLOCK, Clock
from airflow_provider_workflows.core.deadlines import Deadlines
from airflow_provider_workflows.core.defaults import DEFAULT_CONNECTION_ID
from airflow_provider_workflows.core.execution import (
    FAILURE_STATES,
    SUCCESS_STATES,
    Verdict,
    classify,
    duration_of,
    is_ended,
    states_or,
)
from airflow_provider_workflows.core.messages import life
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName, said
from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.core.xcoms import execution_xcoms, result_xcoms
from airflow_provider_workflows.exceptions import WorkflowsError
from airflow_provider_workflows.hooks.connection import ConnectionArguments
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.triggers.kill import cancel_if_killed, cancel_if_nobody_takes_it

if TYPE_CHECKING:
    from airflow_provider_workflows.polling.poller import Poller
    from airflow_provider_workflows.polling.shared import shared_poller

Status = Literal["success", "failed", "timeout", "error"]
AIRFLOW_CALLS_ON_KILL = hasattr(BaseTrigger, "on_kill")
#: Seconds by which this machine's clock and the worker's may differ, where it matters whether a deferral is long past.
CLOCK_SKEW = 60.0
#: Characters of JSON up to which an execution may end its task from the triggerer: it travels through an event.
LARGEST_END = 16_384

# Thousands of triggers begin at once and share a few of these.
_workflow = functools.lru_cache(maxsize=256)(WorkflowName)
_arguments = functools.lru_cache(maxsize=256)(ConnectionArguments)


def _check_number(parameter: str, value: Any, *, optional: bool = False) -> None:
    if not (value is None and optional) and (not isinstance(value, (int, float)) or isinstance(value, bool)):
        raise ValueError(f"{parameter} must be a number of seconds, got {quoted(value)}.")


class EventPayload(TypedDict, total=False):
    """
    Describe the one event of the trigger.

    ``status`` is ``success`` or ``failed`` for an execution that has ended, ``timeout`` at the deadline, ``error``
    when a look failed for a lasting reason. ``state`` is the last one seen. Deadlines go along where there are any,
    because ``DAG.test()`` gives a resumed task the event and nothing else; and with them ``time``, this machine's, to
    tell when its clock is wrong. All three are epoch seconds.
    """

    status: Status
    state: str | None
    execution_name: str
    message: str
    deadline: float | None
    queued_deadline: float | None
    time: float


class WorkflowExecutionTrigger(BaseTrigger):
    """
    Fire once, when the execution has ended, the deadline has passed or looking at it has become hopeless.

    Passing errors (429, server errors, broken connections, an expired token) never end it before its deadline.

    :param project_id: the project as it was requested (id or number).
    :param location: the workflow's region.
    :param workflow_id: the workflow, by id or whole resource name.
    :param execution_id: the execution, by id or whole resource name.
    :param gcp_conn_id: the Airflow connection.
    :param impersonation_chain: as in the operators.
    :param api_version: ``v1`` or ``v1beta``; ``None`` for the connection's.
    :param api_endpoint: another base URL than Google's; ``None`` for the connection's.
    :param poll_interval: the most seconds between two looks; up to a tenth less by jitter, and up to 30 % less in all
        where that lets it share a request with others.
    :param deadline: epoch seconds, so that it means the same after a move to another triggerer; ``None`` for none.
    :param cancel_on_kill: cancel the execution when a user kills the deferred task.
    :param success_states: states that count as success.
    :param failure_states: states that count as failure; every other end does, too.
    :param queued_deadline: epoch seconds by which the execution must have left the state QUEUED; ``None`` for none.
    :param end_task: end the task from the triggerer when the execution SUCCEEDED with a small result, so that no
        worker process starts for it again (Airflow 3.3 and later).
    :param started_at: epoch seconds when the execution began: young ones are looked at more often; ``None`` for
        fixed rounds.
    :param deferred_at: epoch seconds when the task was deferred; ``None`` for now.
    :param resume_after: seconds from the deferral to the event, at the least; an event that ends the task from here
        needs no wait.
    :param clock_ahead: seconds by which the triggerer's clock was found to be ahead of the worker's, whose time the
        deadlines are.
    :param cancel_on_timeout: the task cancels the execution when it is late, and so a task that is over after such
        an event has left nothing going on purpose.
    """

    def __init__(
        self,
        project_id: str,
        location: str,
        workflow_id: str,
        execution_id: str,
        gcp_conn_id: str = DEFAULT_CONNECTION_ID,
        impersonation_chain: str | Sequence[str] | None = None,
        api_version: str | None = None,
        api_endpoint: str | None = None,
        poll_interval: float = 10.0,
        deadline: float | None = None,
        cancel_on_kill: bool = True,
        success_states: Collection[str] = SUCCESS_STATES,
        failure_states: Collection[str] = FAILURE_STATES,
        queued_deadline: float | None = None,
        end_task: bool = False,
        started_at: float | None = None,
        deferred_at: float | None = None,
        resume_after: float = 0.0,
        clock_ahead: float = 0.0,
        cancel_on_timeout: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.project_id = project_id
        self.location = location
        self.workflow_id = workflow_id
        self.execution_id = execution_id
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_version = api_version
        self.api_endpoint = api_endpoint
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.cancel_on_kill = cancel_on_kill
        self.success_states = states_or(SUCCESS_STATES, success_states, "success_states")
        self.failure_states = states_or(FAILURE_STATES, failure_states, "failure_states")
        self.queued_deadline = queued_deadline
        self.end_task = end_task
        self.started_at = started_at
        self.deferred_at = deferred_at
        self.resume_after = resume_after
        self.clock_ahead = clock_ahead
        self.cancel_on_timeout = cancel_on_timeout
        for name in ("deadline", "queued_deadline", "started_at", "deferred_at"):
            _check_number(name, getattr(self, name), optional=True)
        for name in ("poll_interval", "resume_after", "clock_ahead"):
            _check_number(name, getattr(self, name))
        self.clock: Clock = SYSTEM_CLOCK
        self._state: str | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds this trigger."""
        chain = self.impersonation_chain
        return (
            "airflow_provider_workflows.triggers.executions.WorkflowExecutionTrigger",
            {
                "project_id": self.project_id,
                "location": self.location,
                "workflow_id": self.workflow_id,
                "execution_id": self.execution_id,
                "gcp_conn_id": self.gcp_conn_id,
                "impersonation_chain": chain if chain is None or isinstance(chain, str) else list(chain),
                "api_version": self.api_version,
                "api_endpoint": self.api_endpoint,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "cancel_on_kill": self.cancel_on_kill,
                "success_states": sorted(self.success_states),
                "failure_states": sorted(self.failure_states),
                "queued_deadline": self.queued_deadline,
                "end_task": self.end_task,
                "started_at": self.started_at,
                "deferred_at": self.deferred_at,
                "resume_after": self.resume_after,
                "clock_ahead": self.clock_ahead,
                "cancel_on_timeout": self.cancel_on_timeout,
            },
        )

    @property
    def execution_name(self) -> ExecutionName:
        """Return the name of the execution waited for."""
        parts = said(self.workflow_id, self.execution_id, self.location, self.project_id)
        return ExecutionName(_workflow(parts.project_id, parts.location, parts.workflow_id), parts.execution_id)

    @property
    def _connection(self) -> ConnectionArguments:
        chain = self.impersonation_chain
        hashable = chain if chain is None or isinstance(chain, str) else tuple(chain)
        try:
            return _arguments(self.gcp_conn_id, hashable, self.api_version, self.api_endpoint)
        except TypeError:  # one is no key: it is of a wrong type
            ConnectionArguments(self.gcp_conn_id, hashable, self.api_version, self.api_endpoint).check()
            raise

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """
        Yield the one event.

        Where Airflow has no ``on_kill`` for triggers (before 3.3), a kill arrives as a cancellation like a shutdown
        does; the task instance tells which it is. The cancellation is always passed on.
        """
        began, log = self.clock.monotonic(), LoopLog(self.log)
        try:
            event = await self._wait(log)
            await log.written()
            if not isinstance(event, TaskSuccessEvent) and (left := self._too_early(began)) > 0:
                await self.clock.async_sleep(left)
        except asyncio.CancelledError:
            # At the deadline Airflow 2 ends the trigger by itself; what then becomes of the execution is its task's.
            late = Deadlines(**self._ends).passed(self._state, self.clock.time() + 1)
            if not AIRFLOW_CALLS_ON_KILL and not late:
                await self.on_kill()
            raise
        yield event
        if not isinstance(event, TaskSuccessEvent) and event.payload["status"] == "timeout":
            self._after_timeout()

    def _after_timeout(self) -> None:
        """
        See to an execution that the event has left going, should its task have been killed meanwhile.

        Only where a task that was told and is over leaves no execution going either.
        """
        leaves_none = self.cancel_on_timeout and all(map(is_ended, self.success_states))
        if self.cancel_on_kill and leaves_none:
            cancel_if_nobody_takes_it(self, self.execution_name, self._poller, self.clock)

    def _too_early(self, began: float) -> float:
        """
        Return the seconds until a task may be resumed.

        Airflow 3.3 fails a task that is queued again before its scheduler has noticed the end of the process that
        deferred it, which takes a turn of the scheduler's loop. A deferral that is past by any clock needs no wait.
        """
        since = self.clock.time() - (self.deferred_at or self.clock.time())
        if since > self.resume_after + CLOCK_SKEW:
            return 0.0
        return began + self.resume_after - self.clock.monotonic()

    @property
    def _ends(self) -> dict[str, float | None]:
        """Return the deadlines by this machine's clock."""
        ends = {"deadline": self.deadline, "queued_deadline": self.queued_deadline}
        return {name: None if end is None else end + self.clock_ahead for name, end in ends.items()}

    async def on_kill(self) -> None:
        """
        Cancel the execution when a user has killed the task: marked it, cleared it, or failed its DAG run.

        The task instance is asked first; where that cannot be done, nothing is cancelled. Bounded in time; one that
        is over is no error.
        """
        if self.cancel_on_kill:
            await cancel_if_killed(self, self.execution_name, self._poller)

    async def _wait(self, log: LoopLog) -> TriggerEvent:
        try:
            if self.deferred_at is None:  # no worker has begun this wait and said so
                log.info(life.waiting(self.execution_name))
            async with self._poller() as poller:
                ended = await poller.wait_for_end(
                    self.execution_name.execution_id,
                    poll_interval=self.poll_interval,
                    success_states=self.success_states,
                    failure_states=self.failure_states,
                    log=log,
                    on_state=self._saw,
                    started_at=self.started_at,
                    **self._ends,
                )
                succeeded = classify(ended, self.success_states, self.failure_states) is Verdict.SUCCESS
                if self.end_task and succeeded and ended == "SUCCEEDED":
                    event = await self._task_end(poller, log)
                    if event is not None:
                        return event
        except asyncio.TimeoutError:
            return self._event("timeout", self._state, "the execution did not start or end before its deadline")
        except (WorkflowsError, ValueError, AirflowException) as exc:
            return self._event("error", self._state, str(exc))
        return self._event("success" if succeeded else "failed", ended, f"the execution is {ended}")

    def _saw(self, state: str | None) -> None:
        self._state = state

    async def _task_end(self, poller: Poller, log: LoopLog) -> TriggerEvent | None:
        """Return the event that ends the task from here; ``None`` where a worker has to do it."""
        try:
            execution = await poller.get(self.execution_name.execution_id)
        except WorkflowsError as exc:
            log.info(life.ends_in_worker(self.execution_name, exc))
            return None
        if execution.get("state") != "SUCCEEDED" or len(json.dumps(execution)) > LARGEST_END:
            return None
        xcoms = {**execution_xcoms(self.execution_name), **result_xcoms(execution), "return_value": execution}
        log.info(life.succeeded(self.execution_name, "SUCCEEDED", duration_of(execution)))
        return TaskSuccessEvent(xcoms=xcoms)

    def _event(self, status: Status, state: str | None, message: str) -> TriggerEvent:
        try:
            name = str(self.execution_name)
        except ValueError:  # which is then what the event is about
            name = f"projects/{self.project_id}/locations/{self.location}/workflows/{self.workflow_id}"
            name += f"/executions/{self.execution_id}"
        payload: EventPayload = {
            "status": status,
            "state": state,
            "execution_name": name,
            "message": message,
        }
        if self.deadline is not None or self.queued_deadline is not None:
            payload |= {"deadline": self.deadline, "queued_deadline": self.queued_deadline, "time": self.clock.time()}
        return TriggerEvent(payload)  # type: ignore[no-untyped-call]

    def _poller(self) -> shared_poller:
        """Return what joins the poller that all triggers on this workflow share."""
        from airflow_provider_workflows.hooks.pollers import join_poller

        return join_poller(self._connection, self.execution_name.workflow_name, self.clock)
