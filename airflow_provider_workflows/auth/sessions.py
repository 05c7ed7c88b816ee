# SPDX-License-Identifier: Apache-2.0
"""
Make HTTP sessions that add a token: for a thread on requests, for an event loop on aiohttp.

Neither sends anything twice by itself but once after a 401: a POST that is sent twice is two executions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.auth.async_session import USER_AGENT, make_async_session
from airflow_provider_workflows.auth.authorities import read_authorities
from airflow_provider_workflows.auth.evidence import Evidence, watched_adapter
from airflow_provider_workflows.auth.network import make_adapter, session_class
from airflow_provider_workflows.auth.refreshing import make_token_request
from airflow_provider_workflows.auth.tokens import make_token_session
from airflow_provider_workflows.core.envelope import error_in

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession

__all__ = ["make_async_session", "make_session"]

# The hook sends one request at a time per thread; more connections than this are opened, but not kept.
_POOL_SIZE = 10


def make_session(credentials: Credentials, *, timeout: float) -> AuthorizedSession:
    """
    Return a requests session that adds the token, refreshes it and resends once after a 401.

    Its attribute ``evidence`` (:class:`~airflow_provider_workflows.auth.evidence.Evidence`) says whether the last
    request was written.

    Nothing else is resent: a POST that is sent twice is two executions. Not for several threads at once, like
    every requests session. Close it to release its connections.

    :param timeout: seconds for connecting and for each wait for data, unless a request gives its own.
    :raises WorkflowsApiError: where the environment names certificates that cannot be used.
    """
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession

    read_authorities()
    token_session, noted = make_token_session(), Evidence()
    auth_request = make_token_request(token_session)
    has_token = not isinstance(credentials, AnonymousCredentials)

    class BoundedSession(session_class(AuthorizedSession)):  # type: ignore[misc]
        """Give every request a timeout: google-auth's default is 120 seconds, and ``None`` means for ever."""

        evidence = noted

        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("timeout") is None:
                kwargs["timeout"] = timeout
            response = self._sent(method, url, *args, **kwargs)
            # Somebody else's 401 is not cured by another token, and the request may have had its effect.
            if has_token and response.status_code == 401 and error_in(401, response.content):
                credentials.refresh(auth_request)  # type: ignore[no-untyped-call]
                response = self._sent(method, url, *args, **kwargs)
            return response

        def _sent(self, *args: Any, **kwargs: Any) -> Any:
            self.evidence.sent = False
            return super().request(*args, **kwargs)

        def close(self) -> None:
            token_session.close()
            super().close()

    session: AuthorizedSession = BoundedSession(
        credentials,
        refresh_status_codes=(),
        auth_request=auth_request,
    )
    adapter = make_adapter(watched_adapter(noted), pool_connections=1, pool_maxsize=_POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = USER_AGENT
    # Without a say of its own in this, requests replaces the token by a login that ~/.netrc has for the host.
    session.auth = lambda request: request
    return session
