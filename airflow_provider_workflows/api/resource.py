# SPDX-License-Identifier: Apache-2.0
"""
Build google-api-python-client's resource of the API, and have requests that users make of it sent as ours are.

Requests are built from the discovery document of the chosen version, and are never sent by httplib2, which resends a
POST by itself when a connection drops (two executions for one create).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.errors import Subject
from airflow_provider_workflows.api.transport import Outgoing, send
from airflow_provider_workflows.auth.universe import GOOGLE_UNIVERSE
from airflow_provider_workflows.core.execution import API_VERSIONS
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName, named_in
from airflow_provider_workflows.core.quoting import quoted

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession


class SessionHttp:
    """
    Stand in for ``httplib2.Http`` under a googleapiclient resource, sending through a google-auth session.

    So a user's own ``hook.get_conn()…execute()`` is as safe as the hook's methods: one create is one POST.
    """

    def __init__(self, session: AuthorizedSession, timeout: float) -> None:
        self._session = session
        self._timeout = timeout

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> tuple[Any, bytes]:
        """Send as ``httplib2.Http.request`` would; returns httplib2's response and the content."""
        import httplib2

        content = body.encode() if isinstance(body, str) else body
        operation = "create" if method == "POST" and not uri.partition("?")[0].endswith(":cancel") else "request"
        outgoing = Outgoing(_subject_of_url(operation, uri), method, uri, own_headers(headers), content)
        answer = send(self._session, outgoing, self._timeout)
        lowered = {key.lower(): value for key, value in answer.headers.items()}
        response = httplib2.Response({"status": str(answer.status), **lowered})  # type: ignore[no-untyped-call]
        return response, answer.content

    def close(self) -> None:
        """Close nothing: the session belongs to the hook."""


def _subject_of_url(operation: str, uri: str) -> Subject:
    """Say what a request is about that somebody else has built."""
    path = uri.partition("?")[0]
    name = named_in(path)
    if name is None:
        return Subject(operation, path)
    return subject_of(operation, name)


def subject_of(operation: str, name: WorkflowName | ExecutionName, part: str = "") -> Subject:
    """Say what a request is about."""
    whole = str(name) if isinstance(name, ExecutionName) else None
    return Subject(operation, f"{part} of {name.brief}" if part else name.brief, name.place, whole)


class BuildsOnly:
    """Take the place of a transport where the resource only builds requests."""

    def request(self, *_: Any, **__: Any) -> Any:
        """Refuse to send."""
        msg = "This resource builds requests; it does not send them."
        raise RuntimeError(msg)

    def close(self) -> None:
        """Close nothing."""


def own_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Drop googleapiclient's placeholder agent (the session has a real one) and hop headers the session makes."""
    dropped = {"user-agent", "content-length", "accept-encoding"}
    return {key: value for key, value in (headers or {}).items() if key.lower() not in dropped}


def build_resource(version: str, endpoint: str, http: Any) -> Any:
    """
    Build googleapiclient's resource from the discovery document that ships with it, without any network.

    :param version: ``v1`` or ``v1beta``.
    :param endpoint: the base URL; see :mod:`airflow_provider_workflows.auth.universe`.
    """
    from googleapiclient.discovery import build

    if version not in API_VERSIONS:
        msg = f"api_version must be one of {', '.join(API_VERSIONS)}, got {quoted(version)}."
        raise ValueError(msg)
    # The endpoint is decided, for one universe. The library would read the environment again, and hold the universe
    # that it finds there against credentials that it is not given: it takes them for Google's.
    options = {"api_endpoint": endpoint, "universe_domain": GOOGLE_UNIVERSE}
    return build(
        "workflowexecutions", version, http=http, client_options=options, static_discovery=True, cache_discovery=False
    )
