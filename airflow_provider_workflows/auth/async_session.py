# SPDX-License-Identifier: Apache-2.0
"""
Send requests with a token from an event loop, on aiohttp.

Every request is sent once. The one exception is a 401, after which the token is renewed and the request sent once
more: the service has answered without executing anything. Whoever counts requests is told of it.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_workflows import __version__
from airflow_provider_workflows.auth.authorities import Authorities, make_context, read_authorities
from airflow_provider_workflows.auth.evidence import Evidence, watching_trace
from airflow_provider_workflows.auth.network import NotConnectedError, Proxy, proxy_for
from airflow_provider_workflows.auth.tokens import Tokens
from airflow_provider_workflows.core.envelope import error_in

if TYPE_CHECKING:
    import aiohttp
    from google.auth.credentials import Credentials

USER_AGENT = f"airflow-provider-workflows/{__version__}"


def prepare_async_session() -> Authorities:
    """
    Do what takes too long on an event loop: imports, and reading the certificates of the authorities.

    :raises WorkflowsApiError: where the environment names certificates that cannot be used.
    """
    import aiohttp  # noqa: F401
    import google.auth.transport.requests  # noqa: F401

    with suppress(ImportError):
        import aiohttp_socks  # noqa: F401
    authorities = read_authorities()
    make_context(authorities)
    return authorities


def make_async_session(
    credentials: Credentials, *, timeout: float, limit: int, authorities: Authorities | None = None
) -> AsyncSession:
    """
    Return a session for the running event loop that adds the token, renews it and sends once more after a 401.

    Nothing else is sent twice here: answers that ask for a repeat (429, 5xx) are handed back, and a dropped connection
    is an error for a read, too, so that whoever counts requests counts them all. Await ``close()`` to release its
    connections.

    :param credentials: google-auth's ordinary ones, used by nobody else.
    :param timeout: seconds for one request, unless it gives its own; tokens that must be fetched for it have the same
        time again.
    :param limit: the number of connections, thus of requests in flight.
    :param authorities: what :func:`prepare_async_session` returned in a thread; otherwise that is done here.
    :raises RuntimeError: when no event loop runs.
    """
    context = make_context(authorities or prepare_async_session())
    return AsyncSession(functools.partial(_open, context, limit), Tokens(credentials), timeout=timeout)


def _open(context: ssl.SSLContext, limit: int, socks: str | None) -> aiohttp.ClientSession:
    """Open aiohttp's session: straight or through proxies that each request names, or through one SOCKS proxy."""
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

    # Google's front ends close connections that were idle for ten minutes. Closing them long before that keeps a
    # request from meeting one that is just being closed.
    options: dict[str, Any] = {"ssl": context, "limit": limit, "keepalive_timeout": 15.0}
    return aiohttp.ClientSession(
        connector=_socks_connector(socks, options) if socks else aiohttp.TCPConnector(**options),
        response_class=OneAttempt,
        # With it, aiohttp reads ~/.netrc in a thread for each request, and refuses to send a token to a host in it.
        trust_env=False,
        headers={"User-Agent": USER_AGENT},
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[watching_trace()],
    )


def _socks_connector(url: str, options: dict[str, Any]) -> aiohttp.BaseConnector:
    """Connect as PySocks does: who finds the address of a host, proxy or client, is said by the scheme."""
    from aiohttp_socks import ProxyConnector

    scheme, _, rest = url.partition("://")
    connector: aiohttp.BaseConnector = ProxyConnector.from_url(
        f"{scheme[:6]}://{rest}", rdns=scheme in ("socks4a", "socks5h"), **options
    )
    return connector


class AsyncSession:
    """Send requests with tokens; :func:`make_async_session` makes one."""

    def __init__(
        self, open_http: Callable[[str | None], aiohttp.ClientSession], tokens: Tokens, *, timeout: float
    ) -> None:
        self._open_http = open_http
        self._http = open_http(None)
        self._through_socks: dict[str, aiohttp.ClientSession] = {}
        self._proxies: dict[str, Proxy | None] = {}
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
        :raises WorkflowsApiError: where the environment names a proxy that cannot be used.
        :raises aiohttp.ClientError, asyncio.TimeoutError, OSError: where no answer came.
        :raises Exception: google-auth's own where there was no token: nothing was sent, or it was answered 401.
        """
        loop, seconds = asyncio.get_running_loop(), timeout or self._timeout
        end = loop.time() + 2 * seconds

        def left() -> float:
            return min(seconds, max(end - loop.time(), 0.001))

        sent, number = await self._tokens.add(headers or {}, url, within=seconds)
        answer = await self._send(method, url, data, sent, left(), evidence)
        # Somebody else's 401 is not cured by another token, and the request may have had its effect.
        refused = answer.status == 401 and error_in(401, await answer.read())
        if refused and await self._tokens.renew(number, url, within=left()):
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

        if evidence:
            evidence.sent = False  # of what was answered 401 nothing was executed
        proxy = self._proxy(url)
        options: dict[str, Any] = {"data": data, "headers": headers, "allow_redirects": False}
        options["timeout"] = aiohttp.ClientTimeout(total=seconds)
        options["trace_request_ctx"] = evidence
        if proxy and proxy.is_socks:
            answer = await _not_later(seconds, self._send_through_socks(proxy.url, method, url, options))
        else:
            answer = await self._http.request(method, url, **{**options, **_through(proxy, url, headers)})
        await answer.read()  # which hands the connection back, also where it fails
        return answer

    async def _send_through_socks(
        self, proxy: str, method: str, url: str, options: dict[str, Any]
    ) -> aiohttp.ClientResponse:
        from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

        if proxy not in self._through_socks:
            self._through_socks[proxy] = self._open_http(proxy)
        try:
            return await self._through_socks[proxy].request(method, url, **options)
        except (ProxyConnectionError, ProxyError, ProxyTimeoutError) as exc:
            raise NotConnectedError(type(exc).__name__) from None

    def _proxy(self, url: str) -> Proxy | None:
        """Look at the environment once for each host."""
        origin = "://".join(urlsplit(url)[:2])
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(url)
        return self._proxies[origin]

    async def close(self) -> None:
        """Close the connections."""
        self._tokens.close()
        for http in (self._http, *self._through_socks.values()):
            await http.close()


async def _not_later(seconds: float, sending: Coroutine[Any, Any, aiohttp.ClientResponse]) -> aiohttp.ClientResponse:
    """
    Stop sending when the time is over.

    aiohttp does so as well, but once cancelled, python-socks waits for the end of a TLS handshake that hangs.
    """
    task = asyncio.ensure_future(sending)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()
    finally:
        task.cancel()


def _through(proxy: Proxy | None, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return aiohttp's options for a proxy, which hears its login beside a request that is plain."""
    if proxy is None:
        return {}
    login = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    if url.startswith("https:"):
        return {"proxy": proxy.address, "proxy_headers": login}
    return {"proxy": proxy.address, "headers": {**headers, **login}}
