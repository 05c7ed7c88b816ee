# SPDX-License-Identifier: Apache-2.0
"""
Send requests with a token from an event loop, on aiohttp.

Every request is sent once. The one exception is a 401, after which the token is renewed and the request sent once
more: the service has answered without executing anything. Whoever counts requests is told of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_workflows import __version__
from airflow_provider_workflows.auth.evidence import Evidence, watching_trace
from airflow_provider_workflows.auth.tokens import Tokens

if TYPE_CHECKING:
    import aiohttp
    from google.auth.credentials import Credentials

USER_AGENT = f"airflow-provider-workflows/{__version__}"


def import_async_session() -> None:
    """Import what :func:`make_async_session` and its first request need, which takes too long on an event loop."""
    import aiohttp  # noqa: F401
    import google.auth.transport.requests  # noqa: F401


def make_async_session(credentials: Credentials, *, timeout: float, limit: int) -> AsyncSession:
    """
    Return a session for the running event loop that adds the token, renews it and sends once more after a 401.

    Nothing else is sent twice here: answers that ask for a repeat (429, 5xx) are handed back, and a dropped connection
    is an error for a read, too, so that whoever counts requests counts them all. Proxies are the environment's. Await
    ``close()`` to release its connections.

    :param credentials: google-auth's ordinary ones, used by nobody else.
    :param timeout: seconds for one request, unless it gives its own; tokens that must be fetched for it have the same
        time again.
    :param limit: the number of connections, thus of requests in flight.
    :raises RuntimeError: when no event loop runs.
    """
    import aiohttp

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
        trace_configs=[watching_trace()],
    )
    return AsyncSession(http, Tokens(credentials), timeout=timeout)


class AsyncSession:
    """Send requests with tokens; :func:`make_async_session` makes one."""

    def __init__(self, http: aiohttp.ClientSession, tokens: Tokens, *, timeout: float) -> None:
        self._http = http
        self._tokens = tokens
        self._timeout = timeout

    async def request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_resend: Callable[[], None] | None = None,
        evidence: Evidence | None = None,
    ) -> aiohttp.ClientResponse:
        """
        Send a request, without following redirects; return the answer, its body read.

        :param timeout: seconds until the whole answer is there, instead of the session's.
        :param on_resend: called before the request is sent once more, after a 401.
        :param evidence: notes whether the request was written.
        :raises aiohttp.ClientError, asyncio.TimeoutError: where no answer came.
        :raises Exception: google-auth's own where there was no token: nothing was sent, or it was answered 401.
        """
        loop, seconds = asyncio.get_running_loop(), timeout or self._timeout
        end = loop.time() + 2 * seconds

        def left() -> float:
            return min(seconds, max(end - loop.time(), 0.001))

        sent, number = await self._tokens.add(headers or {}, url, within=seconds)
        answer = await self._send(method, url, data, sent, left(), evidence)
        if answer.status == 401 and await self._tokens.renew(number, url, within=left()):
            if on_resend:
                on_resend()
            sent, _ = await self._tokens.add(headers or {}, url, within=left())
            answer = await self._send(method, url, data, sent, left(), evidence)
        return answer

    async def _send(
        self,
        method: str,
        url: str,
        data: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
        evidence: Evidence | None,
    ) -> aiohttp.ClientResponse:
        import aiohttp

        answer = await self._http.request(
            method,
            url,
            data=data,
            headers=headers,
            proxy=_environment_proxy(url),
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
            trace_request_ctx=evidence,
        )
        await answer.read()  # which hands the connection back, also where it fails
        return answer

    async def close(self) -> None:
        """Close the connections."""
        self._tokens.close()
        await self._http.close()


def _environment_proxy(url: str) -> str | None:
    """Return the proxy that environment variables set for a URL, as requests finds it by itself."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"
