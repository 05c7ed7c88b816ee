# SPDX-License-Identifier: Apache-2.0
"""Open what both hooks send through: the connection's settings, the credentials, a session and a client."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.compat import AirflowNotFoundException, get_connection_async
from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.messages import setup
from airflow_provider_workflows.core.names import ExecutionName, Said, WorkflowName, said
from airflow_provider_workflows.exceptions import CredentialsError
from airflow_provider_workflows.hooks.base import HookBase
from airflow_provider_workflows.hooks.connection import ConnectionArguments, workflow_name

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_workflows.api.client import AsyncWorkflowsClient, WorkflowsClient
    from airflow_provider_workflows.auth.authorities import Authorities
    from airflow_provider_workflows.auth.credentials import Resolved
    from airflow_provider_workflows.compat import Connection

#: Seconds for which credentials that may still come are waited for: a metadata server needs some at a pod's start.
CREDENTIALS_PATIENCE = 30.0
#: Seconds between two questions for them.
LOOK_FOR_CREDENTIALS = 2.0
#: Connections of one async hook: as many requests may be in flight.
ASYNC_CONNECTIONS = 16


class OpenedHook(HookBase):
    """Open the client of the sync hook at its first use, name what it is asked about, and close it."""

    # Not in an __init__ of its own: type checkers shall see the parameters that the base takes.
    _client: WorkflowsClient | None = None
    _session: Any = None
    _patience = CREDENTIALS_PATIENCE

    @property
    def settings(self) -> ConnectionSettings:
        """Return the connection's settings with this hook's own arguments in them."""
        if self._settings is None:
            arguments = self._arguments
            with caught(AirflowNotFoundException):  # Airflow's own quotes what was given
                self._settings = arguments.settings(self.get_connection(self.gcp_conn_id))
        if self._settings is None:
            raise AirflowNotFoundException(self._arguments.missing())
        return self._settings

    @property
    def client(self) -> WorkflowsClient:
        """Return the client, made at the first use: reads the connection, the credentials and the API's document."""
        if self._client is None:
            from airflow_provider_workflows.api.client import WorkflowsClient
            from airflow_provider_workflows.api.requests import ExecutionsApi

            settings = self.settings
            api = ExecutionsApi(settings.api_version, self._identity().endpoint)
            self._client = WorkflowsClient(
                api, self._open_session(), timeout=settings.timeout, retry=self._retry(settings)
            )
        return self._client

    def apart(self) -> Self:
        """
        Return a hook for another thread: the same connection and credentials, a session of its own, no patience.

        A kill interrupts its task anywhere, also in the middle of a request and with a session's locks held.
        """
        other = copy.copy(self)
        other._client = other._session = None  # noqa: SLF001 - its own kind
        other._patience = 0.0  # noqa: SLF001
        return other

    def _open_session(self) -> Any:
        from airflow_provider_workflows.auth.sessions import make_session

        if self._session is None:
            self._session = make_session(self._identity().credentials, timeout=self.settings.timeout)
        return self._session

    def _identity(self) -> Resolved:
        if self._resolved is None:
            self._resolved = self._load_credentials()
        return self._resolved

    def _load_credentials(self) -> Resolved:
        """Load the credentials; a metadata server that is late, as at the start of a pod, is waited for."""
        from airflow_provider_workflows.auth.credentials import load_credentials

        end = self.clock.monotonic() + self._patience
        while True:
            try:
                return load_credentials(self.settings)
            except CredentialsError as exc:
                if not exc.may_pass or self.clock.monotonic() >= end:
                    raise
                self.log.warning(setup.no_credentials_yet(self._patience, exc))
            self.clock.sleep(LOOK_FOR_CREDENTIALS)

    def workflow(
        self, workflow_id: str | None, location: str | None = None, project_id: str | None = None
    ) -> WorkflowName:
        """
        Name a workflow, with the connection's project and location where none is given.

        :param workflow_id: its id, or its whole resource name.
        :raises ValueError: naming the parameter that is missing, not an id, or contradicted by a whole name.
        """
        return self._workflow(said(workflow_id, None, location, project_id))

    def _workflow(self, parts: Said) -> WorkflowName:
        project = None
        if not (parts.project_id or self.settings.project):
            project = self._identity().project
        return workflow_name(parts, self.settings, project)

    def execution(
        self, workflow_id: str | None, execution_id: str, location: str | None = None, project_id: str | None = None
    ) -> ExecutionName:
        """Name an execution by its id, or by its whole resource name and no more; see :meth:`workflow`."""
        parts = said(workflow_id, execution_id, location, project_id)
        return self._workflow(parts).execution(parts.execution_id)

    def close(self) -> None:
        """Close the connections; the hook opens new ones when it is used again."""
        if self._session is not None:
            self._session.close()
        self._client = self._session = self._resolved = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class OpenedAsyncHook(HookBase):
    """Do for the async hook what :class:`OpenedHook` does, the slow parts in threads."""

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
