# SPDX-License-Identifier: Apache-2.0
"""Hold what the sync and the async hook share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.retrying import RetryPolicy
from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.compat import BaseHook
from airflow_provider_workflows.core.clock import SYSTEM_CLOCK, Clock
from airflow_provider_workflows.core.deadlines import Limit
from airflow_provider_workflows.core.defaults import CONNECTION_TYPE, DEFAULT_CONNECTION_ID
from airflow_provider_workflows.core.ignored import IgnoredArguments, ignored_line
from airflow_provider_workflows.core.seconds import seconds_of
from airflow_provider_workflows.hooks.connection import ConnectionArguments

if TYPE_CHECKING:
    from airflow_provider_workflows.auth.credentials import Resolved


def limit_of_timeout(timeout: float | timedelta | None, now: float) -> Limit | None:
    """Return what a wait's ``timeout`` means that begins now."""
    if timeout is None:
        return None
    seconds = seconds_of(timeout, "timeout", zero=True)
    return Limit("timeout", seconds, now + seconds)


class HookBase(BaseHook):
    """
    Hold what both hooks share: the arguments, the connection's settings and the credentials.

    :param gcp_conn_id: the Airflow connection, of type ``google_cloud_workflows`` or ``google_cloud_platform``.
        One that names no credentials means Application Default Credentials.
    :param impersonation_chain: account to impersonate, or several: delegates first, the target last.
    :param api_version: ``v1`` or ``v1beta``; ``None`` for the connection's.
    :param api_endpoint: another base URL than Google's; ``None`` for the connection's.
    :param clock: where waiting and retrying happen.
    """

    conn_name_attr = "gcp_conn_id"
    default_conn_name = DEFAULT_CONNECTION_ID
    conn_type = CONNECTION_TYPE
    hook_name = "Google Cloud Workflows"

    def __init__(
        self,
        gcp_conn_id: str = DEFAULT_CONNECTION_ID,
        impersonation_chain: str | Sequence[str] | None = None,
        api_version: str | None = None,
        api_endpoint: str | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__()
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_version = api_version
        self.api_endpoint = api_endpoint
        self.clock = clock
        self._settings: ConnectionSettings | None = None
        self._resolved: Resolved | None = None

    @property
    def _arguments(self) -> ConnectionArguments:
        return ConnectionArguments(self.gcp_conn_id, self.impersonation_chain, self.api_version, self.api_endpoint)

    def _ignore(self, given: Mapping[str, Any]) -> None:
        """Say where the meaning of arguments lives that the Google provider's hook takes; refuse all others."""
        for name in given.keys() - IgnoredArguments.__annotations__.keys():
            raise TypeError(f"unexpected keyword argument {name!r}")
        if line := ignored_line(given):
            self.log.warning(line)

    def _retry(self, settings: ConnectionSettings) -> RetryPolicy:
        return RetryPolicy(settings.num_retries, self.clock)
