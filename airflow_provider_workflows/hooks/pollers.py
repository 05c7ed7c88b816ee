# SPDX-License-Identifier: Apache-2.0
"""Join the poller of everybody on an event loop who waits on the same workflow with the same connection."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from airflow_provider_workflows.compat import AirflowNotFoundException, conf
from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.exceptions import CredentialsError, WorkflowsError
from airflow_provider_workflows.hooks.connection import ConnectionArguments
from airflow_provider_workflows.hooks.opened import OpenedAsyncHook

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import AsyncWorkflowsClient
    from airflow_provider_workflows.polling.budget import Limits
    from airflow_provider_workflows.polling.shared import shared_poller

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
        hook = OpenedAsyncHook(
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
