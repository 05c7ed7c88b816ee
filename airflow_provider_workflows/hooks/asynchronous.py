# SPDX-License-Identifier: Apache-2.0
"""Talk to the Workflow Executions API from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.body import create_body
from airflow_provider_workflows.api.failure import failure_async
from airflow_provider_workflows.api.looking import is_passing, timed_out
from airflow_provider_workflows.api.retrying import made_nothing
from airflow_provider_workflows.compat import AirflowNotFoundException
from airflow_provider_workflows.core.deadlines import Limit
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
from airflow_provider_workflows.exceptions import WorkflowsApiError, WorkflowsError
from airflow_provider_workflows.hooks.base import limit_of_timeout
from airflow_provider_workflows.hooks.history import AsyncHistoryMethods
from airflow_provider_workflows.hooks.pollers import join_poller
from airflow_provider_workflows.hooks.trial import (
    ASK_AGAIN,
    CREDENTIALS_LOADED,
    failed,
    for_a_form,
    is_answer,
    tested_workflow,
    worked,
)
from airflow_provider_workflows.polling.loop_log import LoopLog

if TYPE_CHECKING:
    from typing_extensions import Unpack


class WorkflowExecutionsAsyncHook(AsyncHistoryMethods):
    """
    Offer :class:`WorkflowExecutionsHook`'s methods as coroutines, for triggers; nothing blocks the event loop.

    Connection and credentials are read in a thread. Belongs to the event loop it was first used on. Close it with
    ``await hook.close()`` or ``async with``.
    """

    async def create_execution(
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
        """Create an execution; see :meth:`WorkflowExecutionsHook.create_execution`."""
        self._ignore(ignored)
        workflow = await self.workflow(workflow_id, location, project_id)
        client, body = await self.get_client(), create_body(argument, labels, execution)
        return await client.retry.asynchronous(made_nothing)(client.create, workflow, body)

    async def get_execution(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        view: str = "FULL",
        **ignored: Unpack[IgnoredArguments],
    ) -> Execution:
        """Get an execution; see :meth:`WorkflowExecutionsHook.get_execution`."""
        self._ignore(ignored)
        name = await self.execution(workflow_id, execution_id, location, project_id)
        return await (await self.get_client()).get(name, view)

    async def list_executions(
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
    ) -> AsyncIterator[Execution]:
        """List executions; see :meth:`WorkflowExecutionsHook.list_executions`."""
        self._ignore(ignored)
        workflow = await self.workflow(workflow_id, location, project_id)
        client = await self.get_client()
        pages = client.list(workflow, view=view, filter=filter, order_by=order_by, page_size=page_size, limit=limit)
        async for execution in pages:
            yield execution

    async def cancel_execution(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        **ignored: Unpack[IgnoredArguments],
    ) -> Execution:
        """Cancel an execution; see :meth:`WorkflowExecutionsHook.cancel_execution`."""
        self._ignore(ignored)
        name = await self.execution(workflow_id, execution_id, location, project_id)
        return await (await self.get_client()).cancel(name)

    async def wait_for_execution(
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
        Wait until an execution has ended well; see :meth:`WorkflowExecutionsHook.wait_for_execution`.

        Looks together with everybody else on this event loop who waits on the same workflow.
        """
        success_states = states_or(SUCCESS_STATES, success_states, "success_states")
        failure_states = states_or(FAILURE_STATES, failure_states, "failure_states")
        limit = limit_of_timeout(timeout, self.clock.time())
        name = await self.execution(workflow_id, execution_id, location, project_id)
        async with join_poller(self._arguments, name.workflow_name, self.clock) as poller:
            try:
                await poller.wait_for_end(
                    name.execution_id,
                    poll_interval=poll_interval,
                    success_states=success_states,
                    failure_states=failure_states,
                    log=LoopLog(self.log),
                    started_at=self.clock.time(),  # as far as anybody knows
                    deadline=None if limit is None else limit.deadline,
                )
            except asyncio.TimeoutError:
                return await self._last_look(name, success_states, failure_states, limit)
        ended = await (await self.get_client()).get(name)
        if classify(ended.get("state"), success_states, failure_states) is Verdict.FAILED:
            raise await failure_async(await self.get_client(), ended, name)
        return ended

    async def _last_look(
        self,
        name: ExecutionName,
        success_states: Collection[str],
        failure_states: Collection[str],
        limit: Limit | None,
    ) -> Execution:
        """Take the result of an execution that ended at the last moment."""
        seen: Execution = {}
        try:
            seen = await (await self.get_client()).without_retries().get(name)
        except WorkflowsApiError as exc:
            if not is_passing(exc, 0.0):
                raise
        verdict = classify(seen.get("state"), success_states, failure_states)
        if verdict is Verdict.WAITING:
            raise timed_out(name, seen.get("state"), limit)
        if verdict is Verdict.FAILED:
            raise await failure_async(await self.get_client(), seen, name)
        return seen

    async def test_connection(self) -> tuple[bool, str]:
        """Try the connection; see :meth:`WorkflowExecutionsHook.test_connection`."""
        try:
            self._settings = for_a_form(await self.get_settings())
            if not self._settings.location:
                await self.get_client()
                return True, CREDENTIALS_LOADED
            return await self._ask(await self.workflow(tested_workflow(self._settings)))
        except (ValueError, WorkflowsError, AirflowNotFoundException) as exc:
            return False, str(exc)
        finally:
            await self.close()
            self._settings = None

    async def _ask(self, workflow: WorkflowName, *, again: bool = True) -> tuple[bool, str]:
        client = (await self.get_client()).without_retries()
        host = client.api.endpoint
        try:
            async for _ in client.list(workflow, limit=1):
                pass
        except WorkflowsError as exc:
            if is_answer(exc, workflow):
                return True, worked(host, workflow)
            if again and getattr(exc, "retryable", False):
                await self.clock.async_sleep(ASK_AGAIN)
                repeated = await self._ask(workflow, again=False)
                if repeated[0]:
                    return repeated
            return False, failed(exc, host, workflow)
        return True, worked(host, workflow)
