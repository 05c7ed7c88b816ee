# SPDX-License-Identifier: Apache-2.0
"""
Turn an Airflow connection into settings: which connection types are taken, and what a missing one means.

Shared by the sync and the async hook, so that both end up with the same identity.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.auth.settings import ConnectionSettings, settings_from_extra
from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.defaults import CONNECTION_TYPE, DEFAULT_CONNECTION_ID
from airflow_provider_workflows.core.names import Said, WorkflowName
from airflow_provider_workflows.core.quoting import is_quotable, looks_like, quoted, quoted_fields

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import Connection

GOOGLE_CONNECTION_TYPE = "google_cloud_platform"
_ACCEPTED_TYPES = (CONNECTION_TYPE, GOOGLE_CONNECTION_TYPE)


@dataclass(frozen=True, repr=False)
class ConnectionArguments:
    """
    Hold what a task says about its connection; everything that decides on identity and endpoint, in one place.

    :param gcp_conn_id: the Airflow connection, of type ``google_cloud_workflows`` or ``google_cloud_platform``.
    :param impersonation_chain: account to impersonate, or several: delegates first, the target last. Wins over the
        connection's.
    :param api_version: ``v1`` or ``v1beta``; ``None`` for the connection's, which is ``v1`` unless it says otherwise.
    :param api_endpoint: another base URL than Google's; ``None`` for the connection's.
    """

    gcp_conn_id: str = DEFAULT_CONNECTION_ID
    impersonation_chain: str | Sequence[str] | None = None
    api_version: str | None = None
    api_endpoint: str | None = None

    def __post_init__(self) -> None:
        """Make it a key for what is shared by all who use the same connection in the same way."""
        if not isinstance(self.gcp_conn_id, str) or not self.gcp_conn_id.strip():
            raise ValueError(f"gcp_conn_id must be the id of an Airflow connection, got {quoted(self.gcp_conn_id)}.")
        if isinstance(self.impersonation_chain, list):
            object.__setattr__(self, "impersonation_chain", tuple(self.impersonation_chain))

    __repr__ = quoted_fields

    def settings(self, connection: Connection) -> ConnectionSettings:
        """
        Combine the connection with the task's own arguments.

        :raises ValueError: for another connection type, and for fields that cannot be honoured.
        """
        if connection.conn_type not in _ACCEPTED_TYPES:
            msg = (
                f"gcp_conn_id={quoted(self.gcp_conn_id)} is a connection of type {quoted(connection.conn_type)}; "
                f"one of {', '.join(_ACCEPTED_TYPES)} is needed."
            )
            raise ValueError(msg)
        for name in ("login", "password", "host", "schema", "description"):
            if kind := looks_like(getattr(connection, name, None)):
                msg = f"The {name} of connection gcp_conn_id={quoted(self.gcp_conn_id)} is not read, and holds {kind}."
                raise ValueError(msg)
        return self._over(settings_from_extra(_extra(connection)))

    def check(self) -> None:
        """
        Look at what can be looked at without the connection.

        :raises ValueError: naming the argument that cannot be.
        """
        self._over(ConnectionSettings())

    def _over(self, settings: ConnectionSettings) -> ConnectionSettings:
        return settings.override(
            impersonation_chain=self.impersonation_chain,
            api_version=self.api_version,
            api_endpoint=self.api_endpoint,
        )

    def missing(self) -> str:
        """
        Say how to make a connection that Airflow has not.

        No other identity stands in for it: Airflow says the same of one that its secrets backend fails to read.
        """
        conn_id = self.gcp_conn_id if is_quotable(self.gcp_conn_id) else "CONN_ID"
        return (
            f"The connection gcp_conn_id={quoted(self.gcp_conn_id)} does not exist, or cannot be read just now. "
            f"Make it: airflow connections add {conn_id} --conn-type {CONNECTION_TYPE} "
            """--conn-extra '{"project": "PROJECT", "location": "LOCATION"}'"""
        )


def _extra(connection: Connection) -> dict[str, Any]:
    """Decode the extra by hand: ``extra_dejson`` makes a blocking call that an event loop must not make."""
    if not connection.extra:
        return {}
    with caught(ValueError, RecursionError) as wrong:
        extra = json.loads(connection.extra)
    if wrong.error:
        msg = f"The extra of connection {quoted(connection.conn_id)} is not valid JSON."
        raise ValueError(msg)
    if not isinstance(extra, dict):
        msg = f"The extra of connection {quoted(connection.conn_id)} must be a JSON object."
        raise ValueError(msg)
    return extra


def workflow_name(said: Said, settings: ConnectionSettings, project: str | None) -> WorkflowName:
    """
    Name a workflow from a task's arguments, with the connection's project and location where a task says none.

    :param project: that of the credentials, for a connection that says none.
    :raises ValueError: naming the parameter that is missing or not an id.
    """
    # Native rendering of templates makes numbers of ids that look like one.
    project_id = _text(said.project_id) or settings.project or project
    location = _text(said.location) or settings.location
    if not project_id:
        msg = "project_id is missing: pass project_id=, or set the connection's project."
        raise ValueError(msg)
    if not location:
        msg = "location is missing: pass location= (us-central1, for example), or set the connection's location."
        raise ValueError(msg)
    return WorkflowName(project_id, location, said.workflow_id)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
