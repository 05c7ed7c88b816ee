# SPDX-License-Identifier: Apache-2.0
"""Talk to the Workflow Executions API from an event loop, and join the pollers that wait there."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.body import create_body
from airflow_provider_workflows.api.failure import failure_async
from airflow_provider_workflows.api.looking import is_passing, timed_out
from airflow_provider_workflows.api.retrying import made_nothing
from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.compat import AirflowNotFoundException, conf, get_connection_async
from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.deadlines import Limit
from airflow_provider_workflows.core.execution import FAILURE_STATES, SUCCESS_STATES, Execution, Verdict, classify
from airflow_provider_workflows.core.ignored import IgnoredArguments
from airflow_provider_workflows.core.names import ExecutionName, Said, WorkflowName, said
from airflow_provider_workflows.exceptions import CredentialsError, WorkflowsApiError, WorkflowsError
from airflow_provider_workflows.hooks.base import HookBase, limit_of_timeout
from airflow_provider_workflows.hooks.connection import ConnectionArguments, workflow_name
from airflow_provider_workflows.hooks.history import AsyncHistoryMethods
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
    from typing_extensions import Self, Unpack

    from airflow_provider_workflows.api.client import AsyncWorkflowsClient
    from airflow_provider_workflows.auth.credentials import Resolved
    from airflow_provider_workflows.auth.network import Authorities
    from airflow_provider_workflows.compat import Connection
    from airflow_provider_workflows.polling.budget import Limits
    from airflow_provider_workflows.polling.shared import shared_poller

#: Connections of one async hook: as many requests may be in flight.
ASYNC_CONNECTIONS = 16
#: Seconds for which a poller does not believe that its connection is missing, because Airflow says so when it is
#: itself away, nor that there are no default credentials, because the metadata server may be late.
DOUBT = 60.0


def join_poller(connection: ConnectionArguments, workflow: WorkflowName, clock: Clock) -> shared_poller:
    """Return what joins the poller that all who wait on this workflow with this connection share."""
    from airflow_provider_workflows.polling.shared import shared_poller

    opener = _Opener(connection, clock)
    return shared_poller(connection, workflow, opener, clock=clock, limits=_limits(), is_lasting=opener.is_lasting)


def check_limits() -> None:
    """Refuse limits of the budget that a poller could not work with."""
    _limits()


@functools.cache
def _limits() -> Limits:
    """Read the limits of the budget once: ten thousand triggers that begin together would read them for a second."""
    from airflow_provider_workflows.polling.budget import Limits

    return Limits(
        conf.getint("workflows", "get_requests_per_minute", fallback=Limits.get_requests_per_minute),
        conf.getint("workflows", "list_requests_per_minute", fallback=Limits.list_requests_per_minute),
    )


class _Opener:
    """
    Make the clients of a poller, one after the other, their slow parts in threads.

    Airflow says that a connection does not exist also when only its database or API server is away, and the metadata
    server may be late. So for some time it is in doubt whether one that is missing really is.
    """

    __slots__ = ("_arguments", "_clock", "_missing_since")

    def __init__(self, arguments: ConnectionArguments, clock: Clock) -> None:
        self._arguments = arguments
        self._clock = clock
        self._missing_since: float | None = None

    async def __call__(self) -> tuple[AsyncWorkflowsClient, Callable[[], Awaitable[None]]]:
        """Make a client; return it with what closes it."""
        arguments = self._arguments
        hook = WorkflowExecutionsAsyncHook(
            arguments.gcp_conn_id,
            arguments.impersonation_chain,
            arguments.api_version,
            arguments.api_endpoint,
            clock=self._clock,
        )
        try:
            client = await hook.get_client()
        except (AirflowNotFoundException, CredentialsError) as exc:
            if self._missing_since is None and (not isinstance(exc, CredentialsError) or exc.may_pass):
                self._missing_since = self._clock.monotonic()
            raise
        self._missing_since = None
        return client, hook.close

    def is_lasting(self, error: Exception) -> bool:
        """Tell whether an error will not pass by itself."""
        if isinstance(error, (AirflowNotFoundException, WorkflowsError)):
            since = self._missing_since
            return since is None or self._clock.monotonic() - since >= DOUBT
        # Airflow denies access to a connection with a PermissionError.
        return isinstance(error, (ValueError, PermissionError, ImportError, TypeError, AttributeError))


class WorkflowExecutionsAsyncHook(AsyncHistoryMethods, HookBase):
    """
    Offer :class:`WorkflowExecutionsHook`'s methods as coroutines, for triggers; nothing blocks the event loop.

    Connection and credentials are read in a thread. Belongs to the event loop it was first used on. Close it with
    ``await hook.close()`` or ``async with``.
    """

    # Not in an __init__ of its own: type checkers shall see the parameters that the base takes.
    _client: AsyncWorkflowsClient | None = None
    _session: Any = None
    _opening: asyncio.Lock | None = None

    async def get_settings(self) -> ConnectionSettings:
        """Return the connection's settings with this hook's own arguments in them."""
        if self._settings is None:
            connection = await read_connection(self._arguments)
            # Reading may log, so this is a thread's.
            self._settings = await asyncio.to_thread(self._arguments.settings, connection)
        assert self._settings is not None  # noqa: S101 - for the type checker
        return self._settings

    async def get_client(self) -> AsyncWorkflowsClient:
        """Return the client, made at the first use, its slow parts in a thread."""
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._client is None:
                await self._open()
        assert self._client is not None  # noqa: S101 - for the type checker
        return self._client

    async def _open(self) -> None:
        settings = await self.get_settings()
        api, resolved, authorities = await asyncio.to_thread(_load, settings)
        # Imported by now; imports on the event loop would block it for some tenths of a second.
        from airflow_provider_workflows.api.client import AsyncWorkflowsClient
        from airflow_provider_workflows.auth.async_session import make_async_session

        self._resolved = resolved
        self._session = make_async_session(
            resolved.credentials, timeout=settings.timeout, limit=ASYNC_CONNECTIONS, authorities=authorities
        )
        self._client = AsyncWorkflowsClient(api, self._session, timeout=settings.timeout, retry=self._retry(settings))

    async def workflow(
        self, workflow_id: str | None, location: str | None = None, project_id: str | None = None
    ) -> WorkflowName:
        """Name a workflow; see :meth:`WorkflowExecutionsHook.workflow`."""
        return await self._workflow(said(workflow_id, None, location, project_id))

    async def _workflow(self, parts: Said) -> WorkflowName:
        settings = await self.get_settings()
        project = None
        if not (parts.project_id or settings.project):
            await self.get_client()
            project = self._resolved.project if self._resolved else None
        return workflow_name(parts, settings, project)

    async def execution(
        self, workflow_id: str | None, execution_id: str, location: str | None = None, project_id: str | None = None
    ) -> ExecutionName:
        """Name an execution; see :meth:`WorkflowExecutionsHook.execution`."""
        parts = said(workflow_id, execution_id, location, project_id)
        return (await self._workflow(parts)).execution(parts.execution_id)

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

    async def close(self) -> None:
        """Close the connections."""
        session, self._session, self._client, self._resolved = self._session, None, None, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _load(settings: ConnectionSettings) -> tuple[Any, Resolved, Authorities]:
    """Do the slow part of opening: imports, certificates, the API's document, key files, the metadata server."""
    from airflow_provider_workflows.api.requests import ExecutionsApi
    from airflow_provider_workflows.auth.async_session import prepare_async_session
    from airflow_provider_workflows.auth.credentials import load_credentials

    authorities = prepare_async_session()
    resolved = load_credentials(settings)
    return ExecutionsApi(settings.api_version, resolved.endpoint), resolved, authorities


async def read_connection(arguments: ConnectionArguments) -> Connection:
    """
    Read a connection without blocking the event loop, on every supported Airflow.

    :raises AirflowNotFoundException: saying how to make it.
    """
    with caught(AirflowNotFoundException):  # Airflow's own quotes what was given
        return await get_connection_async(arguments.gcp_conn_id)
    raise AirflowNotFoundException(arguments.missing())
