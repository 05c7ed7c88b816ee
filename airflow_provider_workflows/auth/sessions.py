# SPDX-License-Identifier: Apache-2.0
"""
Make HTTP sessions that add a token: for a thread on requests, for an event loop on aiohttp.

Neither sends anything twice by itself but after a 401: a POST that is sent twice is two executions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_workflows import __version__

if TYPE_CHECKING:
    from google.auth.aio.transport.sessions import AsyncAuthorizedSession
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession

USER_AGENT = f"airflow-provider-workflows/{__version__}"

# The hook sends one request at a time per thread; more connections than this are opened, but not kept.
_POOL_SIZE = 10

# Seconds for fetching a new token after a 401: a token server answers in well under one.
_REFRESH_TIMEOUT = 30.0


def make_session(credentials: Credentials, *, timeout: float) -> AuthorizedSession:
    """
    Return a requests session that adds the token, refreshes it and resends once or twice after a 401.

    Nothing else is resent: a POST that is sent twice is two executions. Not for several threads at once, like
    every requests session. Close it to release its connections.

    :param timeout: seconds for connecting and for each wait for data, unless a request gives its own.
    """
    from google.auth.transport.requests import AuthorizedSession
    from requests.adapters import HTTPAdapter

    class BoundedSession(AuthorizedSession):
        """Give every request a timeout: google-auth's default is 120 seconds, and ``None`` means for ever."""

        def request(  # type: ignore[override, unused-ignore]
            self, method: str, url: str, *args: Any, **kwargs: Any
        ) -> Any:
            if kwargs.get("timeout") is None:
                kwargs["timeout"] = timeout
            return super().request(method, url, *args, **kwargs)  # type: ignore[no-untyped-call]

    session = BoundedSession(credentials, refresh_timeout=_REFRESH_TIMEOUT)  # type: ignore[no-untyped-call]
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=_POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = USER_AGENT
    # Without a say of its own in this, requests replaces the token by a login that ~/.netrc has for the host.
    session.auth = lambda request: request
    return session


def import_async_session() -> None:
    """Import what :func:`make_async_session` and its first request need, which takes too long on an event loop."""
    import google.auth.aio.transport.aiohttp
    import google.auth.aio.transport.sessions
    import google.auth.transport.requests  # noqa: F401 - google-auth itself does so at the first request


def make_async_session(credentials: Credentials, *, timeout: float, limit: int) -> AsyncAuthorizedSession:
    """
    Return a session for the running event loop that adds the token, refreshes it and resends after a 401.

    Tokens are fetched in a thread, once for all requests that wait for one. Nothing else is sent twice here: answers
    that ask for a repeat (429, 5xx) are handed back, and a dropped connection is an error for a read, too, so that
    whoever counts requests counts them all. Proxies are the environment's. Await ``close()`` to release its
    connections.

    :param timeout: seconds for one request, unless it gives its own; a token that must be fetched first has
        the same time again.
    :param limit: the number of connections, thus of requests in flight.
    :raises RuntimeError: when no event loop runs.
    """
    import aiohttp
    from google.auth.aio.transport.aiohttp import Request
    from google.auth.aio.transport.sessions import AsyncAuthorizedSession

    class BoundedSession(AsyncAuthorizedSession):
        """Pin the attempts to one and shorten the timeouts: google-auth's defaults are 3 and 180 seconds."""

        async def request(
            self,
            method: str,
            url: str,
            data: bytes | None = None,
            headers: Mapping[str, str] | None = None,
            max_allowed_time: float = 2 * timeout,
            timeout: float | aiohttp.ClientTimeout = timeout,
            total_attempts: int | None = 1,  # noqa: ARG002 - part of the signature, and what must not be obeyed
            **kwargs: Any,
        ) -> Any:
            kwargs.setdefault("proxy", _environment_proxy(url))
            return await super().request(
                method, url, data, headers, max_allowed_time, timeout, total_attempts=1, **kwargs
            )

    class OneAttempt(aiohttp.ClientResponse):
        """
        Report a dropped connection by an error after which aiohttp does not send a GET again.

        Works with all versions of aiohttp, of which those since 3.10 do that and have no option against it.
        """

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            try:
                return await super().start(connection)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
                raise aiohttp.ClientConnectionError(str(exc)) from exc

    http = aiohttp.ClientSession(
        # Google's front ends close connections that were idle for ten minutes. Closing them long before that keeps a
        # request from meeting one that is just being closed.
        connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=15.0),
        response_class=OneAttempt,
        # With it, aiohttp reads ~/.netrc in a thread for each request, and refuses to send a token to a host in it.
        trust_env=False,
        headers={"User-Agent": USER_AGENT},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    return BoundedSession(credentials, auth_request=Request(session=http))


def _environment_proxy(url: str) -> str | None:
    """Return the proxy that environment variables set for a URL, as requests finds it by itself."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"
